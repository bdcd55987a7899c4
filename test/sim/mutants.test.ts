import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { MUTANTS } from "./mutants.ts";

const core = join(import.meta.dirname, "../../src/raft");

test("every planted fault still fits the sources, once", () => {
  const misfits = MUTANTS.filter(
    ({ file, text }) => readFileSync(join(core, file), "utf8").split(text).length !== 2,
  );
  expect(misfits.map(({ name, file }) => `${name}: bring its text up to date with src/raft/${file}`)).toEqual(
    [],
  );
});

test("there are enough of them, each with a name of its own", () => {
  expect(new Set(MUTANTS.map(({ name }) => name)).size).toBe(MUTANTS.length);
  expect(MUTANTS.length).toBeGreaterThanOrEqual(24);
});
