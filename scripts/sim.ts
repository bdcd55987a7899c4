/**
 * `npm run sim -- --seeds 2000`: runs the Raft core through that many simulated worlds (test/sim) and prints what it
 * met there. `--seed N --trace` replays one, event by event. Exit code 1 if a seed fails; it is replayed at once, and
 * the end of it printed.
 */
import { spawnSync } from "node:child_process";
import { boolean, describeFlags, integer, parseFlags } from "../src/config/flags.ts";
import { UsageError } from "../src/lib/errors.ts";
import { Report } from "../test/sim/report.ts";
import { type Outcome, runSeed } from "../test/sim/run.ts";

const FLAGS = {
  Seeds: {
    seeds: integer("How many seeds to run", 2000, 1, 100_000_000),
    from: integer("The first of them", 1, 0, Number.MAX_SAFE_INTEGER),
    failures: integer("Stop after so many failures", 5, 1, 1_000_000),
  },
  "One seed": {
    seed: integer("Run this one only; -1 for none", -1, -1, Number.MAX_SAFE_INTEGER),
    trace: boolean("Print everything that happens in it"),
    lines: integer("How many of the last events a failure shows", 60, 1, 1_000_000),
  },
} as const;

const say = (text: string): void => void process.stdout.write(`${text}\n`);

function commit(): string {
  const { stdout } = spawnSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8" });
  return stdout === null || stdout === "" ? "unknown" : stdout.trim();
}

/** All that is needed to see a failure again. */
function sayFailure({ seed, steps, failure, lines }: Outcome): void {
  if (failure === undefined) return;
  const { checker, message, stack } = failure;
  say(lines.join("\n"));
  say(checker === "invariant" || checker === "crash" ? stack : message);
  say(
    `${checker} failed at step ${steps} · seed=${seed} commit=${commit()} · replay: npm run sim -- --seed ${seed} --trace`,
  );
}

function main(argv: readonly string[]): number {
  const { values, rest, help } = parseFlags(FLAGS, argv, process.env, "QUORATE_SIM_");
  if (help) {
    say(`npm run sim -- [FLAGS]\n\n${describeFlags(FLAGS, "QUORATE_SIM_")}`);
    return 0;
  }
  if (rest.length > 0) throw new UsageError(`unexpected argument ${JSON.stringify(rest[0])}`);
  const { seed, seeds, from, trace, lines, failures } = values;
  if (seed >= 0) {
    const outcome = runSeed(seed, trace ? Infinity : lines);
    if (trace && outcome.failure === undefined) say(outcome.lines.join("\n"));
    sayFailure(outcome);
    say(
      `seed ${seed}: ${outcome.steps} steps, trace hash ${outcome.hash}, at rest after ${outcome.restTicks} ticks`,
    );
    return outcome.failure === undefined ? 0 : 1;
  }
  const report = new Report();
  const start = performance.now();
  for (let next = from; next < from + seeds && report.failed < failures; next++) {
    const outcome = runSeed(next);
    report.add(outcome);
    // The run is repeated, this time with words: a seed is all it takes.
    if (outcome.failure !== undefined) sayFailure(runSeed(next, lines));
  }
  const seconds = (performance.now() - start) / 1000;
  say(report.text());
  say(
    `${report.passed} seeds passed, ${report.failed} failed, in ${seconds.toFixed(1)} s from seed ${from} on`,
  );
  return report.failed > 0 ? 1 : 0;
}

try {
  process.exitCode = main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`sim: ${error.message}\n`);
  process.exitCode = 2;
}
