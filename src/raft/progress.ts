import { assert } from "../lib/assert.ts";
import { Inflights } from "./inflights.ts";

/**
 * How the leader sends to a member. `probe`: its last index is not known, one append at a time until it answers.
 * `replicate`: appends follow one another without waiting, within the window. `snapshot`: what it needs is no longer
 * in the log; nothing is sent until the snapshot has arrived or failed.
 */
export type ProgressState = "probe" | "replicate" | "snapshot";

const STATE_NAMES = { probe: "StateProbe", replicate: "StateReplicate", snapshot: "StateSnapshot" } as const;

/** What the leader knows of one member's log (nextIndex and matchIndex of Raft figure 2, and the flow of appends). */
export class Progress {
  readonly id: bigint;
  isLearner: boolean;

  /** Up to here the member's log is known to equal the leader's. Invariant: match < next. */
  match = 0;
  /** The next index to send; what lies between `match` and it is under way. In `snapshot`: pendingSnapshot + 1. */
  next: number;
  /** The highest commit index under way to the member; falls back where the appends that carried it were lost. */
  sentCommit = 0;
  state: ProgressState = "probe";
  /** In `snapshot`: the index of the snapshot being sent; else 0. */
  pendingSnapshot = 0;
  /** The member was heard since the last check of the quorum (thesis §6.2). */
  recentActive = false;
  /** No append until a heartbeat is answered: a probe is out, or the window was filled. */
  flowPaused = false;
  readonly inflights: Inflights;

  constructor(id: bigint, next: number, isLearner: boolean, inflights: Inflights) {
    assert(next >= 1, () => `progress of ${id} starts with next ${next}, which must be at least 1`);
    this.id = id;
    this.next = next;
    this.isLearner = isLearner;
    this.inflights = inflights;
  }

  /** A new term: nothing is known of the member any more, whose log is probed from `next`. */
  restart(next: number): void {
    this.#enter("probe");
    this.match = 0;
    this.next = next;
    this.sentCommit = 0;
    this.recentActive = false;
  }

  /** Probes from behind what is known to match, or from behind the snapshot that was under way. */
  becomeProbe(): void {
    const from = this.state === "snapshot" ? Math.max(this.match, this.pendingSnapshot) : this.match;
    this.#enter("probe");
    this.next = from + 1;
    this.#withdrawCommit();
  }

  /** Sends without waiting, from behind what is known to match. */
  becomeReplicate(): void {
    this.#enter("replicate");
    this.next = this.match + 1;
  }

  /** Waits for the snapshot at `index`, which is about to be sent. */
  becomeSnapshot(index: number): void {
    this.#enter("snapshot");
    this.pendingSnapshot = index;
    this.next = index + 1;
    this.sentCommit = index;
  }

  /** An append with `entries` entries of `bytes` bytes from `next` on was sent: not to be called in `snapshot`. */
  sentEntries(entries: number, bytes: number): void {
    if (this.state === "replicate") {
      if (entries > 0) {
        this.next += entries;
        this.inflights.add(this.next - 1, bytes);
      }
      this.flowPaused = this.inflights.isFull();
      return;
    }
    assert(this.state === "probe", () => `append sent to ${this.id} in ${this.describe()}`);
    if (entries > 0) this.flowPaused = true;
  }

  /** Sending the commit index `index` could move the member's own: none under way covers all that it may know of. */
  canBumpCommit(index: number): boolean {
    return index > this.sentCommit && this.sentCommit < this.next - 1;
  }

  /** The commit index `index` was sent. */
  sentCommitIndex(index: number): void {
    this.sentCommit = index;
  }

  /** The member has acknowledged `index`. False, and nothing changed, if that was known already. */
  acknowledge(index: number): boolean {
    if (index <= this.match) return false;
    this.match = index;
    this.next = Math.max(this.next, index + 1);
    this.flowPaused = false;
    return true;
  }

  /**
   * The member has refused an append that followed `rejected`, and hints that its log may match up to `hint`.
   * False, and nothing changed, if the refusal is stale: of an index acknowledged since, or of another probe.
   */
  reject(rejected: number, hint: number): boolean {
    if (this.state === "replicate") {
      if (rejected <= this.match) return false;
      // Not from the hint: appends sent before this one may still be acknowledged.
      this.next = this.match + 1;
      this.#withdrawCommit();
      return true;
    }
    if (rejected !== this.next - 1) return false;
    this.next = Math.max(Math.min(rejected, hint + 1), this.match + 1);
    this.#withdrawCommit();
    this.flowPaused = false;
    return true;
  }

  /** No entries are sent now. */
  isPaused(): boolean {
    return this.state === "snapshot" || this.flowPaused;
  }

  /** `StateReplicate match=11 next=14 inflight=2`: as logs and scripts show it. */
  describe(): string {
    let text = `${STATE_NAMES[this.state]} match=${this.match} next=${this.next}`;
    if (this.isLearner) text += " learner";
    if (this.isPaused()) text += " paused";
    if (this.pendingSnapshot > 0) text += ` pendingSnap=${this.pendingSnapshot}`;
    if (!this.recentActive) text += " inactive";
    if (this.inflights.count > 0) {
      text += ` inflight=${this.inflights.count}${this.inflights.isFull() ? "[full]" : ""}`;
    }
    return text;
  }

  #enter(state: ProgressState): void {
    this.flowPaused = false;
    this.pendingSnapshot = 0;
    this.state = state;
    this.inflights.reset();
  }

  /** What was sent beyond `next` counts as lost, and with it the commit index that it carried. */
  #withdrawCommit(): void {
    this.sentCommit = Math.min(this.sentCommit, this.next - 1);
  }
}
