/**
 * `npm run raft:scripts -- FOLDER`: runs every script (*.txt) in FOLDER and below, in the environment that knows its
 * commands, and closes with `N passed, N failed`. Without a folder: our own scripts and the reference's.
 */
import { existsSync } from "node:fs";
import { relative, resolve } from "node:path";
import type { Difference } from "../test/raft/datadriven.ts";
import { ENVIRONMENTS } from "../test/raft/environments.ts";
import {
  hasReference,
  OWN_SCRIPTS,
  REFERENCE_ABSENT,
  REFERENCE_SCRIPTS,
  runFile,
  scriptsIn,
} from "../test/raft/script-files.ts";

const say = (text: string): void => void process.stdout.write(`${text}\n`);

/** The first line at which the outputs part. */
function describeDifference({ directive, expected, actual }: Difference): string {
  const wanted = expected.split("\n");
  const printed = actual.split("\n");
  const at = printed.findIndex((line, i) => line !== wanted[i]);
  const line = at === -1 ? printed.length : at;
  const shown = (lines: readonly string[]): string => lines[line] ?? "(end of output)";
  return (
    `  ${directive.position}: ${directive.command}: output line ${line + 1}\n` +
    `    expected: ${shown(wanted)}\n    printed:  ${shown(printed)}`
  );
}

/** What went otherwise than the script says; empty if nothing did. */
function failuresOf(file: string): string[] {
  try {
    return runFile(file, ENVIRONMENTS).differences.map(describeDifference);
  } catch (error) {
    return [`  ${error instanceof Error ? error.message : String(error)}`];
  }
}

const given = process.argv.slice(2);
const absent = given.filter((folder) => !existsSync(folder));
for (const folder of absent) process.stderr.write(`raft-scripts: there is no folder ${folder}\n`);
if (given.length === 0 && !hasReference) say(REFERENCE_ABSENT);
const defaults = hasReference ? [OWN_SCRIPTS, REFERENCE_SCRIPTS] : [OWN_SCRIPTS];
const folders = given.length === 0 ? defaults : given.map((folder) => resolve(folder));

let passed = 0;
let failed = 0;
for (const file of folders.flatMap(scriptsIn)) {
  const failures = failuresOf(file);
  if (failures.length === 0) passed++;
  else failed++;
  say(
    [`${failures.length === 0 ? "ok  " : "FAIL"} ${relative(process.cwd(), file)}`, ...failures].join("\n"),
  );
}
say(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 || passed === 0 || absent.length > 0 ? 1 : 0;
