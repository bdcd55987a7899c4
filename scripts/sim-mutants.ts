/**
 * `npm run sim:mutants`: makes each fault of test/sim/mutants.ts in a copy of the sources, and lets the simulator look
 * for it. Exit code 1 if one survives its number of seeds, or no longer fits the sources. Arguments: parts of names, to
 * run only those.
 */
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MUTANTS, type Mutant } from "../test/sim/mutants.ts";
import { root } from "./tools.ts";

/** What the simulator is made of; the copy needs no packages. */
const COPIED = ["package.json", "src/lib", "src/raft", "test/sim"];

/** Prints the first seed that fails, with its checker; nothing if none of them does. */
const HUNT = `import { runSeed } from "./test/sim/run.ts";
for (let seed = 1; seed <= Number(process.argv[2]); seed++) {
  const { failure } = runSeed(seed);
  if (failure === undefined) continue;
  console.log(JSON.stringify({ seed, checker: failure.checker, message: failure.message }));
  break;
}
`;

/** A fault may keep a run from ever ending: such a run is found too. */
const HUNT_TIMEOUT_MS = 120_000;

const say = (text: string): void => void process.stdout.write(`${text}\n`);

interface Found {
  readonly seed: number;
  readonly checker: string;
  readonly message: string;
}

/** @returns What is wrong with the mutant or the simulator; undefined if all is as it should be. */
function hunt(folder: string, { file, text, replacement, seedsMax }: Mutant): Found | string {
  const path = join(folder, "src/raft", file);
  const source = readFileSync(path, "utf8");
  const parts = source.split(text);
  if (parts.length !== 2)
    return `its text stands ${parts.length - 1} times in src/raft/${file}: bring it up to date`;
  writeFileSync(path, parts.join(replacement));
  try {
    const { stdout, stderr, error } = spawnSync(process.execPath, ["hunt.ts", String(seedsMax)], {
      cwd: folder,
      encoding: "utf8",
      timeout: HUNT_TIMEOUT_MS,
    });
    if (error !== undefined) return `the hunt did not end: ${error.message}`;
    if (stderr !== "") return `the hunt failed: ${stderr}`;
    return stdout === "" ? `it survived ${seedsMax} seeds` : (JSON.parse(stdout) as Found);
  } finally {
    writeFileSync(path, source);
  }
}

const given = process.argv.slice(2);
const chosen = MUTANTS.filter(({ name }) => given.length === 0 || given.some((part) => name.includes(part)));
const folder = mkdtempSync(join(tmpdir(), "quorate-mutants-"));
let failed = 0;
try {
  for (const path of COPIED) cpSync(join(root, path), join(folder, path), { recursive: true });
  writeFileSync(join(folder, "hunt.ts"), HUNT);
  for (const mutant of chosen) {
    const found = hunt(folder, mutant);
    if (typeof found === "string") failed++;
    say(
      typeof found === "string"
        ? `FAIL ${mutant.name}: ${found}`
        : `ok   ${mutant.name}: seed ${found.seed} of ${mutant.seedsMax}, ${found.checker}: ${found.message.slice(0, 100)}`,
    );
  }
} finally {
  rmSync(folder, { recursive: true });
}
say(`${chosen.length - failed} found, ${failed} not`);
process.exitCode = failed > 0 || chosen.length === 0 ? 1 : 0;
