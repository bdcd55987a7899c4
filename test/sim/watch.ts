/** Passes on to all checkers what happens, and counts the states that were reached. */
import type { Entry, HardState, Message, Snapshot } from "../../src/raft/message.ts";
import type { ReadState, Role } from "../../src/raft/raft.ts";
import { AckedIsDurable } from "./checkers/acked-is-durable.ts";
import { type Checker, type Scene, Violation } from "./checkers/checker.ts";
import { CommitNeverBack } from "./checkers/commit-never-back.ts";
import { JointMajorities } from "./checkers/joint-majorities.ts";
import { LeaderCompleteness } from "./checkers/leader-completeness.ts";
import { LogMatching } from "./checkers/log-matching.ts";
import { OneLeaderPerTerm } from "./checkers/one-leader-per-term.ts";
import { OneVotePerTerm } from "./checkers/one-vote-per-term.ts";
import { ReadsNeverStale } from "./checkers/reads-never-stale.ts";
import { StateMachineSafety } from "./checkers/state-machine-safety.ts";
import type { Membership } from "./config-model.ts";
import { STATES, type State, Tally } from "./coverage.ts";
import type { Member } from "./member.ts";

/** A member as it was when it was looked at last. */
interface Seen {
  term: number;
  role: Role;
  commit: number;
}

export class Watch {
  readonly states: Tally<State> = new Tally(STATES);
  /** Records that a loss of power took from disks, and those that it left behind a hole. */
  readonly torn = { lost: 0, reordered: 0 };
  private readonly checkers: readonly Checker[];
  private readonly seen = new Map<bigint, Seen>();
  /** Who waits for which proposal. */
  private readonly proposers = new Map<number, bigint>();
  private readonly scene: Scene;
  private readonly leaseReads: boolean;

  constructor(scene: Scene, leaseReads: boolean) {
    this.scene = scene;
    this.leaseReads = leaseReads;
    this.checkers = [
      // The first writes down what is committed, for all others.
      new StateMachineSafety(scene),
      new OneLeaderPerTerm(),
      new OneVotePerTerm(),
      new LogMatching(),
      new LeaderCompleteness(scene),
      new JointMajorities(scene),
      new CommitNeverBack(),
      new AckedIsDurable(scene),
      new ReadsNeverStale(scene),
    ];
  }

  reached(state: State): void {
    this.states.add(state);
  }

  tore(lost: number, reordered: number): void {
    this.torn.lost += lost;
    this.torn.reordered += reordered;
  }

  violation(message: string): Violation {
    return new Violation("state-machine-safety", message);
  }

  /** Something happened to a member. */
  look(member: Member): void {
    const { raft } = member;
    const seen = this.seenOf(member);
    const { term, role, log } = raft;
    if (role !== seen.role || term !== seen.term) {
      this.countRole(member, seen);
      const isElected = role === "leader";
      seen.role = role;
      seen.term = term;
      if (isElected) for (const checker of this.checkers) checker.elected?.(member);
    }
    if (log.committed !== seen.commit) {
      const from = seen.commit;
      seen.commit = log.committed;
      if (log.committed > from) {
        if (role === "leader") this.countCommits(member, from);
        for (const checker of this.checkers) checker.committed?.(member, from);
      }
    }
    for (const checker of this.checkers) checker.stepped?.(member);
  }

  started(member: Member): void {
    const { term, role, log } = member.raft;
    this.seen.set(member.id, { term, role, commit: log.committed });
    for (const checker of this.checkers) checker.started?.(member);
  }

  wrote(member: Member, entries: readonly Entry[]): void {
    if (entries.length > 0) for (const checker of this.checkers) checker.wrote?.(member, entries);
  }

  sent(m: Message): void {
    for (const checker of this.checkers) checker.sent?.(m);
  }

  kept(member: Member, state: HardState): void {
    for (const checker of this.checkers) checker.kept?.(member, state);
  }

  applied(member: Member, entry: Entry): void {
    for (const checker of this.checkers) checker.applied?.(member, entry);
  }

  restored(member: Member, snapshot: Snapshot): void {
    this.reached("snapshots restored");
    for (const checker of this.checkers) checker.restored?.(member, snapshot);
  }

  /** A client of this member proposes. */
  proposed(member: Member, proposal: number): void {
    this.proposers.set(proposal, member.id);
  }

  /** Whose client waits for it can tell it now. */
  appliedProposal(member: Member, proposal: number, index: number): void {
    if (this.proposers.get(proposal) !== member.id) return;
    this.proposers.delete(proposal);
    this.reached("proposals acknowledged");
    for (const checker of this.checkers) checker.acknowledged?.(proposal, index);
  }

  readAsked(read: number): void {
    for (const checker of this.checkers) checker.readAsked?.(read);
  }

  readAnswered(member: Member, read: number, state: ReadState): void {
    this.reached("reads answered");
    if (member.raft.role !== "leader") this.reached("reads answered to a follower");
    if (this.leaseReads) this.reached("reads answered by lease");
    for (const checker of this.checkers) checker.readAnswered?.(member, read, state);
  }

  changed(member: Member, before: Membership, after: Membership): void {
    this.reached("membership changes");
    if (after.outgoing.size > 0) this.reached("joint configurations entered");
    if (before.outgoing.size > 0) this.reached("joint configurations left");
    for (const id of before.learners) if (after.incoming.has(id)) this.reached("learners promoted");
    if (this.seenOf(member).role === "leader" && !after.incoming.has(member.id))
      this.reached("leaders removed");
  }

  settled(group: readonly Member[]): void {
    for (const checker of this.checkers) checker.settled?.(group);
  }

  private seenOf(member: Member): Seen {
    let seen = this.seen.get(member.id);
    if (seen === undefined) {
      seen = { term: member.raft.term, role: "follower", commit: member.raft.log.committed };
      this.seen.set(member.id, seen);
    }
    return seen;
  }

  private countRole({ id, raft }: Member, before: Seen): void {
    const { role, term } = raft;
    if (role === "leader") {
      this.reached("elections won");
      const handsOver = this.scene.members.some((member) => member.isUp && member.raft.transferee === id);
      if (handsOver) this.reached("transfers completed");
    }
    if (role === "candidate") this.reached("candidates");
    if (role === "preCandidate") this.reached("pre-candidates");
    if (role === "follower" && before.role === "candidate") this.reached("elections lost");
    if (role !== "leader" && before.role === "leader") this.reached("leaders that stepped down");
    if (term > 10 && before.term <= 10) this.reached("terms of over ten");
  }

  private countCommits({ raft }: Member, from: number): void {
    const { log, term } = raft;
    this.states.add("entries committed", log.committed - from);
    if (log.termOrZero(from + 1) < term)
      this.reached("entries of an earlier term committed by a later leader");
    for (const member of raft.tracker.members) {
      if (member.state === "probe") this.reached("members probed");
      if (member.state === "snapshot") this.reached("members behind a snapshot");
      if (member.inflights.isFull()) this.reached("windows filled");
    }
  }
}
