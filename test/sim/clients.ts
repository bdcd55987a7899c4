/** What people and programs want of the group: proposals, reads, changes of membership, transfers, housekeeping. */
import {
  type ConfChange,
  type ConfChangeSingle,
  type ConfChangeTransition,
  type ConfChangeType,
  confChangeV1,
  confChangeV2,
  describeConfChange,
  LEAVE_JOINT,
} from "../../src/raft/conf.ts";
import type { Member, Surroundings } from "./member.ts";
import { payload } from "./payload.ts";

const EVENT = { propose: 101, read: 102, change: 103, transfer: 104, compact: 105, oddity: 106 } as const;

/** Somebody who is up, more often than not the leader. */
function whom(world: Surroundings, members: readonly Member[]): Member | undefined {
  const up = members.filter((member) => member.isUp);
  if (up.length === 0) return undefined;
  const leaders = up.filter(({ raft }) => raft.role === "leader");
  return leaders.length > 0 && world.random.below(2) === 0
    ? world.random.pick(leaders)
    : world.random.pick(up);
}

export class Clients {
  private readonly world: Surroundings;
  private readonly members: readonly Member[];
  private numbers = 0;

  constructor(world: Surroundings, members: readonly Member[]) {
    this.world = world;
    this.members = members;
  }

  /** One tick: everybody may want something. */
  tick(): void {
    const { random, weather } = this.world;
    if (random.chance(weather.proposals)) this.with((member) => this.propose(member));
    if (random.chance(weather.reads)) this.with((member) => this.read(member));
    if (random.chance(weather.changes)) this.with((member) => this.change(member, this.anyChange()));
    if (random.chance(weather.transfers)) this.with((member) => this.transfer(member));
    if (random.chance(weather.snapshots)) this.with((member) => this.compact(member));
    if (random.chance(weather.oddities)) this.with((member) => this.oddity(member));
  }

  /** @returns The number of the last proposal, or undefined if it was not taken. */
  propose(member: Member): number | undefined {
    const { random, watch } = this.world;
    const count = random.below(4) === 0 ? random.between(2, 5) : 1;
    const data = Array.from({ length: count }, () => payload(++this.numbers, random.below(24)));
    for (let number = this.numbers - count + 1; number <= this.numbers; number++)
      watch.proposed(member, number);
    const result = member.node.propose(data);
    if (result === "dropped") watch.reached("proposals dropped");
    this.note(
      EVENT.propose,
      member,
      count,
      () => `is given ${count} proposals up to ${this.numbers}: ${result}`,
    );
    return result === "accepted" ? this.numbers : undefined;
  }

  /** @returns The number of the read. */
  read(member: Member): number {
    const number = ++this.numbers;
    this.world.watch.readAsked(number);
    this.note(EVENT.read, member, number, () => `is asked for read ${number}`);
    member.node.readIndex(payload(number));
    return number;
  }

  change(member: Member, change: ConfChange): void {
    const result = member.node.proposeConfChange(change);
    this.note(EVENT.change, member, 0, () => `is given ${describeConfChange(change)}: ${result}`);
  }

  private with(act: (member: Member) => void): void {
    const member = whom(this.world, this.members);
    if (member === undefined) return;
    act(member);
    if (member.isUp) this.world.watch.look(member);
  }

  private anyChange(): ConfChange {
    const { random } = this.world;
    const single = (): ConfChangeSingle => ({
      type: random.pick<ConfChangeType>(["addNode", "addNode", "addLearnerNode", "removeNode"]),
      nodeId: random.pick(this.members).id,
    });
    const way = random.below(4);
    if (way === 0) {
      const { type, nodeId } = single();
      return confChangeV1(type, nodeId);
    }
    if (way === 1) return LEAVE_JOINT;
    const transition = random.pick<ConfChangeTransition>(["auto", "jointImplicit", "jointExplicit"]);
    return confChangeV2(Array.from({ length: random.between(1, 3) }, single), transition);
  }

  private transfer(member: Member): void {
    const { id } = this.world.random.pick(this.members);
    this.note(EVENT.transfer, member, Number(id), () => `is asked to hand over to ${id}`);
    member.node.transferLeader(id);
  }

  private compact(member: Member): void {
    const keep = this.world.random.below(5);
    this.note(
      EVENT.compact,
      member,
      keep,
      () => `makes a snapshot at ${member.machine.applied}, keeps ${keep}`,
    );
    member.compact(keep);
  }

  /** What a caller may say at any time. */
  private oddity(member: Member): void {
    const { random } = this.world;
    const what = random.below(3);
    const { id } = random.pick(this.members);
    this.note(
      EVENT.oddity,
      member,
      what,
      () => ["forgets its leader", `cannot reach ${id}`, "campaigns"][what] ?? "",
    );
    if (what === 0) member.node.forgetLeader();
    else if (what === 1 && id !== member.id) member.node.reportUnreachable(id);
    else member.node.campaign();
  }

  private note(kind: number, member: Member, value: number, text: () => string): void {
    const { trace, now } = this.world;
    trace.event(now, kind * 8 + Number(member.id), value, 0, () => `${member.id} ${text()}`);
  }
}
