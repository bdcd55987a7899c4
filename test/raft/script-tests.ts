import { basename, join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Environment } from "./datadriven.ts";
import { hasReference, OWN_SCRIPTS, REFERENCE_SCRIPTS, runFile, scriptsIn } from "./script-files.ts";

/** A test for each of our own and of the reference's scripts of this environment. */
export function testScripts(environment: Environment): void {
  const scripts = (folder: string): { name: string; file: string }[] =>
    scriptsIn(join(folder, environment.name)).map((file) => ({ name: basename(file), file }));

  /** The commands that went otherwise, each with its position: empty lists if none did. */
  const outputsOf = (file: string): { printed: object[]; expected: object[] } => {
    const { differences } = runFile(file, [environment]);
    const lines = (of: "actual" | "expected"): object[] =>
      differences.map((each) => ({ at: each.directive.position, output: each[of].split("\n") }));
    return { printed: lines("actual"), expected: lines("expected") };
  };

  describe(`our ${environment.name} scripts`, () => {
    test.each(scripts(OWN_SCRIPTS))("$name", ({ file }) => {
      const { printed, expected } = outputsOf(file);
      expect(printed).toEqual(expected);
    });
  });

  describe(`the reference's ${environment.name} scripts`, () => {
    test.runIf(hasReference)("are there: where ../shared/raft-testdata is absent, ours alone run", () =>
      expect(scripts(REFERENCE_SCRIPTS)).not.toEqual([]),
    );
    test.each(scripts(REFERENCE_SCRIPTS))("$name", ({ file }) => {
      const { printed, expected } = outputsOf(file);
      expect(printed).toEqual(expected);
    });
  });
}
