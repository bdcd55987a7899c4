/**
 * Reads that wait until a quorum has confirmed that their leader is still one (thesis 6.4); pure.
 *
 * Reads are numbered in the order they come. A heartbeat carries the number of the newest one; who answers it
 * confirms that one and all before it. So any number of reads share one round.
 */
import type { ConfState } from "./conf.ts";
import { type Message, NO_BYTES, type NodeId } from "./message.ts";
import { jointCommitted } from "./quorum.ts";

/** A read that waits, with the commit index at the time it came: what it must see at least. */
export interface PendingRead {
  readonly request: Message;
  readonly index: number;
}

export class ReadOnly {
  private readonly acks = new Map<NodeId, number>();
  private waiting: PendingRead[] = [];
  /** How many reads were confirmed; `waiting[0]` has the number after it. */
  private confirmed = 0;

  /** How many reads wait. */
  get length(): number {
    return this.waiting.length;
  }

  add(index: number, request: Message): void {
    this.waiting.push({ request, index });
  }

  /** What a heartbeat must carry to confirm all reads that wait; no bytes if none does. */
  heartbeatContext(): Uint8Array {
    if (this.waiting.length === 0) return NO_BYTES;
    const context = new Uint8Array(8);
    new DataView(context.buffer).setBigUint64(0, BigInt(this.confirmed + this.waiting.length));
    return context;
  }

  /** A member answered a heartbeat with this context. Contexts that are not ours are ignored. */
  acknowledge(from: NodeId, context: Uint8Array): void {
    if (context.length !== 8) return;
    const view = new DataView(context.buffer, context.byteOffset, context.byteLength);
    const number = Number(view.getBigUint64(0));
    this.acks.set(from, Math.max(this.acks.get(from) ?? 0, number));
  }

  /** The reads that a quorum of this configuration has confirmed by now, in order; each is given once. */
  takeConfirmed(config: ConfState): readonly PendingRead[] {
    const reached = jointCommitted(config.voters, config.votersOutgoing, (id) => this.acks.get(id));
    // No voters at all would confirm everything: there is nobody left to lead then.
    const count = Math.min(reached - this.confirmed, this.waiting.length);
    if (count <= 0) return [];
    this.confirmed += count;
    return this.waiting.splice(0, count);
  }

  /** Forgets all reads: their leader is one no more, whoever asked has to ask again. */
  reset(): void {
    this.acks.clear();
    this.waiting = [];
    this.confirmed = 0;
  }
}
