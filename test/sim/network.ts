/** Messages on their way: each arrives when it is due, in an order that nobody promised. */
import type { Message } from "../../src/raft/message.ts";

/** Longest way, in units of time. */
export const TRAVEL_MAX = 255;

/** Messages on their way, at most: beyond, whatever is sent is lost. A storm of repetitions must end somewhere. */
const UNDERWAY_MAX = 2000;

export class Network {
  private readonly slots: Message[][] = Array.from({ length: TRAVEL_MAX + 1 }, () => []);
  private readonly cuts: boolean[];
  private readonly members: number;
  private underway = 0;

  constructor(members: number) {
    this.members = members;
    this.cuts = Array.from({ length: (members + 1) ** 2 }, () => false);
  }

  /** @returns False if there is no room. */
  send(m: Message, due: number): boolean {
    if (this.underway >= UNDERWAY_MAX) return false;
    this.slots[due % (TRAVEL_MAX + 1)]?.push(m);
    this.underway++;
    return true;
  }

  /** What arrives now. */
  arrivals(now: number): readonly Message[] {
    const place = now % (TRAVEL_MAX + 1);
    const arrived = this.slots[place] ?? [];
    if (arrived.length > 0) this.slots[place] = [];
    this.underway -= arrived.length;
    return arrived;
  }

  isCut(from: number, to: number): boolean {
    return this.cuts[from * (this.members + 1) + to] ?? false;
  }

  cut(from: number, to: number): void {
    this.cuts[from * (this.members + 1) + to] = true;
  }

  mend(): void {
    this.cuts.fill(false);
  }
}
