import { expect, test } from "vitest";
import { assert, must, unreachable } from "../../src/lib/assert.ts";
import { InvariantError } from "../../src/lib/errors.ts";

test("an assertion that holds does not build its message", () => {
  let built = 0;
  const message = (): string => `built ${++built}`;
  assert(true, message);
  expect(must(0, message)).toBe(0);
  expect(must("", message)).toBe("");
  expect(built).toBe(0);
});

test("one that does not hold is a bug of ours", () => {
  expect(() => assert(false, () => "applied <= committed")).toThrow(InvariantError);
  expect(() => must(undefined, () => "entry 7 is in the log")).toThrow("entry 7 is in the log");
  expect(() => must(null, () => "entry 7 is in the log")).toThrow(InvariantError);
});

test("a case that no switch handled is shown", () => {
  expect(() => unreachable({ type: "new" } as never)).toThrow('unhandled case {"type":"new"}');
});
