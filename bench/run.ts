/** What every subject needs to know about the run it is part of. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Processes } from "./processes.ts";

export interface Run {
  readonly processes: Processes;
  /** Where data folders and generated configurations go: all on one filesystem. */
  readonly folder: string;
  /** Length of one measurement. */
  readonly seconds: number;
  readonly rounds: number;
  /** Clusters in the DNS zone. */
  readonly clusters: number;
}

/** A new folder of the run for one server. */
export function folderFor(run: Run, name: string): string {
  const folder = join(run.folder, name);
  mkdirSync(folder, { recursive: true });
  return folder;
}

/** Progress goes to standard error: standard output is the report. */
export function progress(text: string): void {
  process.stderr.write(`${text}\n`);
}
