/**
 * What kind of world a seed gives: its group, and how much of each fault it has. Some runs have none of a kind, some
 * have nothing but one (swarm testing): mild weather lets a group reach states that a storm never lets it reach.
 */
import type { Random } from "./random.ts";

/** Units of time in a tick of a clock that is right. */
export const TICK = 10;

/** Faults by kind: the most that a run has, in a thousand messages (the first three) or ticks of the world. */
export const FAULTS = {
  dropped: 250,
  duplicated: 200,
  delayed: 300,
  partition: 60,
  oneWay: 60,
  crash: 60,
  powerLoss: 50,
  clockPause: 40,
  freeze: 40,
  slowDisk: 50,
  fullDisk: 40,
} as const;
export type FaultKind = keyof typeof FAULTS;
export const FAULT_KINDS = Object.keys(FAULTS) as readonly FaultKind[];

export interface Weather {
  readonly members: number;
  /** How many of them are voters at first; the others are blank until they are added. */
  readonly voters: number;
  /** Ticks before the faults end. */
  readonly ticks: number;
  readonly electionTicks: number;
  readonly asyncStorageWrites: boolean;
  readonly preVote: boolean;
  readonly checkQuorum: boolean;
  readonly stepDownOnRemoval: boolean;
  /** Reads by lease: only where nothing can break a lease. */
  readonly leaseReads: boolean;
  /** Small windows and pages, so that every limit is reached. */
  readonly tight: boolean;
  /** Few proposals may wait to be committed. Otherwise a leader that is cut off gathers a long tail that nobody has. */
  readonly tightProposals: boolean;
  readonly faults: Readonly<Record<FaultKind, number>>;
  /** Units of time, at most, by which a clock's tick is longer or shorter than it should be. */
  readonly drift: number;
  /** Units of time that a message takes at most, where it is not delayed. */
  readonly travel: number;
  /** Chances in a thousand of each tick, of what people want. */
  readonly proposals: number;
  readonly reads: number;
  readonly changes: number;
  readonly transfers: number;
  readonly snapshots: number;
  readonly oddities: number;
}

export function weatherOf(random: Random): Weather {
  const members = random.between(3, 7);
  const often = (most: number): number => (random.below(2) === 0 ? 0 : random.between(1, most));
  const only = random.below(6) === 0 ? random.pick(FAULT_KINDS) : undefined;
  const isCalm = random.below(12) === 0;
  const rateOf = (kind: FaultKind): number => {
    const rate = often(FAULTS[kind]);
    if (isCalm || (only !== undefined && only !== kind)) return 0;
    return only === kind ? FAULTS[kind] : rate;
  };
  const faults = Object.fromEntries(FAULT_KINDS.map((kind) => [kind, rateOf(kind)])) as Record<
    FaultKind,
    number
  >;
  const leaseReads = isCalm && random.below(2) === 0;
  return {
    members,
    voters: random.below(3) === 0 ? members : random.between(random.between(1, 3), members),
    ticks: random.between(60, 200),
    electionTicks: random.pick([3, 5, 10]),
    asyncStorageWrites: random.below(2) === 0,
    preVote: random.below(2) === 0,
    checkQuorum: leaseReads || random.below(2) === 0,
    stepDownOnRemoval: random.below(2) === 0,
    leaseReads,
    tight: random.below(2) === 0,
    tightProposals: random.below(4) === 0,
    faults,
    drift: isCalm ? 0 : often(5),
    travel: random.pick([1, 3, 8]),
    proposals: random.between(100, 900),
    reads: random.below(3) === 0 ? 0 : random.between(50, 500),
    changes: leaseReads ? 0 : often(80),
    transfers: leaseReads ? 0 : often(60),
    snapshots: often(150),
    oddities: leaseReads ? 0 : often(20),
  };
}
