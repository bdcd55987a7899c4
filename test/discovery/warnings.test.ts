/** What is unwise though it can work is said in a sentence, and nothing else is. */
import { describe, expect, test } from "vitest";
import type { Cluster, MemberId, Token } from "../../src/discovery/cluster.ts";
import { warningsOf } from "../../src/discovery/warnings.ts";
import { newCluster, registered, request, sealed } from "./make.ts";

function clusterOf(values: readonly string[], size = 3): Cluster {
  return registered(
    newCluster(size),
    ...values.map((value, at) => request(at + 1, { value, from: "127.0.0.1", discoveryUrls: [] })),
  );
}

test("a plain cluster of three has none", () => {
  expect(warningsOf(sealed(3))).toEqual([]);
  expect(warningsOf(sealed(5))).toEqual([]);
  expect(warningsOf(sealed(7))).toEqual([]);
});

describe("sizes", () => {
  test.each([
    [1, "no fault tolerance"],
    [2, "survive no failure, no more than 1 do, and need a majority of 2; prefer 1 or 3"],
    [4, "survive 1 failed, no more than 3 do, and need a majority of 3; prefer 3 or 5"],
    [9, "wait for 5 of them"],
  ])("%d", (size, sentence) => {
    const warnings = warningsOf(newCluster(size));
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain(sentence);
  });
});

describe("members", () => {
  test.each<[string, readonly string[], readonly string[]]>([
    ["mixed schemes", ["a=http://a.example:1", "b=https://b.example:1"], ["mix http"]],
    ["loopback", ["a=http://127.0.0.1:1", "b=http://127.0.0.1:2"], ["loopback or unspecified"]],
    ["names that differ in case", ["a=http://a.example:1", "A=http://b.example:1"], ["differ only in case"]],
    ["an IP address under https", ["a=https://10.0.0.1:1"], ["subject alternative name"]],
    ["a public address without TLS", ["a=http://8.8.8.8:1"], ["without TLS"]],
    ["a link-local address", ["a=http://169.254.1.1:1"], ["link-local"]],
    ["one host for two", ["a=http://a.example:1", "b=http://a.example:2"], ["share the host a.example"]],
    [
      "one port for two schemes",
      ["a=http://a.example:1", "b=https://a.example:1"],
      ["mix http", "share the host", "both advertise a.example:1"],
    ],
    ["the default name", ["default=http://a.example:1"], ['named "default"']],
    ["white space in a name", ["a b=http://a.example:1"], ["white space"]],
  ])("%s", (_what, values, sentences) => {
    const warnings = warningsOf(clusterOf(values));
    expect(warnings).toHaveLength(sentences.length);
    for (const [at, sentence] of sentences.entries()) expect(warnings[at]).toContain(sentence);
  });

  test.each<[readonly string[], string]>([
    [["a=http://127.0.0.1:1"], '"a" advertises loopback'],
    [["a=http://127.0.0.1:1", "b=http://127.0.0.1:2"], '"a", "b" advertise loopback'],
    [["a=https://10.0.0.1:1"], '"a" advertises plain IP addresses'],
    [["a=http://8.8.8.8:1"], '"a" advertises public addresses'],
    [["a=http://169.254.1.1:1", "b=http://169.254.1.2:1"], '"a", "b" advertise link-local'],
  ])("%j: one advertises, several advertise", (values, sentence) => {
    expect(warningsOf(clusterOf(values))[0]).toContain(sentence);
  });

  test("ids that do not come from the discovery URL of the others", () => {
    const one = registered(newCluster(3), request(1), request(2, { id: "beef" as MemberId }));
    expect(warningsOf(one)).toEqual([
      expect.stringMatching(/^the id of "m2" does not come from .* unless it was .*, that node was started/),
    ]);
    const two = registered(one, request(3, { id: "beef2" as MemberId }));
    expect(warningsOf(two)).toEqual([
      expect.stringMatching(/^the ids of "m2", "m3" do not come .* unless they were .*, those nodes were/),
    ]);
  });

  test("proxies are not looked at", () => {
    const cluster = registered(sealed(3), request(4, { value: "M1=https://8.8.8.8:1" }));
    expect(warningsOf(cluster)).toEqual([]);
  });
});

test("a token without a name in the DNS", () => {
  const cluster = { ...newCluster(3), kind: "custom", token: "discovery/A" as Token } as const;
  expect(warningsOf(cluster)).toEqual([expect.stringContaining("no name in the DNS")]);
});

test("a name that cannot be a host below the cluster's domain", () => {
  const one = registered(
    newCluster(3, { domain: "example.com" }),
    request(1, { value: "infra_1=http://10.0.0.1:2380" }),
  );
  expect(warningsOf(one)).toEqual([
    '"infra_1" cannot be a host name below example.com: its address record is named by its id',
  ]);
  expect(warningsOf(registered(one, request(2, { value: "infra_2=http://10.0.0.2:2380" })))).toEqual([
    '"infra_1", "infra_2" cannot be host names below example.com: their address records are named by their ids',
  ]);
});
