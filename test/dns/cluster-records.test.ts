import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Cluster } from "../../src/discovery/cluster.ts";
import { clusterNames, clusterRecords, type Site } from "../../src/dns/cluster-records.ts";
import { isName } from "../../src/dns/name.ts";
import { FakeDiscovery } from "./fake-discovery.ts";

const site: Site = { origin: "t.zone", labels: "id", taken: new Set(["ns.t.zone"]), clientPort: 2379 };

function clusterOf(size: number, values: readonly string[]): Cluster {
  const discovery = new FakeDiscovery();
  let cluster = discovery.create("t", { size });
  for (const value of values) cluster = discovery.register("t", value);
  return cluster;
}

const host = fc.oneof(
  fc.ipV4(),
  fc.ipV6().map((address) => `[${address}]`),
  fc.constantFrom("a.example", "A.Example", "localhost", "x_y", "ns.t.zone", "a2.t.zone"),
);
const url = fc
  .tuple(fc.constantFrom("http", "https"), host, fc.constantFrom(2380, 2381))
  .map(([scheme, name, port]) => `${scheme}://${name}:${port}`);
const memberName = fc.constantFrom("infra0", "Infra0", "ns", "a1", "a2", "b_c", "d.e", "*", "");
const value = fc
  .tuple(memberName, fc.array(url, { minLength: 1, maxLength: 3 }))
  .map(([name, urls]) => urls.map((each) => `${name}=${each}`).join(","));
const cluster = fc
  .tuple(fc.integer({ min: 1, max: 5 }), fc.array(value, { maxLength: 7 }))
  .map(([size, values]) => clusterOf(size, values));
const labels = fc.constantFrom("id" as const, "name" as const);

describe("whatever registers", () => {
  test("at most one server name and one client name have records, of one scheme", () => {
    fc.assert(
      fc.property(cluster, labels, (given, style) => {
        const names = clusterRecords(given, { ...site, labels: style }).flatMap((set) =>
          set.type === "SRV" ? [set.name.split(".")[0]] : [],
        );
        expect([
          [],
          ["_etcd-server", "_etcd-client"],
          ["_etcd-server-ssl", "_etcd-client-ssl"],
        ]).toContainEqual(names);
      }),
      { numRuns: 2000 },
    );
  });

  test("names and types are unique, sets have no repetitions, all names can be published", () => {
    fc.assert(
      fc.property(cluster, labels, (given, style) => {
        const sets = clusterRecords(given, { ...site, labels: style });
        const keys = sets.map((set) => `${set.name.toLowerCase()} ${set.type}`);
        expect(new Set(keys).size).toBe(keys.length);
        for (const set of sets) {
          expect(isName(set.name)).toBe(true);
          expect(new Set(set.data.map((data) => JSON.stringify(data).toLowerCase())).size).toBe(
            set.data.length,
          );
          expect(set.data.length).toBeGreaterThan(0);
          expect(set.name.toLowerCase()).not.toBe("ns.t.zone");
        }
      }),
      { numRuns: 2000 },
    );
  });

  test("every target inside that is no advertised name has an address, and no member has another's", () => {
    fc.assert(
      fc.property(cluster, labels, (given, style) => {
        const sets = clusterRecords(given, { ...site, labels: style });
        const advertised = given.members.flatMap((member) => member.peerUrls.join(" ").toLowerCase());
        const owners = sets.flatMap((set) =>
          set.type === "A" || set.type === "AAAA" ? [set.name.toLowerCase()] : [],
        );
        const targets = sets.flatMap((set) =>
          set.type === "SRV" ? set.data.map((srv) => srv.target.toLowerCase()) : [],
        );
        const ours = targets.filter(
          (target) => target.endsWith(".t.zone") && !advertised.some((urls) => urls.includes(`/${target}:`)),
        );
        for (const target of ours) expect(owners).toContain(target);
        for (const owner of owners) expect(targets).toContain(owner);
      }),
      { numRuns: 2000 },
    );
  });

  test("TTLs are short until the seal and equal within a set", () => {
    fc.assert(
      fc.property(cluster, (given) => {
        const ttls = new Set(clusterRecords(given, site).map((set) => set.ttl));
        expect([...ttls]).toEqual([given.sealedIndex === undefined ? 2 : 300]);
      }),
    );
  });
});

test("a cluster under a name that leaves no room for its services keeps what fits", () => {
  const origin = `${"a".repeat(60)}.${"b".repeat(60)}.${"c".repeat(60)}.${"d".repeat(60)}`;
  const sets = clusterRecords(clusterOf(1, ["m=http://10.0.0.1:2380"]), { ...site, origin });
  expect(sets.map((set) => [set.type, set.name.length])).toEqual([
    ["TXT", 243],
    ["A", 246],
  ]);
  expect(clusterNames(origin)).toEqual([origin]);
});
