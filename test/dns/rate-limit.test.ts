import { describe, expect, test } from "vitest";
import { createRateTable, networkOf, ResponseRateLimiter } from "../../src/dns/rate-limit.ts";

const limiterOf = (perSecond: number, places?: number): ResponseRateLimiter =>
  new ResponseRateLimiter(perSecond, createRateTable(1, places));

const allowed = (limiter: ResponseRateLimiter, address: string, times: number, nowMs: number): number =>
  Array.from({ length: times }, () => limiter.allow(address, nowMs)).filter(Boolean).length;

test("a network gets as many answers a second as allowed, at once or spread", () => {
  const limiter = limiterOf(10);
  expect(allowed(limiter, "192.0.2.1", 50, 0)).toBe(10);
  expect(allowed(limiter, "192.0.2.1", 50, 500)).toBe(5);
  expect(allowed(limiter, "192.0.2.1", 50, 600)).toBe(1);
});

test("quiet time is not saved up beyond a second", () => {
  const limiter = limiterOf(10);
  allowed(limiter, "192.0.2.1", 50, 0);
  expect(allowed(limiter, "192.0.2.1", 50, 60_000)).toBe(10);
});

test("addresses of one network share, networks do not", () => {
  const limiter = limiterOf(2);
  expect(allowed(limiter, "192.0.2.1", 9, 0)).toBe(2);
  expect(allowed(limiter, "192.0.2.200", 9, 0)).toBe(0);
  expect(allowed(limiter, "192.0.3.1", 9, 0)).toBe(2);
  expect(allowed(limiter, "2001:db8:0:1::1", 9, 0)).toBe(2);
  expect(allowed(limiter, "2001:db8:0:2::1", 9, 0)).toBe(0);
  expect(allowed(limiter, "2001:db8:0:101::1", 9, 0)).toBe(2);
});

test.each([1, 3, 7, 30, 999])("%d a second are as many at once, in spite of fractions", (perSecond) => {
  expect(allowed(limiterOf(perSecond), "192.0.2.1", perSecond + 10, 1_795_225_000_123)).toBe(perSecond);
});

test("what is remembered is bounded: in a full table networks start over, and none gets more than whole answers", () => {
  const limiter = limiterOf(5, 4);
  for (let third = 0; third < 200; third++) expect(allowed(limiter, `192.0.${third}.1`, 20, 0)).toBe(5);
  // The last one has its place still.
  expect(allowed(limiter, "192.0.199.1", 20, 0)).toBe(0);
});

test("networks that have all their answers again leave their places to others", () => {
  const limiter = limiterOf(1, 2);
  expect(allowed(limiter, "192.0.1.1", 5, 0)).toBe(1);
  for (let third = 2; third < 100; third++) {
    const now = third * 2000;
    expect(allowed(limiter, `192.0.${third}.1`, 5, now)).toBe(1);
    expect(allowed(limiter, `192.0.${third}.1`, 5, now + 1)).toBe(0);
  }
});

test("a clock that is set back locks nobody out", () => {
  const limiter = limiterOf(5);
  expect(allowed(limiter, "192.0.2.1", 20, 1_000_000)).toBe(5);
  expect(allowed(limiter, "192.0.2.1", 20, 0)).toBe(5);
  expect(allowed(limiter, "192.0.2.1", 20, 0)).toBe(0);
});

test("threads that share a table share the answers of a network", () => {
  const table = createRateTable(1);
  const [one, other] = [new ResponseRateLimiter(4, table), new ResponseRateLimiter(4, table)];
  expect(allowed(one, "192.0.2.1", 3, 0) + allowed(other, "192.0.2.2", 3, 0)).toBe(4);
});

describe("the network of an address", () => {
  test.each([
    ["192.0.2.77", "192.0.2"],
    ["::ffff:192.0.2.77", "192.0.2"],
    ["2001:db8:aaaa:bbcc:1:2:3:4", "8193:3512:43690:187"],
    ["2001:db8::1", "8193:3512:0:0"],
    ["1::2:3:4:5:6:7", "1:0:2:0"],
    ["fe80::1%eth0", "65152:0:0:0"],
    ["::1", "0:0:0:0"],
    ["::", "0:0:0:0"],
  ])("%s", (address, network) => {
    expect(networkOf(address)).toBe(network);
  });
});
