/**
 * A group of members in a world where one seed decides everything. First faults, with everything checked as it
 * happens; then the faults end, and the group has to come to rest within a bounded time.
 */
import { LEAVE_JOINT } from "../../src/raft/conf.ts";
import { describeMessage } from "../../src/raft/describe.ts";
import { type Message, MessageType } from "../../src/raft/message.ts";
import { Violation } from "./checkers/checker.ts";
import { Clients } from "./clients.ts";
import { isIn, isMajority, type Membership } from "./config-model.ts";
import { Faults } from "./faults.ts";
import { FIRST_INDEX, History } from "./history.ts";
import { Member, type Surroundings } from "./member.ts";
import { Network, TRAVEL_MAX } from "./network.ts";
import { Random } from "./random.ts";
import { Trace } from "./trace.ts";
import { Watch } from "./watch.ts";
import { TICK, type Weather, weatherOf } from "./weather.ts";

const EVENT = { send: 301, lose: 302, arrive: 303, retire: 304 } as const;

/** Election timeouts, at most, from the end of all faults until everybody agrees. */
export const REST_TIMEOUTS_MAX = 100;

export class World implements Surroundings {
  now = 0;
  readonly random: Random;
  readonly weather: Weather;
  readonly trace: Trace;
  readonly watch: Watch;
  readonly members: readonly Member[];
  readonly faults: Faults;
  readonly history: History;
  private readonly network: Network;
  private readonly clients: Clients;
  /** The group cannot come to rest, by rules that are etcd's too: see `nobodyCanWin` and `learnerIsAhead`. */
  isStranded = false;
  private isFaulty = true;
  private faultsEnd = 0;

  /** @param keptLines How many of the last events to keep as text. */
  constructor(seed: number, keptLines: number) {
    this.random = new Random(seed);
    this.weather = weatherOf(this.random);
    this.trace = new Trace(keptLines);
    const { members, voters } = this.weather;
    const ids = Array.from({ length: members }, (_, at) => BigInt(at + 1));
    const membership: Membership = {
      incoming: new Set(ids.slice(0, voters)),
      outgoing: new Set(),
      learners: new Set(),
      demoted: new Set(),
      autoLeave: false,
    };
    this.history = new History(membership);
    const group: Member[] = [];
    this.watch = new Watch({ members: group, history: this.history }, this.weather.leaseReads);
    for (const id of ids) group.push(new Member(id, this));
    this.members = group;
    for (const member of group.slice(0, voters)) member.found(FIRST_INDEX, membership);
    this.network = new Network(members);
    this.clients = new Clients(this, group);
    this.faults = new Faults(this, group, this.network);
  }

  /** Until the faults are over. @throws Violation, or InvariantError from the core itself. */
  suffer(): void {
    const end = this.weather.ticks * TICK;
    while (this.now < end) {
      this.pass();
      if (this.now % TICK === 0) {
        this.faults.tick();
        this.clients.tick();
      }
    }
  }

  /**
   * Without faults: the group elects a leader, takes a proposal and answers a read, and all agree.
   * @returns Ticks that it took.
   * @throws Violation if they were too many.
   */
  settle(): number {
    this.isFaulty = false;
    this.faults.end();
    const start = this.now;
    this.faultsEnd = start;
    const end = start + REST_TIMEOUTS_MAX * this.weather.electionTicks * TICK;
    let wanted: number | undefined;
    while (this.now < end) {
      this.pass();
      if (this.now % TICK > 0) continue;
      this.operate();
      if (wanted === undefined || this.now % (4 * this.weather.electionTicks * TICK) === 0)
        wanted = this.ask() ?? wanted;
      const group = wanted === undefined ? undefined : this.groupAtRest(wanted);
      if (group !== undefined) {
        this.watch.settled(group);
        return (this.now - start) / TICK;
      }
    }
    this.isStranded = this.nobodyCanWin() || this.learnerIsAhead();
    if (this.isStranded) return 0;
    const state = this.members.map(
      ({ id, isUp, machine, raft }) =>
        `${id} ${isUp ? raft.role : "down"} term ${raft.term} applied ${machine.applied} of ${raft.log.lastIndex()}`,
    );
    throw new Violation(
      "liveness",
      `the group is not at rest ${(end - start) / TICK} ticks after the end of all faults: ${state.join("; ")}`,
    );
  }

  send(m: Message): void {
    const { random, weather, now, faults } = this;
    this.watch.sent(m);
    if (this.isFaulty && faults.meets("dropped")) {
      this.lose(m);
      return;
    }
    const delay =
      this.isFaulty && faults.meets("delayed") ? random.between(1, TRAVEL_MAX - weather.travel) : 0;
    const due = now + delay + random.between(1, weather.travel);
    if (!this.network.send(m, due)) this.lose(m);
    if (this.isFaulty && faults.meets("duplicated"))
      this.network.send(m, now + random.between(1, TRAVEL_MAX));
  }

  private pass(): void {
    this.now++;
    for (const m of this.network.arrivals(this.now)) this.deliver(m);
    for (const member of this.members) member.run();
  }

  private deliver(m: Message): void {
    const { now, trace } = this;
    const to = this.members[Number(m.to) - 1];
    if (to === undefined || !to.isUp || this.network.isCut(Number(m.from), Number(m.to))) {
      this.lose(m);
      return;
    }
    if (now < to.frozenUntil) {
      // It waits in the buffers of a process that stands still.
      if (!this.network.send(m, now + this.random.between(1, TICK))) this.lose(m);
      return;
    }
    trace.event(now, EVENT.arrive * 8 + Number(m.to), m.type, m.index, () => `  ${describeMessage(m)}`);
    to.receive(m);
    if (m.type === MessageType.snap) this.members[Number(m.from) - 1]?.reportSnapshot(m.to, "finished");
  }

  private lose(m: Message): void {
    const { now, trace } = this;
    trace.event(now, EVENT.lose * 8 + Number(m.to), m.type, m.index, () => `  lost: ${describeMessage(m)}`);
    if (m.type === MessageType.snap) this.members[Number(m.from) - 1]?.reportSnapshot(m.to, "failed");
  }

  /** A leader that serves is asked for a proposal and a read. @returns The index that must be applied by all. */
  private ask(): number | undefined {
    const leader = this.leader();
    if (leader === undefined || !leader.raft.hasCommittedInTerm()) return undefined;
    const proposal = this.clients.propose(leader);
    this.watch.look(leader);
    if (proposal === undefined) return undefined;
    return leader.raft.log.lastIndex();
  }

  private leader(): Member | undefined {
    const leading = this.members.filter(({ isUp, raft }) => isUp && raft.role === "leader");
    return leading.toSorted((a, b) => b.raft.term - a.raft.term)[0];
  }

  /** What whoever runs the group does once all is well: leave a joint configuration, switch off who was removed. */
  private operate(): void {
    const { history } = this;
    const membership = history.membershipAt(history.lastChange);
    if (membership === undefined) return;
    const leader = this.leader();
    if (membership.outgoing.size > 0 && !membership.autoLeave && leader !== undefined) {
      this.clients.change(leader, LEAVE_JOINT);
      this.watch.look(leader);
    }
    // A member can take no snapshot in which it is no member: etcd makes one of now when it has to send one.
    if (leader !== undefined && leader.disk.view.snapshot().index < history.lastChange) leader.compact(0);
    const knows = ({ id, machine }: Member): boolean =>
      !isIn(membership, id) || machine.applied >= history.lastChange;
    // While messages of before may arrive, another change may.
    const isSteady =
      this.now > this.faultsEnd + 2 * TRAVEL_MAX &&
      leader?.raft.hasCommittedInTerm() === true &&
      // A leader that has left takes no more proposals, and may never commit those it has: etcd switches it off, too.
      (leader.machine.applied === leader.raft.log.lastIndex() || !isIn(leader.machine.membership, leader.id));
    if (!isSteady || !this.members.every(knows)) return;
    for (const member of this.members) {
      if (isIn(membership, member.id) || member.isRetired) continue;
      this.trace.event(this.now, EVENT.retire, Number(member.id), 0, () => `${member.id} is switched off`);
      member.isRetired = true;
      if (member.isUp) member.crash(false, 0);
    }
  }

  /**
   * True if no voter can win an election, because one whose vote it needs has a longer log and is, by what that one
   * has applied, no voter itself. It comes of a leader that commits its own removal from a group of two, with more
   * in its log, and fails before the other hears of it: configurations count here from when they are applied, as in
   * etcd, and not from when they are appended, as in the thesis (4.2.2), where the other would know that it is alone.
   */
  private nobodyCanWin(): boolean {
    const isVoter = ({ id, machine }: Member): boolean =>
      machine.membership.incoming.has(id) || machine.membership.outgoing.has(id);
    const voters = this.members.filter((member) => member.isUp && isVoter(member));
    const wouldVote = (id: bigint, candidate: Member): boolean => {
      const voter = this.members[Number(id) - 1];
      const { log } = candidate.raft;
      return voter?.isUp === true && voter.raft.log.isUpToDate(log.lastTerm(), log.lastIndex());
    };
    const canWin = (member: Member): boolean =>
      isMajority(member.machine.membership, (id) => wouldVote(id, member));
    const waitsForStranger = ({ machine }: Member): boolean =>
      this.members.some(
        (member) =>
          (machine.membership.incoming.has(member.id) || machine.membership.outgoing.has(member.id)) &&
          member.isUp &&
          !isVoter(member),
      );
    return voters.length > 0 && !voters.some(canWin) && voters.some(waitsForStranger);
  }

  /**
   * True if a learner is in a later term than its leader, and neither check-quorum nor pre-vote make it say so: as in
   * etcd, messages of an earlier term are then passed over in silence, and a learner starts no election that would end
   * that term. It comes of members that were removed, and hold elections until they are switched off.
   */
  private learnerIsAhead(): boolean {
    const { preVote, checkQuorum } = this.weather;
    const leader = this.leader();
    if (preVote || checkQuorum || leader === undefined) return false;
    const { learners } = leader.machine.membership;
    return this.members.some(
      ({ id, isUp, raft }) => isUp && learners.has(id) && raft.term > leader.raft.term,
    );
  }

  /** @returns The members of the configuration, if they all have the same, with the entry at `wanted`. */
  private groupAtRest(wanted: number): readonly Member[] | undefined {
    const leader = this.leader();
    if (leader === undefined || leader.machine.membership.outgoing.size > 0) return undefined;
    const { log } = leader.raft;
    if (log.committed < wanted || log.committed !== log.lastIndex()) return undefined;
    const { membership } = leader.machine;
    const group = this.members.filter(({ id }) => isIn(membership, id));
    const agrees = ({ machine, raft }: Member): boolean =>
      machine.applied === log.committed &&
      raft.leader === leader.id &&
      machine.state === leader.machine.state;
    return group.every(agrees) ? group : undefined;
  }
}
