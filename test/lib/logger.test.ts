import { expect, test } from "vitest";
import { createLogger, LOG_LEVELS, silentLogger } from "../../src/lib/logger.ts";

function lines(level: (typeof LOG_LEVELS)[number] = "debug") {
  const written: string[] = [];
  return { log: createLogger(level, (line) => written.push(line)), written };
}

test("one line a message, with etcd's fields first and the message's own after them", () => {
  const { log, written } = lines();
  log.named("http/server").info("ready", { "listen-http": ["http://127.0.0.1:1"], size: 3 });
  const [line = ""] = written;
  expect(line).toMatch(
    /^\{"level":"info","ts":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z","caller":"http\/server","msg":"ready",/,
  );
  expect(line.endsWith('"listen-http":["http://127.0.0.1:1"],"size":3}\n')).toBe(true);
});

test("what JSON cannot say is written all the same", () => {
  const { log, written } = lines();
  log.error("failed", {
    id: 2n ** 64n - 1n,
    error: new Error("disk full"),
    nested: { at: [1n] },
    none: undefined,
  });
  expect(JSON.parse(written[0] ?? "")).toMatchObject({
    id: "18446744073709551615",
    error: "disk full",
    nested: { at: ["1"] },
  });
});

test("a message with newlines stays one line", () => {
  const { log, written } = lines();
  log.warn("a\nb", { text: "c\r\nd" });
  expect(written[0]?.split("\n")).toHaveLength(2);
});

test.each(LOG_LEVELS)("from level %s on", (level) => {
  const { log, written } = lines(level);
  for (const each of LOG_LEVELS) log[each]("x");
  const logged = written.map((line) => (JSON.parse(line) as { level: string }).level);
  expect(logged).toEqual(LOG_LEVELS.slice(LOG_LEVELS.indexOf(level)));
});

test("the silent one takes everything", () => {
  expect(() => silentLogger.named("x").error("x")).not.toThrow();
});
