/** The figures of a run, and how they are printed. */
import type { Sample } from "./rounds.ts";

export type Better = "more" | "less";

export interface Line {
  readonly server: string;
  readonly sample: Sample;
  /** At least this many times the peer; undefined for a line that is only a yardstick. */
  readonly aim?: number;
}

/** One thing that was measured: ours first, then the peers. */
export interface Comparison {
  readonly title: string;
  readonly unit: string;
  readonly better: Better;
  readonly lines: readonly Line[];
}

export interface Report {
  readonly comparisons: readonly Comparison[];
  /** What could not be compared, by name, and why. */
  readonly missing: readonly string[];
}

/** How many times better ours is than the peer's: 2 is twice the rate, or half the time. */
export function ratioOf(ours: number, peer: number, better: Better): number {
  return better === "more" ? ours / peer : peer / ours;
}

/** Three figures that matter, thousands apart. */
export function formatNumber(value: number): string {
  if (value >= 100) return Math.round(value).toLocaleString("en-US");
  return value.toFixed(value >= 10 ? 1 : 2);
}

function verdict(ratio: number, aim: number | undefined): string {
  if (aim === undefined) return "";
  return `aim ${aim}x: ${ratio >= aim ? "reached" : "not reached"}`;
}

/** A table with one row for each server, the columns as wide as they must be. */
export function formatComparison({ title, unit, better, lines }: Comparison): string {
  const ours = lines[0]?.sample.median ?? Number.NaN;
  const rows = lines.map(({ server, sample, aim }, at) => {
    const ratio = ratioOf(ours, sample.median, better);
    return [
      server,
      formatNumber(sample.median),
      `${formatNumber(sample.low)}..${formatNumber(sample.high)}`,
      sample.cpuMicros === undefined ? "" : `${formatNumber(sample.cpuMicros)} µs`,
      at === 0 ? "" : `${ratio.toFixed(2)}x`,
      at === 0 ? "" : verdict(ratio, aim),
    ];
  });
  const header = ["", unit, "rounds", "CPU/answer", "ours is", ""];
  const widths = header.map((cell, at) => Math.max(cell.length, ...rows.map((row) => row[at]?.length ?? 0)));
  const format = (row: readonly string[]): string =>
    row
      .map((cell, at) =>
        at === 0 || at === 5 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0),
      )
      .join("  ")
      .trimEnd();
  return [`${title} (${better} is better)`, format(header), ...rows.map(format)].join("\n");
}
