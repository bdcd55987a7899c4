/** Imports go one way (docs/architecture.md): a room may import only from rooms below it, or from itself. */
import { globSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { expect, test } from "vitest";
import { importsOf } from "./support/files.ts";

const root = join(import.meta.dirname, "../../src");

/** From top to bottom. A room imports from lower rows only. */
const ROWS: readonly (readonly string[])[] = [
  ["main.ts"],
  ["cli"],
  ["discovery", "node", "proxy"],
  ["api", "dns", "bootstrap", "peer"],
  ["membership", "mvcc", "v2store", "lease", "auth", "alarm"],
  ["wal", "snap", "bbolt", "raft"],
  ["proto", "grpc", "pki", "config"],
  ["lib"],
];

/**
 * Single steps against or across the rows, each with its reason.
 * `dns` and `discovery` are two faces of one registry: dns reads its values, its interface and its rule for which
 * label stands for a token, and mounts nothing.
 */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  dns: ["discovery/cluster.ts", "discovery/discovery.ts", "discovery/domain-name.ts"],
};

const rowOf = (room: string): number => ROWS.findIndex((row) => row.includes(room));
const roomOf = (file: string): string => file.split("/")[0] ?? "";

function violations(file: string, source: string): string[] {
  const from = roomOf(file);
  return importsOf(source)
    .map((specifier) => relative(root, join(root, dirname(file), specifier)))
    .filter((target) => {
      const to = roomOf(target);
      if (to === from || ALLOWED[from]?.includes(target)) return false;
      return rowOf(to) <= rowOf(from);
    })
    .map(
      (target) =>
        `${file} imports ${target}: ${from} stands beside or below ${roomOf(target)}; move what is shared to a lower room`,
    );
}

const files = globSync("**/*.ts", { cwd: root });

test("every room has its place in the order", () => {
  expect(files.map(roomOf).filter((room) => rowOf(room) === -1)).toEqual([]);
});

test("imports go one way", () => {
  expect(files.flatMap((file) => violations(file, readFileSync(join(root, file), "utf8")))).toEqual([]);
});

test("an import that goes the wrong way is found", () => {
  expect(violations("lib/x.ts", 'import { a } from "../discovery/cluster.ts";')).toHaveLength(1);
  expect(violations("dns/x.ts", 'import { a } from "../discovery/service.ts";')).toHaveLength(1);
  expect(violations("dns/x.ts", 'const m = await import("../cli/run.ts");')).toHaveLength(1);
  expect(violations("discovery/http/x.ts", 'import { a } from "../../lib/errors.ts";')).toEqual([]);
});
