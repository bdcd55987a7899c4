/** bin/quorate and scripts/with-node.cjs: the right Node, exit codes, signals; and when npm has to run. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ROOT, run } from "./support/command.ts";

const require = createRequire(import.meta.url);
const { isInstalled } = require("../../scripts/with-node.cjs") as { isInstalled: (root: string) => boolean };
const { findNode } = require("../../bin/runtime.cjs") as {
  findNode: (version: string, pinned: string) => string | undefined;
};
const PINNED = join(ROOT, "node_modules/node/bin/node");

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "quorate launcher "));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A checkout with this program, in a folder with a blank in its name. @returns its bin/quorate. */
function checkout(main: string, options: { readonly pinned: boolean }): string {
  for (const part of ["bin", "src", "scripts", "node_modules/node/bin"])
    mkdirSync(join(folder, part), { recursive: true });
  for (const file of ["bin/quorate", "bin/runtime.cjs", "bin/package.json", "scripts/with-node.cjs"])
    copyFileSync(join(ROOT, file), join(folder, file));
  writeFileSync(join(folder, "src/main.ts"), main);
  writeFileSync(join(folder, "package.json"), '{"type":"module"}');
  if (options.pinned) symlinkSync(PINNED, join(folder, "node_modules/node/bin/node"));
  return join(folder, "bin/quorate");
}

const TELL = "process.stdout.write(JSON.stringify(process.argv.slice(2) as string[])); process.exitCode = 3;";
const WAIT = 'setInterval(() => {}, 1000); process.on("SIGTERM", () => process.exit(7)); console.log("up");';
/** What Node 18 and 20 do: they stay as the parent. */
const AS_PARENT = `
  process.execve = undefined;
  const { runUnderRightNode } = require(process.argv[1] + "/bin/runtime.cjs");
  runUnderRightNode(process.argv[1] + "/src/main.ts", process.argv.slice(2));`;
/** The ways in, as argv. */
const ways = (file: string): [string, string[]][] => [
  [file, []],
  ["sh", [file]],
  [process.execPath, [file]],
  [process.execPath, [join(folder, "scripts/with-node.cjs"), "src/main.ts"]],
  [process.execPath, ["--input-type=commonjs", "-e", AS_PARENT, "--", folder]],
];
const WAYS = ["by its shebang", "by sh", "by node", "through with-node", "by a Node that cannot be replaced"];

/** with-node.cjs finds everything installed. */
function pretendInstalled(): void {
  const lock = JSON.stringify({ packages: { "": {} } });
  writeFileSync(join(folder, "package-lock.json"), lock);
  writeFileSync(join(folder, "node_modules/.package-lock.json"), lock);
}

describe.each(WAYS.map((way, index) => [way, index] as const))("started %s", (_way, index) => {
  const way = (file: string): [string, string[]] => ways(file)[index] ?? ["", []];

  test("arguments arrive as they are, and so does the exit code", async () => {
    const [command, args] = way(checkout(TELL, { pinned: true }));
    pretendInstalled();
    const given = ["--a=b c", "", "$HOME", "*", "-x"];
    expect(await run(command, [...args, ...given])).toEqual({
      code: 3,
      signal: null,
      stdout: JSON.stringify(given),
      stderr: "",
    });
  });

  test.each([
    ["SIGTERM", { code: 7, signal: null }],
    ["SIGINT", { code: null, signal: "SIGINT" }],
  ] as const)("%s reaches the program", async (signal, expected) => {
    const [command, args] = way(checkout(WAIT, { pinned: true }));
    pretendInstalled();
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "inherit"] });
    await once(child.stdout, "data");
    child.kill(signal);
    const [code, by] = (await once(child, "exit")) as [number | null, string | null];
    expect({ code, signal: by }).toEqual(expected);
  });
});

test("kill -9 of bin/quorate ends the program itself: there is no launcher in between", async () => {
  const file = checkout("console.log(process.pid); setInterval(() => {}, 1000);", { pinned: true });
  const child = spawn(file, [], { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  expect(Number(line.toString())).toBe(child.pid);
  child.kill("SIGKILL");
  await once(child, "exit");
});

test("it is found through a symbolic link, as npm makes one", async () => {
  const file = checkout(TELL, { pinned: true });
  const link = join(folder, "link");
  symlinkSync(file, link);
  expect(await run(link, ["a"])).toMatchObject({ code: 3, stdout: '["a"]' });
});

test("without the pinned Node, the one on the PATH serves when it is new enough", async () => {
  const file = checkout(TELL, { pinned: false });
  const bin = join(folder, "path");
  mkdirSync(bin);
  symlinkSync(PINNED, join(bin, "node"));
  const path = `${bin}:/usr/bin:/bin`;
  expect(await run(file, ["a"], { env: { PATH: path } })).toMatchObject({
    code: 3,
    stdout: '["a"]',
    stderr: "",
  });
});

test("without any Node it says so in one line", async () => {
  const file = checkout(TELL, { pinned: false });
  const bin = join(folder, "path");
  mkdirSync(bin);
  const { stdout: readlink } = await run("sh", ["-c", "command -v readlink"]);
  symlinkSync(readlink.trim(), join(bin, "readlink"));
  expect(await run("/bin/sh", [file], { env: { PATH: bin } })).toMatchObject({
    code: 1,
    stderr: "quorate needs Node 22.18 or newer, and there is no node on the PATH\n",
  });
});

describe("which Node", () => {
  test("the pinned one whenever it is there", () => {
    expect(findNode("18.0.0", PINNED)).toBe(PINNED);
    expect(findNode("99.0.0", PINNED)).toBe(PINNED);
  });

  test.each(["22.18.0", "22.20.1", "24.0.0", "26.10.0"])("%s is new enough", (version) => {
    expect(findNode(version, "/none")).toBe(process.execPath);
  });

  test.each(["18.20.4", "20.19.0", "22.17.1", "22.9.0"])("%s is too old", (version) => {
    expect(findNode(version, "/none")).toBeUndefined();
  });

  test("one that is too old is refused in one line that says what to do", async () => {
    checkout(TELL, { pinned: false });
    const program = `
      Object.defineProperty(process, "versions", { value: { ...process.versions, node: "20.19.0" } });
      Object.defineProperty(process, "version", { value: "v20.19.0" });
      require(${JSON.stringify(join(folder, "bin/runtime.cjs"))}).runUnderRightNode("x", []);`;
    expect(await run(process.execPath, ["--input-type=commonjs", "-e", program])).toMatchObject({
      code: 1,
      stderr:
        "quorate needs Node 22.18 or newer and this is v20.19.0: run `npm ci` in its folder (it brings the right one), or install a newer Node\n",
    });
  });
});

describe("npm ci is needed", () => {
  const packages = (entries: Record<string, { version?: string; optional?: boolean }>): string =>
    JSON.stringify({ packages: { "": { version: "0.1.0" }, ...entries } });
  const wanted = {
    "node_modules/a": { version: "1.0.0" },
    "node_modules/b": { version: "2.0.0", optional: true },
  };

  function installed(entries: Record<string, { version?: string }> | undefined): boolean {
    writeFileSync(join(folder, "package-lock.json"), packages(wanted));
    if (entries !== undefined) {
      mkdirSync(join(folder, "node_modules"));
      writeFileSync(join(folder, "node_modules/.package-lock.json"), packages(entries));
    }
    return isInstalled(folder);
  }

  test("not when every package is there at its version, but for optional ones of other machines", () => {
    expect(installed({ "node_modules/a": { version: "1.0.0" } })).toBe(true);
  });

  test("on a fresh clone", () => {
    expect(installed(undefined)).toBe(false);
  });

  test("when a package is missing", () => {
    expect(installed({})).toBe(false);
  });

  test("when a version differs, also an optional package's", () => {
    expect(installed({ "node_modules/a": { version: "1.0.1" } })).toBe(false);
    rmSync(join(folder, "node_modules"), { recursive: true });
    expect(
      installed({ "node_modules/a": { version: "1.0.0" }, "node_modules/b": { version: "2.0.1" } }),
    ).toBe(false);
  });
});
