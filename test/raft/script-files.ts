/** Where scripts are, and how a file of them is run. */
import { existsSync, globSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { type Environment, type Run, runScript } from "./datadriven.ts";

const ROOT = join(import.meta.dirname, "../..");

/** Our own scripts, a folder for each environment. */
export const OWN_SCRIPTS: string = join(import.meta.dirname, "scripts");

/** The reference's scripts, in folders of the same names: beside the repository, or absent. */
export const REFERENCE_SCRIPTS: string = join(ROOT, "../shared/raft-testdata");

/** Said where the reference's scripts would have run. */
export const REFERENCE_ABSENT =
  "the reference's scripts (../shared/raft-testdata) are absent: ours alone run";

export const hasReference: boolean = existsSync(REFERENCE_SCRIPTS);

/** All scripts in a folder and below, in order. */
export function scriptsIn(folder: string): string[] {
  return globSync("**/*.txt", { cwd: folder })
    .toSorted()
    .map((file) => join(folder, file));
}

/** Runs a file. With UPDATE=1 a script of our own is rewritten to what it printed: commit only what you can explain. */
export function runFile(file: string, environments: readonly Environment[]): Run {
  const text = readFileSync(file, "utf8");
  const run = runScript(relative(ROOT, file), text, environments);
  const isOwn = !relative(OWN_SCRIPTS, file).startsWith("..");
  if (process.env["UPDATE"] !== "1" || !isOwn || run.text === text) return run;
  writeFileSync(file, run.text);
  return { text: run.text, differences: [] };
}
