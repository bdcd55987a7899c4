/** A file that calls itself pure is held to it: tsconfig.core.json compiles it without node, timers and console. */
import { expect, test } from "vitest";
import { linesMatching, read, tracked } from "./support/files.ts";

const listed = [...read("tsconfig.core.json").matchAll(/"(src\/[^"]+)"/g)].map((match) => match[1] ?? "");
const sources = tracked.filter((file) => file.startsWith("src/") && file.endsWith(".ts"));

/** The comment that opens a file. */
function header(source: string): string {
  return /^\s*\/\*\*([\s\S]*?)\*\//.exec(source)?.[1] ?? "";
}

test("every file that calls itself pure is in tsconfig.core.json", () => {
  const pure = sources.filter((file) => /\bpure\b/i.test(header(read(file))));
  expect(pure.length).toBeGreaterThan(3);
  expect(pure.filter((file) => !listed.includes(file))).toEqual([]);
});

test("every file in tsconfig.core.json exists, once and in order", () => {
  expect(listed.filter((file) => !sources.includes(file))).toEqual([]);
  expect(listed).toEqual([...new Set(listed)].toSorted());
});

test("the pure files make no time and no chance of their own: both are arguments", () => {
  expect(linesMatching(listed, /\bMath\.random\b|\bDate\.now\b|\bnew Date\(\)|from "node:/)).toEqual([]);
});
