import { describe, expect, test } from "vitest";
import {
  FORMING_TTL_SECONDS,
  NEGATIVE_TTL_SECONDS,
  serialOf,
  soaOf,
  type Zone,
  zoneOf,
  zonesOf,
} from "../../src/dns/zone.ts";
import { UsageError } from "../../src/lib/errors.ts";
import { setLines } from "./zone-text.ts";

const zones = (options: Partial<Parameters<typeof zonesOf>[0]>): readonly Zone[] =>
  zonesOf({ zones: [], allowedDomains: [], nameServers: [], nameServerAddresses: [], ...options });
const linesOf = (zone: Zone | undefined): string[] => (zone?.records ?? []).flatMap(setLines);

describe("what a zone holds besides clusters", () => {
  test("a name server of its own, with the addresses that are known", () => {
    const [zone] = zones({
      zones: ["Discovery.Internal."],
      nameServerAddresses: ["192.0.2.1", "2001:DB8:0::1"],
    });
    expect(linesOf(zone)).toEqual([
      "discovery.internal. 300 IN NS ns.discovery.internal.",
      "ns.discovery.internal. 300 IN A 192.0.2.1",
      "ns.discovery.internal. 300 IN AAAA 2001:db8::1",
    ]);
  });

  test("configured name servers: addresses only for those inside", () => {
    const [zone] = zones({
      zones: ["d.example"],
      nameServers: ["ns1.d.example", "ns2.example"],
      nameServerAddresses: ["192.0.2.1"],
    });
    expect(linesOf(zone)).toEqual([
      "d.example. 300 IN NS ns1.d.example.",
      "d.example. 300 IN NS ns2.example.",
      "ns1.d.example. 300 IN A 192.0.2.1",
    ]);
    expect(zone && setLines(soaOf(zone, 5))).toEqual([
      "d.example. 300 IN SOA ns1.d.example. hostmaster.d.example. 5 60 10 604800 2",
    ]);
  });

  test("one zone for a name that is both", () => {
    expect(zones({ zones: ["a.b"], allowedDomains: ["A.B"] })).toMatchObject([
      { name: "a.b", holdsTokens: true, holdsDomains: true },
    ]);
  });
});

test("a name belongs to the longest zone it is in", () => {
  const all = zones({ zones: ["d.example.com"], allowedDomains: ["example.com"] });
  const of = (name: string): string | undefined => zoneOf(all, name)?.name;
  expect([of("x.d.example.com"), of("d.example.com"), of("example.com"), of("xd.example.com")]).toEqual([
    "d.example.com",
    "d.example.com",
    "example.com",
    "example.com",
  ]);
  expect([of("com"), of(""), of("xexample.com")]).toEqual([undefined, undefined, undefined]);
});

test("what forms, and what is absent, is forgotten within seconds", () => {
  for (const ttl of [FORMING_TTL_SECONDS, NEGATIVE_TTL_SECONDS]) {
    expect(ttl).toBeGreaterThanOrEqual(1);
    expect(ttl).toBeLessThanOrEqual(5);
  }
});

test("serials go forward around the circle of 32 bits (RFC 1982)", () => {
  const isNewer = (a: number, b: number): boolean => a !== b && (a - b) >>> 0 < 2 ** 31;
  for (const index of [1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 2, 2 ** 32 - 1, 2 ** 32, 2 ** 40]) {
    expect(isNewer(serialOf(index + 1), serialOf(index))).toBe(true);
    expect(serialOf(index)).toBeLessThan(2 ** 32);
  }
});

describe("names that cannot be zones", () => {
  test.each([
    ["--dns-zone", { zones: [""] }],
    ["--dns-zone", { zones: ["a..b"] }],
    ["--dns-zone", { zones: ["zöne"] }],
    ["--dns-zone", { zones: [`${"a.".repeat(96)}b`] }],
    ["--dns-allow-domain", { allowedDomains: ["*.example.com"] }],
    ["--dns-allow-domain", { allowedDomains: [`${"a.".repeat(116)}b`] }],
    ["--dns-name-server", { zones: ["a"], nameServers: ["1.2.3.4:53"] }],
    ["--dns-name-server-address", { nameServerAddresses: ["ns.example"] }],
    ["--dns-name-server-address", { nameServerAddresses: ["10.1"] }],
    ["--dns-name-server-address", { nameServerAddresses: ["fe80::1%eth0"] }],
  ])("%s %j", (flag, options) => {
    expect(() => zones(options)).toThrow(UsageError);
    expect(() => zones(options)).toThrow(flag);
  });
});
