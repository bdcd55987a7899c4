import { expect, test } from "vitest";
import { throttledLog } from "../../src/lib/throttled-log.ts";

test("one line a second, which counts those that were left out before it", () => {
  const lines: unknown[] = [];
  let now = 5;
  const log = throttledLog(
    (msg, fields) => lines.push([msg, fields]),
    () => now,
  );
  for (let i = 0; i < 1000; i++) log("failed", { i });
  expect(lines).toEqual([["failed", { i: 0, times: 1 }]]);
  now += 1000;
  log("failed", { i: "later" });
  expect(lines.slice(1)).toEqual([["failed", { i: "later", times: 1000 }]]);
});
