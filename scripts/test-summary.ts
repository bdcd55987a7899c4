/**
 * A vitest reporter beside the default one: names what was skipped and why, and leaves the numbers in
 * `.cache/test-summary.txt` as `N passed, N failed, N skipped`, for CI to close with.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Reporter, TestModule } from "vitest/node";

const FILE = join(import.meta.dirname, "../.cache/test-summary.txt");

export class TestSummary implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly unknown[]): void {
    const count = { passed: 0, failed: unhandled.length, skipped: 0, pending: 0 };
    const reasons = new Map<string, string[]>();
    for (const module of modules) {
      // A file that could not be loaded has no tests to fail.
      count.failed += module.errors().length;
      for (const test of module.children.allTests()) {
        const result = test.result();
        count[result.state]++;
        if (result.state !== "skipped" || result.note === undefined) continue;
        const name = `${module.relativeModuleId}: ${test.fullName}`;
        reasons.set(result.note, [...(reasons.get(result.note) ?? []), name]);
      }
    }
    for (const [reason, names] of reasons)
      process.stdout.write(`\nSkipped, because ${reason}:\n${names.map((name) => `  ${name}\n`).join("")}`);
    mkdirSync(dirname(FILE), { recursive: true });
    const { passed, failed, skipped, pending } = count;
    // A test that never ended (the run was broken off) has not passed.
    writeFileSync(FILE, `${passed} passed, ${failed + pending} failed, ${skipped} skipped\n`);
  }
}
