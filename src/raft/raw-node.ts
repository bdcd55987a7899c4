/**
 * The core as its caller drives it: inputs in, a `Ready` out. Pure; one call at a time.
 *
 * Plain: while `hasReady()`, take `ready()`, do what it says, call `advance()`.
 * With `asyncStorageWrites`: take `ready()` and send its messages; those to `APPEND_THREAD` and `APPLY_THREAD` are
 * done in order by whoever stands for these, who then delivers their `responses` (to other members, or to `step`).
 * So the next `ready()` need not wait for a write.
 */
import { assert } from "../lib/assert.ts";
import type { ConfChange, ConfState } from "./conf.ts";
import { confChangeProposal } from "./conf-entry.ts";
import {
  APPEND_THREAD,
  APPLY_THREAD,
  EMPTY_HARD_STATE,
  type Entry,
  entriesSize,
  type HardState,
  isLocalThread,
  isLocalType,
  isResponseType,
  isWellFormed,
  type Message,
  type MessageFields,
  MessageType,
  message,
  NO_MESSAGES,
  NONE,
  type NodeId,
  proposal,
} from "./message.ts";
import { Raft, type ReadState, type StepResult } from "./raft.ts";
import type { RaftConfig } from "./raft-config.ts";
import type { Ready, SoftState } from "./ready.ts";
import { type Status, statusOf } from "./status.ts";

/**
 * What became of a message that came from outside. `local`: it pretends to come from this machine. `stranger`: an
 * answer from somebody who is no member, and was not asked. `malformed`: no member that follows the rules sends it.
 */
export type DeliveryResult = StepResult | "local" | "stranger" | "malformed";

const NO_READ_STATES: readonly ReadState[] = [];

export class RawNode {
  /** For tests and simulators, which look inside. */
  readonly raft: Raft;
  private readonly isAsync: boolean;
  private softState: SoftState;
  private hardState: HardState;
  /** What this member tells itself once the current `Ready` is done; undefined if none is out. */
  private ownResponses: Message[] | undefined = undefined;

  constructor(config: RaftConfig) {
    this.raft = new Raft(config);
    this.isAsync = config.asyncStorageWrites;
    this.softState = { leader: this.raft.leader, role: this.raft.role };
    this.hardState = this.raft.hardState();
  }

  /** One unit of time has passed. */
  tick(): void {
    this.raft.tick();
  }

  /** Starts an election now. */
  campaign(): void {
    this.input(MessageType.hup, NONE);
  }

  /** Proposes data, each as an entry of its own, in this order and without others in between. */
  propose(data: readonly Uint8Array[]): StepResult {
    return this.input(MessageType.prop, this.raft.id, { entries: data.map((each) => proposal(each)) });
  }

  /** Proposes a change of the configuration. It may be accepted and still become an empty entry: another is pending. */
  proposeConfChange(change: ConfChange): StepResult {
    return this.input(MessageType.prop, NONE, { entries: [confChangeProposal(change)] });
  }

  /**
   * To be called when a committed configuration change is applied, unless the state machine refuses it.
   * @throws RefusedError where the change does not suit the configuration.
   */
  applyConfChange(change: ConfChange): ConfState {
    return this.raft.applyConfChange(change);
  }

  /** Asks from which index on a read is safe: answered by a read state with this context, or not at all. */
  readIndex(context: Uint8Array): void {
    this.input(MessageType.readIndex, NONE, { entries: [proposal(context)] });
  }

  /** Asks the leader to hand over to a member. */
  transferLeader(to: NodeId): void {
    this.input(MessageType.transferLeader, to);
  }

  /** Lets a follower vote for another at once, where its caller knows that the leader is gone. */
  forgetLeader(): void {
    this.input(MessageType.forgetLeader, NONE);
  }

  /** A message to this member could not be sent. */
  reportUnreachable(id: NodeId): void {
    this.input(MessageType.unreachable, id);
  }

  /** What became of a snapshot sent to this member. */
  reportSnapshot(id: NodeId, result: "finished" | "failed"): void {
    this.input(MessageType.snapStatus, id, { reject: result === "failed" });
  }

  /** Delivers a message: of another member, or a response of a storage thread. */
  step(m: Message): DeliveryResult {
    if (!isLocalThread(m.from)) {
      if (isLocalType(m.type)) return "local";
      if (isResponseType(m.type) && this.raft.tracker.progress(m.from) === undefined) return "stranger";
      if (!isWellFormed(m)) return "malformed";
    }
    return this.raft.step(m);
  }

  /** True if `ready()` would say anything. */
  hasReady(): boolean {
    const { raft } = this;
    const { log } = raft;
    return (
      raft.messages.length > 0 ||
      raft.messagesAfterAppend.length > 0 ||
      raft.readStates.length > 0 ||
      log.unstable.hasNextEntries() ||
      log.unstable.nextSnapshot() !== undefined ||
      log.hasNextCommitted(!this.isAsync) ||
      this.softStateChanged() ||
      this.hardStateChanged()
    );
  }

  /** What is to be done now. It counts as begun: it is not said again. */
  ready(): Ready {
    assert(this.ownResponses === undefined, () => "ready() again before advance()");
    const { raft } = this;
    const { log } = raft;
    const messages = raft.messages;
    const afterAppend = raft.messagesAfterAppend;
    const readStates = raft.readStates;
    raft.messages = [];
    raft.messagesAfterAppend = [];
    if (readStates.length > 0) raft.readStates = [];

    const entries = log.unstable.nextEntries();
    const snapshot = log.unstable.nextSnapshot();
    const committed = log.nextCommitted(!this.isAsync);
    const before = this.hardState;
    const softState = this.softStateChanged() ? { leader: raft.leader, role: raft.role } : undefined;
    const hardState = this.hardStateChanged() ? raft.hardState() : undefined;
    if (softState !== undefined) this.softState = softState;
    if (hardState !== undefined) this.hardState = hardState;
    const mustSync = entries.length > 0 || raft.vote !== before.vote || raft.term !== before.term;

    const responses: Message[] = [];
    // All that is not stable is named, not only what is new: the confirmation of an earlier write may have come in a
    // later term, and was not believed.
    if (log.unstable.length > 0 || snapshot !== undefined) responses.push(this.appendDone(snapshot));
    let messagesAfterSync: readonly Message[] = NO_MESSAGES;
    if (this.isAsync) {
      const hasWrite = entries.length > 0 || hardState !== undefined || snapshot !== undefined;
      if (hasWrite || afterAppend.length > 0) {
        messages.push(this.appendOrder(hardState, entries, snapshot, [...afterAppend, ...responses]));
      }
      if (committed.length > 0) messages.push(this.applyOrder(committed));
    } else {
      messagesAfterSync = afterAppend.filter((m) => m.to !== raft.id);
      this.ownResponses = afterAppend.filter((m) => m.to === raft.id).concat(responses);
      if (committed.length > 0) this.ownResponses.push(this.applyDone(committed));
    }
    log.unstable.acceptInProgress();
    const lastCommitted = committed.at(-1);
    if (lastCommitted !== undefined) {
      log.acceptApplying(lastCommitted.index, entriesSize(committed), !this.isAsync);
    }
    return {
      softState,
      readStates: readStates.length > 0 ? readStates : NO_READ_STATES,
      messages,
      hardState,
      entries,
      snapshot,
      mustSync,
      messagesAfterSync,
      committed,
    };
  }

  /** The last `Ready` is done, all of it: stored, sent and applied. Not with `asyncStorageWrites`. */
  advance(): void {
    const responses = this.ownResponses;
    assert(responses !== undefined, () => "advance() without a ready() before it");
    this.ownResponses = undefined;
    for (const response of responses) this.raft.step(response);
  }

  status(): Status {
    return statusOf(this.raft);
  }

  /** A message that begins here: of no term. */
  private input(type: MessageType, from: NodeId, fields?: MessageFields): StepResult {
    return this.raft.step(message(type, from, NONE, 0, fields));
  }

  private softStateChanged(): boolean {
    return this.raft.leader !== this.softState.leader || this.raft.role !== this.softState.role;
  }

  private hardStateChanged(): boolean {
    const { term, vote, log } = this.raft;
    const { hardState } = this;
    return term !== hardState.term || vote !== hardState.vote || log.committed !== hardState.commit;
  }

  /** The order to write; a term of 0 says that there is no hard state among it. */
  private appendOrder(
    hardState: HardState | undefined,
    entries: readonly Entry[],
    snapshot: Ready["snapshot"],
    responses: readonly Message[],
  ): Message {
    const { term, vote, commit } = hardState ?? EMPTY_HARD_STATE;
    const fields = { vote, commit, entries, snapshot, responses };
    return message(MessageType.storageAppend, this.raft.id, APPEND_THREAD, term, fields);
  }

  /**
   * Says that everything up to now is stored. It bears the term of now: in a later one, the entries it names may have
   * been replaced and brought back, with the replacement still on its way to storage.
   */
  private appendDone(snapshot: Ready["snapshot"]): Message {
    const { id, term, log } = this.raft;
    const isLogUnstable = log.unstable.length > 0;
    return message(MessageType.storageAppendResp, APPEND_THREAD, id, term, {
      index: isLogUnstable ? log.lastIndex() : 0,
      logTerm: isLogUnstable ? log.lastTerm() : 0,
      snapshot,
    });
  }

  private applyOrder(entries: readonly Entry[]): Message {
    const fields = { entries, responses: [this.applyDone(entries)] };
    return message(MessageType.storageApply, this.raft.id, APPLY_THREAD, 0, fields);
  }

  private applyDone(entries: readonly Entry[]): Message {
    return message(MessageType.storageApplyResp, APPLY_THREAD, this.raft.id, 0, { entries });
  }
}
