import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { OWN_SCRIPTS } from "./script-files.ts";

const ROOT = join(import.meta.dirname, "../..");
const RIGHT = "simple\nv1\n----\nvoters=(1)\n1: StateProbe match=0 next=1\n";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "raft-scripts-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** What `npm run raft:scripts -- …` prints, and its exit code. */
function run(args: readonly string[], env: NodeJS.ProcessEnv = {}): { lines: string[]; code: number | null } {
  const done = spawnSync(process.execPath, ["scripts/raft-scripts.ts", ...args], {
    cwd: ROOT,
    encoding: "utf8",
    env: { ...process.env, ...env },
  });
  return { lines: `${done.stdout}${done.stderr}`.trimEnd().split("\n"), code: done.status };
}

test("any folder is run, whatever the names in it, and the last line counts", () => {
  cpSync(join(OWN_SCRIPTS, "quorum"), join(folder, "deep/some"), { recursive: true });
  writeFileSync(join(folder, "b.txt"), RIGHT);
  const { lines, code } = run([folder]);
  expect(lines.at(-1)).toBe("3 passed, 0 failed");
  expect(lines).toHaveLength(4);
  expect(code).toBe(0);
});

test("what went otherwise is shown with its place, and so is what cannot be run", () => {
  writeFileSync(join(folder, "a.txt"), RIGHT.replace("next=1", "next=2"));
  writeFileSync(join(folder, "b.txt"), RIGHT);
  writeFileSync(join(folder, "c.txt"), "frobnicate\n----\n");
  const { lines, code } = run([folder]);
  expect(lines.map((line) => line.replaceAll(/\S*raft-scripts-\w+\//g, ""))).toEqual([
    "FAIL a.txt",
    "  a.txt:1: simple: output line 2",
    "    expected: 1: StateProbe match=0 next=2",
    "    printed:  1: StateProbe match=0 next=1",
    "ok   b.txt",
    "FAIL c.txt",
    "  c.txt:1: unknown command frobnicate",
    "1 passed, 2 failed",
  ]);
  expect(code).toBe(1);
});

test("UPDATE=1 rewrites no script but our own", () => {
  const file = join(folder, "a.txt");
  const wrong = RIGHT.replace("next=1", "next=2");
  writeFileSync(file, wrong);
  expect(run([folder], { UPDATE: "1" }).lines.at(-1)).toBe("0 passed, 1 failed");
  expect(readFileSync(file, "utf8")).toBe(wrong);
});

test("nothing to run is no success", () => {
  expect(run([folder])).toEqual({ lines: ["0 passed, 0 failed"], code: 1 });
  const absent = run([join(folder, "absent")]);
  expect(absent.lines).toContain(`raft-scripts: there is no folder ${join(folder, "absent")}`);
  expect(absent.code).toBe(1);
});
