/**
 * `npm run bench`: quorate and the real peers that are installed, side by side in one run. docs/benchmarks.md says
 * how to read the table.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { boolean, describeFlags, integer, list, parseFlags, text } from "../src/config/flags.ts";
import { EnvironmentError, UsageError } from "../src/lib/errors.ts";
import { describeMachine, formatMachine } from "./machine.ts";
import { findProgram, outputOf, Processes } from "./processes.ts";
import { formatComparison, type Report } from "./report.ts";
import { progress, type Run } from "./run.ts";
import { measureBoot } from "./subjects/boot.ts";
import { measureDns } from "./subjects/dns.ts";
import { measureNew } from "./subjects/new.ts";
import { measureWake } from "./subjects/wake.ts";

interface Subject {
  readonly measure: (run: Run) => Promise<Report>;
  /** The load generator without which it cannot be measured. */
  readonly load?: string;
}

const SUBJECTS: Readonly<Record<string, Subject>> = {
  new: { measure: measureNew, load: "wrk" },
  wake: { measure: measureWake },
  dns: { measure: measureDns, load: "dnsperf" },
  boot: { measure: measureBoot },
};

const subject = (name: string): string => {
  if (!Object.hasOwn(SUBJECTS, name)) throw new Error(`expected ${Object.keys(SUBJECTS).join(", ")}`);
  return name;
};

const FLAGS = {
  "What to measure": {
    only: list(
      "Only these subjects: new (tokens), wake (registration and long poll), dns, boot (three etcd)",
      {
        placeholder: "SUBJECT",
        each: subject,
      },
    ),
    clusters: integer("Clusters in the larger DNS zone", 300, 2, 60_000),
  },
  "How long": {
    quick: boolean("Two rounds of two seconds, unless --rounds or --seconds say otherwise"),
    seconds: integer("Length of one measurement", 5, 1, 600),
    rounds: integer("Measurements of each server; the median counts", 3, 1, 100),
  },
  "Where and how": {
    pin: boolean("Servers on core 1, load on core 0, where there are two cores and taskset", true),
    data: text("Folder for everything the servers write; emptied at the end", ".cache/bench", "DIR"),
    json: text("Write the figures to this file as well", "", "FILE"),
  },
} as const;

async function main(argv: readonly string[]): Promise<number> {
  const { values, given, rest, help } = parseFlags(FLAGS, argv, process.env, "QUORATE_BENCH_");
  if (help) {
    process.stdout.write(`npm run bench -- [FLAGS]\n\n${describeFlags(FLAGS, "QUORATE_BENCH_")}\n`);
    return 0;
  }
  if (rest.length > 0)
    throw new UsageError(`unexpected argument ${JSON.stringify(rest[0])}; --help lists the flags`);
  const data = resolve(values.data);
  mkdirSync(data, { recursive: true });
  const processes = new Processes(values.pin);
  const run: Run = {
    processes,
    folder: mkdtempSync(join(data, "run-")),
    seconds: values.quick && !given.has("seconds") ? 2 : values.seconds,
    rounds: values.quick && !given.has("rounds") ? 2 : values.rounds,
    clusters: values.clusters,
  };
  process.on("exit", () => rmSync(run.folder, { recursive: true, force: true }));
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(130));

  const machine = describeMachine(run.folder);
  const reports: Report[] = [];
  let failed = false;
  for (const [name, { measure, load }] of Object.entries(SUBJECTS)) {
    if (values.only.length > 0 && !values.only.includes(name)) continue;
    progress(`== ${name}`);
    if (load !== undefined && findProgram(load) === undefined) {
      reports.push({ comparisons: [], missing: [`${name}: ${load} is not installed`] });
      continue;
    }
    try {
      reports.push(await measure(run));
    } catch (error) {
      if (!(error instanceof EnvironmentError)) throw error;
      failed = true;
      reports.push({ comparisons: [], missing: [`${name}, because it failed: ${error.message}`] });
    }
    await processes.stopAll();
  }
  const report = {
    comparisons: reports.flatMap(({ comparisons }) => comparisons),
    missing: reports.flatMap(({ missing }) => missing),
  };
  const conditions = [
    `load     ${wrkVersion()}, ${dnsperfVersion()}; ${run.rounds} rounds of ${run.seconds} s in turn, the median counts`,
    processes.pinned
      ? "cores    pinned: servers (and what they need behind them) on core 1, load on core 0"
      : "cores    not pinned: servers and load share all cores",
  ];
  process.stdout.write(
    [
      "",
      formatMachine(machine),
      ...conditions,
      "",
      ...report.comparisons.map((comparison) => `${formatComparison(comparison)}\n`),
      ...report.missing.map((what) => `not compared: ${what}`),
      "",
    ].join("\n"),
  );
  if (values.json !== "") {
    writeFileSync(
      values.json,
      `${JSON.stringify({ machine, pinned: processes.pinned, ...report }, undefined, 2)}\n`,
    );
  }
  return failed ? 1 : 0;
}

function wrkVersion(): string {
  return /wrk \S+/.exec(outputOf("wrk", ["-v"]))?.[0] ?? "wrk absent";
}

function dnsperfVersion(): string {
  const version = /Version (\S+)/.exec(outputOf("dnsperf", ["-h"]))?.[1];
  return version === undefined ? "dnsperf absent" : `dnsperf ${version}`;
}

try {
  process.exit(await main(process.argv.slice(2)));
} catch (error) {
  if (!(error instanceof EnvironmentError || error instanceof UsageError)) throw error;
  process.stderr.write(`bench: ${error.message}\n`);
  process.exit(error instanceof UsageError ? 2 : 1);
}
