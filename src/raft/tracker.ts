import { must } from "../lib/assert.ts";
import { type ConfState, compareIds, describeConfig, EMPTY_CONF_STATE } from "./conf.ts";
import { Inflights } from "./inflights.ts";
import { Progress } from "./progress.ts";
import { jointCommitted, jointVote, type VoteResult } from "./quorum.ts";

/** The votes counted so far. The numbers are for logs: `result` alone decides. */
export interface Tally {
  readonly granted: number;
  readonly rejected: number;
  readonly result: VoteResult;
}

const matchOf = (voter: Progress): number => voter.match;
const recentActiveOf = (voter: Progress): boolean => voter.recentActive;

/**
 * The configuration in force, the progress of every member in it, and the votes of the election under way.
 * The lists of members are made when the configuration changes, so that nothing is looked up or sorted per message.
 */
export class Tracker {
  /** Bounds of each member's window: see Inflights. */
  readonly maxInflight: number;
  readonly maxInflightBytes: number;

  #config = EMPTY_CONF_STATE;
  #progress = new Map<bigint, Progress>();
  #members: readonly Progress[] = [];
  #voters: readonly Progress[] = [];
  #incoming: readonly Progress[] = [];
  #outgoing: readonly Progress[] = [];
  readonly #votes = new Map<bigint, boolean>();

  constructor(maxInflight: number, maxInflightBytes: number) {
    this.maxInflight = maxInflight;
    this.maxInflightBytes = maxInflightBytes;
  }

  /** The configuration in force. */
  get config(): ConfState {
    return this.#config;
  }

  /** All members, by id. */
  get members(): readonly Progress[] {
    return this.#members;
  }

  /** All voters of both halves, by id. */
  get voters(): readonly Progress[] {
    return this.#voters;
  }

  /** The member's progress; undefined if it is not in the configuration. */
  progress(id: bigint): Progress | undefined {
    return this.#progress.get(id);
  }

  /**
   * Puts `config` (out of confchange.ts) in force. Members that stay keep their progress; those that leave lose it.
   * @param added Members whose progress starts anew even if they are known: see `ConfChangeResult`.
   * @param lastIndex The leader's last index, from which a new member is probed.
   */
  adopt(config: ConfState, added: ReadonlySet<bigint>, lastIndex: number): void {
    const progress = new Map<bigint, Progress>();
    const learners = new Set(config.learners);
    const ids = new Set([...config.voters, ...config.votersOutgoing, ...config.learners]);
    for (const id of [...ids].toSorted(compareIds)) {
      const known = added.has(id) ? undefined : this.#progress.get(id);
      const member = known ?? this.#newcomer(id, lastIndex);
      member.isLearner = learners.has(id);
      progress.set(id, member);
    }
    const member = (id: bigint): Progress => must(progress.get(id), () => `no progress for ${id}`);
    this.#config = config;
    this.#progress = progress;
    this.#members = [...progress.values()];
    this.#voters = this.#members.filter((each) => !each.isLearner);
    this.#incoming = config.voters.map(member);
    this.#outgoing = config.votersOutgoing.map(member);
  }

  /** The node is the only voter: what it has written is committed. */
  isSingleton(): boolean {
    return this.#incoming.length === 1 && this.#outgoing.length === 0;
  }

  /** The largest index that a quorum has acknowledged; Infinity while there are no voters. */
  committed(): number {
    return jointCommitted(this.#incoming, this.#outgoing, matchOf);
  }

  /** A quorum was heard since `recentActive` was last cleared (thesis §6.2). */
  isQuorumActive(): boolean {
    return jointVote(this.#incoming, this.#outgoing, recentActiveOf) === "won";
  }

  /** How an election with these votes (by voter's id; undefined: not answered yet) would stand. */
  voteResult(vote: (voter: bigint) => boolean | undefined): VoteResult {
    return jointVote(this.#incoming, this.#outgoing, (voter) => vote(voter.id));
  }

  /** Begins the count of a new election. */
  resetVotes(): void {
    this.#votes.clear();
  }

  /** Counts a vote. Only a member's first in an election counts (Raft §5.2: at most one vote a term). */
  recordVote(id: bigint, granted: boolean): void {
    if (!this.#votes.has(id)) this.#votes.set(id, granted);
  }

  /** The election so far. Votes of members that have left the configuration since are not counted. */
  tallyVotes(): Tally {
    let granted = 0;
    let rejected = 0;
    for (const voter of this.#voters) {
      const vote = this.#votes.get(voter.id);
      if (vote === true) granted++;
      else if (vote === false) rejected++;
    }
    return { granted, rejected, result: this.voteResult((id) => this.#votes.get(id)) };
  }

  /** One line a member, by id in decimal: `2: StateReplicate match=11 next=12`. Each line ends with a newline. */
  describeMembers(): string {
    return this.#members.map((member) => `${member.id}: ${member.describe()}\n`).join("");
  }

  /** `voters=(1 2 3)&&(1) autoleave`. */
  describeConfig(): string {
    return describeConfig(this.#config);
  }

  /** A member just added counts as active, lest the next check of the quorum misses it before it could speak. */
  #newcomer(id: bigint, lastIndex: number): Progress {
    const inflights = new Inflights(this.maxInflight, this.maxInflightBytes);
    const member = new Progress(id, Math.max(lastIndex, 1), false, inflights);
    member.recentActive = true;
    return member;
  }
}
