import { describe, expect, test } from "vitest";
import { createNetworks, plainAddress } from "../../src/dns/networks.ts";
import { UsageError } from "../../src/lib/errors.ts";

describe("networks", () => {
  const networks = createNetworks(["10.1.0.0/16", "192.0.2.7", "2001:db8::/32", "fe80::1"]);

  test.each(["10.1.255.255", "192.0.2.7", "::ffff:10.1.2.3", "2001:db8:ffff::1", "fe80::1%eth0"])(
    "hold %s",
    (address) => {
      expect(networks.has(address)).toBe(true);
    },
  );

  test.each(["10.2.0.0", "192.0.2.8", "::ffff:10.2.0.0", "2001:db9::1", "fe80::2", "", "nonsense"])(
    "do not hold %j",
    (address) => {
      expect(networks.has(address)).toBe(false);
    },
  );
});

test("no network holds nobody, a prefix of 0 everybody of its family", () => {
  expect(createNetworks([]).has("127.0.0.1")).toBe(false);
  expect(createNetworks(["0.0.0.0/0"]).has("203.0.113.9")).toBe(true);
  expect(createNetworks(["0.0.0.0/0"]).has("2001:db8::1")).toBe(false);
});

test.each([
  "10.0.0.0/33",
  "10.0.0.0/",
  "10.0.0.0/8/8",
  "2001:db8::/129",
  "example.com",
  "",
  "/8",
  "10.0.0/8",
])("%j is not a network", (text) => {
  expect(() => createNetworks([text])).toThrow(UsageError);
});

test("one spelling for one peer", () => {
  expect(plainAddress("::ffff:10.0.0.1")).toBe("10.0.0.1");
  expect(plainAddress("::FFFF:10.0.0.1")).toBe("10.0.0.1");
  expect(plainAddress("fe80::1%eth0")).toBe("fe80::1");
  expect(plainAddress("2001:db8::1")).toBe("2001:db8::1");
});
