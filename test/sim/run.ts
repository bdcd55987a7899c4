/** Runs one seed, and says what came of it. */

import { InvariantError } from "../../src/lib/errors.ts";
import { Violation } from "./checkers/checker.ts";
import type { State } from "./coverage.ts";
import type { FaultKind } from "./weather.ts";
import { World } from "./world.ts";

export interface Failure {
  /** Name of the checker, or `invariant` for an assertion of the core. */
  readonly checker: string;
  readonly message: string;
  readonly stack: string;
}

export interface Outcome {
  readonly seed: number;
  readonly steps: number;
  /** Equal for equal runs. */
  readonly hash: string;
  readonly failure: Failure | undefined;
  readonly faults: Readonly<Record<FaultKind, number>>;
  readonly states: Readonly<Record<State, number>>;
  /** Records lost from disks, and those that outlived one that was lost before them. */
  readonly torn: { readonly lost: number; readonly reordered: number };
  /** Ticks from the end of the faults until all agreed; 0 for a run that failed. */
  readonly restTicks: number;
  /** The group cannot come to rest, and that is no failure: see `World.isStranded`. */
  readonly isStranded: boolean;
  /** The last events in words, if any were wanted. */
  readonly lines: readonly string[];
}

/** @param keptLines How many of the last events to put into words. */
export function runSeed(seed: number, keptLines = 0): Outcome {
  const world = new World(seed, keptLines);
  let failure: Failure | undefined;
  let restTicks = 0;
  try {
    world.suffer();
    restTicks = world.settle();
  } catch (error) {
    failure = failureOf(error);
  }
  const { trace, faults, watch } = world;
  return {
    seed,
    steps: trace.steps,
    hash: (trace.hash >>> 0).toString(16).padStart(8, "0"),
    failure,
    faults: faults.injected.counts,
    states: watch.states.counts,
    torn: watch.torn,
    restTicks,
    isStranded: world.isStranded,
    lines: trace.lines,
  };
}

/** Whatever is thrown is a failure: also what only a core that is wrong can throw. */
function failureOf(error: unknown): Failure {
  if (!(error instanceof Error)) return { checker: "crash", message: String(error), stack: "" };
  const { message, stack = "" } = error;
  if (error instanceof Violation) return { checker: error.checker, message, stack };
  return { checker: error instanceof InvariantError ? "invariant" : "crash", message, stack };
}
