import { describe, expect, test } from "vitest";
import { networkOf, ResponseRateLimiter } from "../../src/dns/rate-limit.ts";

const allowed = (limiter: ResponseRateLimiter, address: string, times: number, nowMs: number): number =>
  Array.from({ length: times }, () => limiter.allow(address, nowMs)).filter(Boolean).length;

test("a network gets as many answers a second as allowed, at once or spread", () => {
  const limiter = new ResponseRateLimiter(10);
  expect(allowed(limiter, "192.0.2.1", 50, 0)).toBe(10);
  expect(allowed(limiter, "192.0.2.1", 50, 500)).toBe(5);
  expect(allowed(limiter, "192.0.2.1", 50, 600)).toBe(1);
});

test("quiet time is not saved up beyond a second", () => {
  const limiter = new ResponseRateLimiter(10);
  allowed(limiter, "192.0.2.1", 50, 0);
  expect(allowed(limiter, "192.0.2.1", 50, 60_000)).toBe(10);
});

test("addresses of one network share, networks do not", () => {
  const limiter = new ResponseRateLimiter(2);
  expect(allowed(limiter, "192.0.2.1", 9, 0)).toBe(2);
  expect(allowed(limiter, "192.0.2.200", 9, 0)).toBe(0);
  expect(allowed(limiter, "192.0.3.1", 9, 0)).toBe(2);
  expect(allowed(limiter, "2001:db8:0:1::1", 9, 0)).toBe(2);
  expect(allowed(limiter, "2001:db8:0:2::1", 9, 0)).toBe(0);
  expect(allowed(limiter, "2001:db8:0:101::1", 9, 0)).toBe(2);
});

test("what is remembered is bounded: the oldest network starts over", () => {
  const limiter = new ResponseRateLimiter(1, 3);
  for (const third of [1, 2, 3, 4]) expect(allowed(limiter, `192.0.${third}.1`, 2, 0)).toBe(1);
  expect(limiter.networks).toBe(3);
  expect(allowed(limiter, "192.0.4.1", 1, 0)).toBe(0);
  expect(allowed(limiter, "192.0.1.1", 1, 0)).toBe(1);
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
