/**
 * The Raft state machine: what one member knows, and how it moves between follower, candidate and leader. Pure: it
 * acts on messages and ticks only, and what it wants done waits in `messages`, `messagesAfterAppend`, `readStates`
 * and the log, for `raw-node.ts` to collect.
 *
 * Sources: Ongaro and Ousterhout, "In Search of an Understandable Consensus Algorithm" (the paper), Ongaro,
 * "Consensus: Bridging Theory and Practice" (the thesis), and etcd's raft, whose messages these are.
 */
import { assert, unreachable } from "../lib/assert.ts";
import { stepCandidate } from "./candidate.ts";
import { asV2, type ConfChange, type ConfState } from "./conf.ts";
import { type ConfChangeResult, changeConfig, restore } from "./confchange.ts";
import { hex, messageTypeName } from "./describe.ts";
import { answerVoteRequest, hup, refusesElections } from "./election.ts";
import { stepFollower } from "./follower.ts";
import { appendAsLeader, stepLeader } from "./leader.ts";
import { RaftLog } from "./log.ts";
import {
  EntryType,
  entriesSize,
  type HardState,
  isEmptyHardState,
  type Message,
  type MessageFields,
  MessageType,
  message,
  NO_BYTES,
  NONE,
  type NodeId,
  payloadSize,
  proposal,
  type Snapshot,
} from "./message.ts";
import { checkConfig, type RaftConfig } from "./raft-config.ts";
import type { RaftLogger } from "./raft-logger.ts";
import { ReadOnly } from "./read-only.ts";
import { broadcastEntries, commitByQuorum } from "./replication.ts";
import { Tracker } from "./tracker.ts";

export type Role = "follower" | "preCandidate" | "candidate" | "leader";

/** `dropped`: a proposal was not taken, and never will be; its proposer may try again. */
export type StepResult = "accepted" | "dropped";

/** A read asked for with `context` may be answered from a state machine that has applied `index`. */
export interface ReadState {
  readonly index: number;
  readonly context: Uint8Array;
}

export class Raft {
  readonly id: NodeId;
  readonly config: RaftConfig;
  readonly log: RaftLog;
  readonly tracker: Tracker;
  readonly logger: RaftLogger;

  term = 0;
  vote: NodeId = NONE;
  role: Role = "follower";
  leader: NodeId = NONE;
  isLearner = false;

  /** To be sent at once; all of them to others. */
  messages: Message[] = [];
  /**
   * Votes and acknowledgements: promises that must not leave, nor be counted by this member itself, before all that
   * stands in the log and the hard state when they are made is durable (thesis 3.8).
   */
  messagesAfterAppend: Message[] = [];
  readStates: ReadState[] = [];

  /** Leader: reads that wait for a quorum. */
  readonly readOnly: ReadOnly = new ReadOnly();
  /** Leader: reads that came before it had committed an entry of its term (thesis 6.4, step 1). */
  readsBeforeCommit: Message[] = [];
  /** Leader: who is to become leader next; proposals are dropped meanwhile (thesis 3.10). */
  transferee: NodeId = NONE;
  /**
   * Leader: an index at or after the last configuration change in the log. The next one has to wait until this one is
   * applied (thesis 4.1: one at a time).
   */
  pendingConfIndex = 0;
  /** Leader: bytes of data not committed yet, estimated from below. */
  uncommittedBytes = 0;

  /** Ticks since the leader was heard of (follower), since the election began, or since the quorum was checked. */
  electionElapsed = 0;
  /** Leader: ticks since the last heartbeats. */
  heartbeatElapsed = 0;
  /** How many ticks without a leader start an election; drawn anew with each change of role or term. */
  electionTimeout = 0;

  /** @throws InvariantError where the stored state contradicts itself, RefusedError for an impossible configuration. */
  constructor(config: RaftConfig) {
    checkConfig(config);
    const { storage } = config;
    this.id = config.id;
    this.config = config;
    this.logger = config.logger;
    this.log = new RaftLog(storage, config.logger, config.applyingBytesMax);
    this.tracker = new Tracker(config.inflightMessagesMax, config.inflightBytesMax);

    const { hardState, confState } = storage.initialState();
    this.switchConfig(restore(confState));
    if (!isEmptyHardState(hardState)) this.loadHardState(hardState);
    if (config.applied > 0) this.log.appliedTo(config.applied, 0);
    this.becomeFollower(this.term, NONE);
    this.logger.info(
      () =>
        `newRaft ${hex(this.id)} [peers: [${this.tracker.voters.map((voter) => hex(voter.id)).join(",")}], ` +
        `term: ${this.term}, commit: ${this.log.committed}, applied: ${this.log.applied}, ` +
        `lastindex: ${this.log.lastIndex()}, lastterm: ${this.log.lastTerm()}]`,
    );
  }

  hardState(): HardState {
    return { term: this.term, vote: this.vote, commit: this.log.committed };
  }

  /** One unit of time has passed. */
  tick(): void {
    if (this.role === "leader") this.tickLeader();
    else this.tickElection();
    this.checkInvariants();
  }

  /** Acts on a message, from another member or from this machine. The message is never changed. */
  step(m: Message): StepResult {
    if (m.term > this.term) {
      if (!this.acceptHigherTerm(m)) return "accepted";
    } else if (m.term !== 0 && m.term < this.term) {
      this.answerLowerTerm(m);
      return "accepted";
    }
    const result = this.dispatch(m);
    this.checkInvariants();
    return result;
  }

  /** Queues a message of this term to another member, from this one. */
  send(type: MessageType, to: NodeId, fields?: MessageFields): void {
    assert(to !== this.id, () => `${messageTypeName(type)} to this member itself`);
    this.messages.push(message(type, this.id, to, this.term, fields));
  }

  /** Queues the answer to an append, to be sent (or counted, if it is our own) once all before it is durable. */
  acknowledge(to: NodeId, fields?: MessageFields): void {
    this.messagesAfterAppend.push(message(MessageType.appResp, this.id, to, this.term, fields));
  }

  /**
   * Passes a request on to the leader, with the name of who asked. Proposals and reads carry no term: they are as good
   * for the next leader.
   */
  forwardToLeader(m: Message): void {
    const from = m.from === NONE ? this.id : m.from;
    const term = m.type === MessageType.prop || m.type === MessageType.readIndex ? 0 : this.term;
    this.messages.push(message(m.type, from, this.leader, term, m));
  }

  becomeFollower(term: number, leader: NodeId): void {
    this.reset(term);
    this.role = "follower";
    this.leader = leader;
    this.logger.info(() => `${hex(this.id)} became follower at term ${this.term}`);
  }

  /** Starts an election in the next term, with the vote for itself (paper, 5.2). */
  becomeCandidate(): void {
    assert(this.role !== "leader", () => `leader ${this.id} of term ${this.term} cannot become a candidate`);
    this.reset(this.term + 1);
    this.role = "candidate";
    this.vote = this.id;
    this.logger.info(() => `${hex(this.id)} became candidate at term ${this.term}`);
  }

  /** Asks whether an election could be won; term and vote stay as they are (thesis 9.6). */
  becomePreCandidate(): void {
    assert(this.role !== "leader", () => `leader ${this.id} of term ${this.term} cannot ask for pre-votes`);
    this.role = "preCandidate";
    this.tracker.resetVotes();
    this.leader = NONE;
    this.logger.info(() => `${hex(this.id)} became pre-candidate at term ${this.term}`);
  }

  becomeLeader(): void {
    assert(this.role !== "follower", () => `follower ${this.id} cannot lead term ${this.term} unelected`);
    this.reset(this.term);
    this.role = "leader";
    this.leader = this.id;
    const own = this.tracker.progress(this.id);
    assert(
      own !== undefined,
      () => `${this.id} won the election of term ${this.term} without being a member`,
    );
    own.becomeReplicate();
    own.recentActive = true;
    // There may be a configuration change among the entries taken over; to wait for all of them spares the search.
    this.pendingConfIndex = this.log.lastIndex();
    const appended = appendAsLeader(this, [proposal(NO_BYTES)]);
    assert(appended, () => `the first entry of term ${this.term} was refused`);
    this.logger.info(() => `${hex(this.id)} became leader at term ${this.term}`);
  }

  /** True if this member may be elected: a voter that has its whole state. */
  isPromotable(): boolean {
    const own = this.tracker.progress(this.id);
    return own !== undefined && !own.isLearner && !this.log.hasSnapshotPending();
  }

  /** A change of the configuration has been applied by the state machine. @throws RefusedError where it cannot be. */
  applyConfChange(change: ConfChange): ConfState {
    // Nothing after a snapshot that waits to be stored is handed out to be applied: this change came before it, and
    // the configuration in force is the snapshot's, which has it already.
    if (this.log.hasSnapshotPending()) return this.tracker.config;
    return this.switchConfig(changeConfig(this.tracker.config, asV2(change)));
  }

  /** Entries up to `index` have been applied; they took `bytes` of the room for entries being applied. */
  appliedTo(index: number, bytes: number): void {
    const applied = Math.max(index, this.log.applied);
    this.log.appliedTo(applied, bytes);
    if (!this.tracker.config.autoLeave || this.role !== "leader" || applied < this.pendingConfIndex) return;
    // Without data, which stands for "leave", so that no limit can refuse it. A leadership transfer can: then the new
    // leader leaves, or the transfer fails and the next entry applied brings us here again.
    const leave = [proposal(NO_BYTES, EntryType.confChangeV2)];
    const result = this.step(this.local(MessageType.prop, { entries: leave }));
    const config = this.tracker.describeConfig();
    if (result === "accepted") {
      this.logger.info(() => `initiating automatic transition out of joint configuration ${config}`);
    } else {
      this.logger.debug(
        () =>
          `not initiating automatic transition out of joint configuration ${config}: raft proposal dropped`,
      );
    }
  }

  /** True once an entry of this term is committed: only then does a leader know all that is (paper, section 8). */
  hasCommittedInTerm(): boolean {
    return this.log.termOrZero(this.log.committed) === this.term;
  }

  /**
   * Puts a received snapshot in place of log and configuration.
   * @returns False if it was of no use: older than what is here, or not for us.
   */
  restoreSnapshot(snapshot: Snapshot): boolean {
    const { index, term, confState } = snapshot;
    if (index <= this.log.committed) return false;
    assert(this.role === "follower", () => `snapshot at ${index} reached a ${this.role}`);
    const { voters, learners, votersOutgoing } = confState;
    if (![voters, learners, votersOutgoing].some((ids) => ids.includes(this.id))) {
      this.logger.warn(
        () =>
          `${hex(this.id)} attempted to restore snapshot but it is not in the ConfState; should never happen`,
      );
      return false;
    }
    const place = (): string =>
      `${hex(this.id)} [commit: ${this.log.committed}, lastindex: ${this.log.lastIndex()}, lastterm: ${this.log.lastTerm()}]`;
    if (this.log.matchTerm(term, index)) {
      this.logger.info(() => `${place()} fast-forwarded commit to snapshot [index: ${index}, term: ${term}]`);
      this.log.commitTo(index);
      return false;
    }
    // Refused before anything is touched, if there can be no such configuration.
    const restored = restore(confState);
    this.log.restore(snapshot);
    this.switchConfig(restored);
    this.logger.info(() => `${place()} restored snapshot [index: ${index}, term: ${term}]`);
    return true;
  }

  /** A message from this member to itself, as if it came from outside. */
  private local(type: MessageType, fields?: MessageFields): Message {
    return message(type, this.id, NONE, 0, fields);
  }

  private dispatch(m: Message): StepResult {
    switch (m.type) {
      case MessageType.hup:
        hup(this, this.config.preVote ? "preElection" : "election");
        return "accepted";
      case MessageType.storageAppendResp:
        if (m.index !== 0) this.log.unstable.stableTo(m.logTerm, m.index);
        if (m.snapshot !== undefined) this.snapshotStored(m.snapshot);
        return "accepted";
      case MessageType.storageApplyResp: {
        const last = m.entries.at(-1);
        if (last === undefined) return "accepted";
        this.appliedTo(last.index, entriesSize(m.entries));
        this.uncommittedBytes = Math.max(0, this.uncommittedBytes - payloadSize(m.entries));
        return "accepted";
      }
      case MessageType.vote:
      case MessageType.preVote:
        answerVoteRequest(this, m);
        return "accepted";
      default:
        return this.dispatchByRole(m);
    }
  }

  private dispatchByRole(m: Message): StepResult {
    switch (this.role) {
      case "leader":
        return stepLeader(this, m);
      case "follower":
        return stepFollower(this, m);
      case "candidate":
      case "preCandidate":
        return stepCandidate(this, m);
      default:
        return unreachable(this.role);
    }
  }

  /** A message of a later term ends ours (paper, 5.1). @returns False if the message is to be ignored. */
  private acceptHigherTerm(m: Message): boolean {
    const { type } = m;
    if ((type === MessageType.vote || type === MessageType.preVote) && refusesElections(this, m))
      return false;
    // A pre-vote asks about a term that nobody has entered yet, and its grant answers about the same.
    if (type === MessageType.preVote || (type === MessageType.preVoteResp && !m.reject)) return true;
    this.logger.info(
      () =>
        `${hex(this.id)} [term: ${this.term}] received a ${messageTypeName(type)} message with higher term from ` +
        `${hex(m.from)} [term: ${m.term}]`,
    );
    const fromLeader =
      type === MessageType.app || type === MessageType.heartbeat || type === MessageType.snap;
    this.becomeFollower(m.term, fromLeader ? m.from : NONE);
    return true;
  }

  private answerLowerTerm(m: Message): void {
    const { checkQuorum, preVote } = this.config;
    const { type } = m;
    if ((checkQuorum || preVote) && (type === MessageType.heartbeat || type === MessageType.app)) {
      // A leader of an older term, which we cannot depose by an election while the others are in its lease: our term
      // in the answer makes it step down (thesis 6.2, 9.6).
      this.acknowledge(m.from);
    } else if (type === MessageType.preVote) {
      // Silence could leave a candidate of an older term, the only one with a complete log, waiting for ever.
      answerVoteRequest(this, m);
    } else if (type === MessageType.storageAppendResp) {
      // Entries written in an older term may have been replaced since, by a write that is still under way.
      if (m.index !== 0) {
        this.logger.info(
          () =>
            `${hex(this.id)} [term: ${this.term}] ignored entry appends from a ${messageTypeName(type)} message ` +
            `with lower term [term: ${m.term}]`,
        );
      }
      // A snapshot holds committed state, in whatever term it was stored.
      if (m.snapshot !== undefined) this.snapshotStored(m.snapshot);
    } else {
      this.logger.info(
        () =>
          `${hex(this.id)} [term: ${this.term}] ignored a ${messageTypeName(type)} message with lower term from ` +
          `${hex(m.from)} [term: ${m.term}]`,
      );
    }
  }

  private tickElection(): void {
    this.electionElapsed += 1;
    if (this.electionElapsed < this.electionTimeout || !this.isPromotable()) return;
    this.electionElapsed = 0;
    this.step(this.local(MessageType.hup));
  }

  private tickLeader(): void {
    this.heartbeatElapsed += 1;
    this.electionElapsed += 1;
    if (this.electionElapsed >= this.config.electionTicks) {
      this.electionElapsed = 0;
      if (this.config.checkQuorum) this.step(this.local(MessageType.checkQuorum));
      // A transfer that took an election timeout has failed: lead on.
      this.transferee = NONE;
    }
    if (this.role === "leader" && this.heartbeatElapsed >= this.config.heartbeatTicks) {
      this.heartbeatElapsed = 0;
      this.step(this.local(MessageType.beat));
    }
  }

  /** Begins a term, or a role in it: all that belonged to the one before is forgotten. */
  private reset(term: number): void {
    assert(term >= this.term, () => `term would go back from ${this.term} to ${term}`);
    if (term !== this.term) {
      this.term = term;
      this.vote = NONE;
    }
    this.leader = NONE;
    this.transferee = NONE;
    this.electionElapsed = 0;
    this.heartbeatElapsed = 0;
    const { electionTicks, random } = this.config;
    this.electionTimeout = electionTicks + random(electionTicks);

    this.tracker.resetVotes();
    const last = this.log.lastIndex();
    for (const member of this.tracker.members) {
      member.restart(last + 1);
      if (member.id === this.id) member.acknowledge(last);
    }
    this.pendingConfIndex = 0;
    this.uncommittedBytes = 0;
    this.readOnly.reset();
    this.readsBeforeCommit = [];
  }

  private loadHardState(state: HardState): void {
    const { committed } = this.log;
    const last = this.log.lastIndex();
    assert(
      state.commit >= committed && state.commit <= last,
      () =>
        `stored commit index ${state.commit} is out of range [${committed}, ${last}]: was the log truncated or lost?`,
    );
    this.log.committed = state.commit;
    this.term = state.term;
    this.vote = state.vote;
  }

  private snapshotStored(snapshot: Snapshot): void {
    this.log.unstable.stableSnapTo(snapshot.index);
    this.appliedTo(snapshot.index, 0);
  }

  /** Puts a configuration in force, and acts on what it means for this member and its role. */
  private switchConfig(result: ConfChangeResult): ConfState {
    const { config, added } = result;
    this.tracker.adopt(config, added, this.log.lastIndex());
    this.logger.info(() => `${hex(this.id)} switched to configuration ${this.tracker.describeConfig()}`);
    const own = this.tracker.progress(this.id);
    this.isLearner = own?.isLearner ?? false;
    if (this.role !== "leader") return config;
    if (own === undefined || this.isLearner) {
      if (this.config.stepDownOnRemoval) this.becomeFollower(this.term, NONE);
      return config;
    }
    if (config.voters.length === 0) return config;
    // A smaller quorum may have committed more; whoever is new is greeted without waiting for a heartbeat.
    if (!commitByQuorum(this)) broadcastEntries(this);
    if (!this.tracker.voters.some((voter) => voter.id === this.transferee)) this.transferee = NONE;
    return config;
  }

  private checkInvariants(): void {
    const { applied, applying, committed } = this.log;
    assert(
      applied <= applying && applying <= committed,
      () => `applied ${applied} <= applying ${applying} <= committed ${committed} does not hold`,
    );
    assert(
      this.role !== "leader" || this.leader === this.id,
      () => `leader ${this.id} of term ${this.term} takes ${this.leader} for the leader`,
    );
  }
}
