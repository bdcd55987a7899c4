import { describe, expect, test } from "vitest";
import { isBelow, isHostLabel, isName, labelAbove, parentOf } from "../../src/dns/name.ts";

describe("names that can be published", () => {
  const of63 = "a".repeat(63);
  test.each([
    ["a", true],
    ["_etcd-server._tcp.Example.COM", true],
    [of63, true],
    [`${of63}.${of63}.${of63}.${"a".repeat(61)}`, true],
    [`${of63}.${of63}.${of63}.${"a".repeat(62)}`, false],
    [`${of63}a`, false],
    ["", false],
    [".", false],
    ["a.", false],
    ["a..b", false],
    ["a b", false],
    ["münchen", false],
    ["a\n", false],
  ])("%j: %j", (name, usable) => expect(isName(name)).toBe(usable));
});

describe("labels of hosts", () => {
  test.each([
    ["infra0", true],
    ["0", true],
    ["a-b", true],
    ["a".repeat(63), true],
    ["a".repeat(64), false],
    ["-a", false],
    ["a-", false],
    ["a_b", false],
    ["a.b", false],
    ["", false],
  ])("%j: %j", (label, usable) => expect(isHostLabel(label)).toBe(usable));
});

test("below means below a border of labels", () => {
  expect(isBelow("a.example.com", "example.com")).toBe(true);
  expect(isBelow("example.com", "example.com")).toBe(false);
  expect(isBelow("xexample.com", "example.com")).toBe(false);
  expect([isBelow("com", ""), isBelow("", "")]).toEqual([true, false]);
});

test("the label right above an ancestor, and the parent", () => {
  expect(labelAbove("a.b.c.d", "d")).toBe("c");
  expect(labelAbove("c.d", "d")).toBe("c");
  expect(labelAbove("a.b", "")).toBe("b");
  expect([parentOf("a.b.c"), parentOf("a"), parentOf("")]).toEqual(["b.c", "", ""]);
});
