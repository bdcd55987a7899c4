/** Measuring several contenders so that the noise of a shared machine hits them alike. */

/** What one round of one contender gave. */
export interface Measured {
  readonly value: number;
  /** CPU the server used for one answer, in microseconds: hardly touched by what else the machine does. */
  readonly cpuMicros?: number;
}

/** The rounds of one contender. */
export interface Sample {
  readonly median: number;
  readonly low: number;
  readonly high: number;
  readonly cpuMicros: number | undefined;
}

export function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** @param fraction 0..1, such as 0.99. */
export function quantileOf(values: readonly number[], fraction: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * fraction))] ?? Number.NaN;
}

export function sampleOf(rounds: readonly Measured[]): Sample {
  const values = rounds.map((round) => round.value);
  const cpu = rounds.map((round) => round.cpuMicros).filter((micros) => micros !== undefined);
  return {
    median: medianOf(values),
    low: Math.min(...values),
    high: Math.max(...values),
    cpuMicros: cpu.length === 0 ? undefined : medianOf(cpu),
  };
}

/** Measures each contender once a round, in turn, `rounds` times. The answer is in the contenders' order. */
export async function alternate<T, M>(
  contenders: readonly T[],
  rounds: number,
  measure: (contender: T, round: number) => Promise<M>,
): Promise<M[][]> {
  const measured: M[][] = contenders.map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (const [at, contender] of contenders.entries()) {
      measured[at]?.push(await measure(contender, round));
    }
  }
  return measured;
}
