/** Makes things go wrong, as often as the weather of the run says; and puts them right again. */
import { Tally } from "./coverage.ts";
import { CRASH_POINTS, type Member, type Surroundings } from "./member.ts";
import type { Network } from "./network.ts";
import { FAULT_KINDS, type FaultKind, TICK } from "./weather.ts";

const EVENT = { cut: 201, mend: 202, strike: 203 } as const;

export class Faults {
  readonly injected: Tally<FaultKind> = new Tally(FAULT_KINDS);
  private readonly world: Surroundings;
  private readonly members: readonly Member[];
  private readonly network: Network;
  private isCut = false;

  constructor(world: Surroundings, members: readonly Member[], network: Network) {
    this.world = world;
    this.members = members;
    this.network = network;
    const { random, weather } = world;
    for (const member of members)
      member.tickLength = TICK - weather.drift + random.below(2 * weather.drift + 1);
  }

  /** True if a message meets this fault. */
  meets(kind: FaultKind): boolean {
    const isMet = this.world.random.chance(this.world.weather.faults[kind]);
    if (isMet) this.injected.add(kind);
    return isMet;
  }

  /** One tick: what ends, and what begins. */
  tick(): void {
    if (this.isCut && this.world.random.chance(120)) this.mend();
    if (this.meets("partition")) this.partition();
    if (this.meets("oneWay")) this.cutOneWay();
    if (this.meets("crash")) this.strike("crash", (member) => this.doom(member, false));
    if (this.meets("powerLoss")) this.losePower();
    if (this.meets("clockPause"))
      this.strike("clockPause", (member, until) => (member.clockPausedUntil = until));
    if (this.meets("freeze")) this.strike("freeze", (member, until) => (member.frozenUntil = until));
    if (this.meets("slowDisk")) this.strike("slowDisk", (member, until) => (member.diskSlowUntil = until));
    if (this.meets("fullDisk")) this.strike("fullDisk", (member, until) => (member.diskFullUntil = until));
  }

  /** All faults end: everybody starts, and all clocks are right but for what a clock may be wrong. */
  end(): void {
    this.mend();
    for (const member of this.members) {
      member.frozenUntil = 0;
      member.clockPausedUntil = 0;
      member.diskFullUntil = 0;
      member.diskSlowUntil = 0;
      member.doom = undefined;
      member.tickLength = TICK;
      if (!member.isUp) member.start();
    }
  }

  private mend(): void {
    this.isCut = false;
    this.network.mend();
    this.note(EVENT.mend, 0, () => "the network is whole");
  }

  /** Two sides that do not hear of each other; often the leader is alone, or with too few. */
  private partition(): void {
    const { random } = this.world;
    const leader = this.members.find(({ isUp, raft }) => isUp && raft.role === "leader");
    const isAlone = leader !== undefined && random.below(2) === 0;
    const side = this.members.map((member) => (isAlone ? member === leader : random.below(2) === 0));
    this.cut((from, to) => side[from] !== side[to]);
  }

  /** Some do not hear what others say, but are heard. */
  private cutOneWay(): void {
    const { random } = this.world;
    const permille = random.pick([150, 300, 500]);
    this.cut(() => random.chance(permille));
  }

  private cut(isCut: (from: number, to: number) => boolean): void {
    this.network.mend();
    this.isCut = true;
    const cuts: string[] = [];
    for (let from = 0; from < this.members.length; from++) {
      for (let to = 0; to < this.members.length; to++) {
        if (from === to || !isCut(from, to)) continue;
        this.network.cut(from + 1, to + 1);
        cuts.push(`${from + 1}-${to + 1}`);
      }
    }
    this.note(EVENT.cut, cuts.length, () => `cut: ${cuts.join(" ")}`);
  }

  private losePower(): void {
    // Now and then in the whole building.
    if (this.world.random.below(6) > 0) this.strike("powerLoss", (member) => this.doom(member, true));
    else for (const member of this.members) if (member.isUp) this.doom(member, true);
  }

  private doom(member: Member, losesPower: boolean): void {
    const { random } = this.world;
    member.doom = { at: random.pick(CRASH_POINTS), losesPower, downFor: random.between(1, 20 * TICK) };
  }

  private strike(kind: FaultKind, act: (member: Member, until: number) => void): void {
    const { random, now, weather } = this.world;
    const member = random.pick(this.members);
    if (!member.isUp) return;
    const until = now + random.between(TICK, 3 * weather.electionTicks * TICK);
    this.note(EVENT.strike, Number(member.id), () => `${member.id} ${kind} until ${until}`);
    act(member, until);
  }

  private note(kind: number, value: number, text: () => string): void {
    const { trace, now } = this.world;
    trace.event(now, kind * 8, value, 0, text);
  }
}
