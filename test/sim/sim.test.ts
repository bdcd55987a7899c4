import { expect, test } from "vitest";
import { Report } from "./report.ts";
import { runSeed } from "./run.ts";

/** A slice of what `npm run sim` runs. */
const SEEDS = 1000;

test("the same seed gives the same run, to the last event", () => {
  for (const seed of [3, 1234, 77_777]) {
    const once = runSeed(seed);
    const again = runSeed(seed, 10);
    expect(again.hash).toBe(once.hash);
    expect(again.steps).toBe(once.steps);
    expect(again.lines.length).toBeGreaterThan(0);
  }
  expect(runSeed(1).hash).not.toBe(runSeed(2).hash);
});

test(`${SEEDS} worlds: nothing that must not happen, every fault injected and every state reached`, () => {
  const report = new Report();
  for (let seed = 1; seed <= SEEDS; seed++) {
    const outcome = runSeed(seed);
    expect(outcome.failure, `replay: npm run sim -- --seed ${seed} --trace`).toBeUndefined();
    report.add(outcome);
  }
  const counts = { ...report.faults.counts, ...report.states.counts };
  expect(Object.entries(counts).filter(([, count]) => count === 0)).toEqual([]);
});
