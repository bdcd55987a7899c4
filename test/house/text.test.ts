/** What no file may hold. Each rule names its cure. */
import { expect, test } from "vitest";
import { linesMatching, read, tracked } from "./support/files.ts";

const THIS = "test/house/text.test.ts";
const files = tracked.filter((file) => file !== THIS && !file.endsWith(".db"));
const code = files.filter((file) => /\.(ts|cjs|sh)$/.test(file) || file.startsWith("bin/"));

test("nothing is left to do: finish it, or file an issue", () => {
  expect(linesMatching(files, /\b(TODO|FIXME|XXX|HACK)\b/)).toEqual([]);
});

test("names are exported: no default exports, but for tools that want one", () => {
  const exempt = ["vitest.config.ts"];
  expect(
    linesMatching(
      code.filter((file) => !exempt.includes(file)),
      /^export default\b/,
    ),
  ).toEqual([]);
});

test("no test is left out by hand: a skip is conditional and says why, .only is for one's own desk", () => {
  expect(linesMatching(code, /\b(?:test|it|describe)\.(?:only|todo|skip)\(/)).toEqual([]);
});

test("the lock file names no registry: npm asks the one that the machine is set up for", () => {
  expect(linesMatching(["package-lock.json"], /"resolved":/)).toEqual([]);
});

test("no paths of one machine, no hosts of one registry or mirror", () => {
  const hosts = ["registry.npmjs", "registry.yarnpkg", "deb.debian", "snapshot.debian", "proxy.golang"];
  const pattern = new RegExp(
    [
      "/work/(?:main|shared)\\b",
      "(?<![\\w.$}])/root/",
      "(?<![\\w.$}])/home/[a-z]",
      ...hosts.map((host) => host.replace(".", "\\.")),
    ].join("|"),
  );
  expect(linesMatching(files, pattern)).toEqual([]);
});

test("text files end with one newline and have no blanks at the end of a line", () => {
  // Answers of real servers, kept byte for byte.
  const text = files.filter(
    (file) => /\.(ts|cjs|md|json|sh|sql|yml|yaml|txt)$/.test(file) || file === "bin/quorate",
  );
  expect(text.filter((file) => !/[^\n]\n$/.test(read(file)))).toEqual([]);
  expect(linesMatching(text, /[ \t]+$/)).toEqual([]);
});

test("a file is one idea: beyond 400 lines it deserves a split, beyond 500 it needs one", () => {
  const long = code.filter((file) => file.startsWith("src/") && read(file).split("\n").length > 500);
  expect(long).toEqual([]);
});
