/** A linearizable read sees everything that was committed, by whomever, before it was asked for (thesis 6.4). */
import type { ReadState } from "../../../src/raft/raft.ts";
import type { Member } from "../member.ts";
import { type Checker, type Scene, Violation } from "./checker.ts";

export class ReadsNeverStale implements Checker {
  readonly name = "reads-never-stale";
  private readonly scene: Scene;
  private readonly floors = new Map<number, number>();

  constructor(scene: Scene) {
    this.scene = scene;
  }

  readAsked(read: number): void {
    this.floors.set(read, this.scene.history.commit);
  }

  readAnswered(member: Member, read: number, { index }: ReadState): void {
    const floor = this.floors.get(read);
    if (floor === undefined)
      throw new Violation(this.name, `${member.id} answered read ${read}, which nobody asked`);
    if (index < floor) {
      throw new Violation(
        this.name,
        `${member.id} answered read ${read} at ${index}; ${floor} was committed when it was asked`,
      );
    }
  }
}
