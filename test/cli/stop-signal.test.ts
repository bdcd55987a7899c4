import { afterEach, expect, test } from "vitest";
import { stopSignal } from "../../src/cli/stop-signal.ts";

afterEach(() => {
  process.removeAllListeners("SIGTERM");
  process.removeAllListeners("SIGINT");
});

test("the first signal stops, its echo does not count, a later one is meant", async () => {
  const insisted: string[] = [];
  let now = 1000;
  const first = stopSignal(
    (signal) => insisted.push(signal),
    () => now,
  );
  process.emit("SIGINT", "SIGINT");
  process.emit("SIGINT", "SIGINT");
  expect(await first).toBe("SIGINT");
  now += 499;
  process.emit("SIGTERM", "SIGTERM");
  expect(insisted).toEqual([]);
  now += 1;
  process.emit("SIGTERM", "SIGTERM");
  expect(insisted).toEqual(["SIGTERM"]);
});
