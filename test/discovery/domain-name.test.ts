import { describe, expect, test } from "vitest";
import type { Token } from "../../src/discovery/cluster.ts";
import { isWithin, labelOfToken, normalDomain, tokenOfLabel } from "../../src/discovery/domain-name.ts";

const minted = "0123456789abcdef0123456789abcdef";

describe("a token and its label in the DNS", () => {
  test.each([
    [minted, minted],
    [`${minted}01234567`, `${minted}01234567`],
    ["discovery/my-cluster", "my-cluster"],
  ])("%s: %s", (token, label) => {
    expect(labelOfToken(token as Token)).toBe(label);
    expect(tokenOfLabel(label.toUpperCase())).toBe(token);
  });

  test.each([
    ["discovery/My-Cluster", "the DNS cannot tell it from my-cluster"],
    [`discovery/${minted}`, "it would answer for the minted token"],
    ["discovery/a/b", "two folders"],
    ["discovery/a.b", "two labels"],
    ["discovery/-a", "not a host label"],
    [`discovery/${"a".repeat(64)}`, "too long"],
    ["_etcd/registry/a", "another folder"],
    ["discovery/", "no name"],
  ])("%s has none: %s", (token) => {
    expect(labelOfToken(token as Token)).toBeUndefined();
  });

  test("a label that cannot be a host's stands for nothing", () => {
    expect(tokenOfLabel("a_b")).toBeUndefined();
    expect(tokenOfLabel("")).toBeUndefined();
  });
});

describe("a domain", () => {
  test.each([
    ["Example.COM.", "example.com"],
    ["a-1.b.example", "a-1.b.example"],
    ["example", undefined],
    ["", undefined],
    ["a..b", undefined],
    ["-a.example", undefined],
    ["a_b.example", undefined],
    ["10.0.0.1", undefined],
    [`${"a".repeat(64)}.example`, undefined],
    [`${"a.".repeat(126)}ab`, undefined],
    ["*.example.com", undefined],
  ])("%j: %s", (text, domain) => {
    expect(normalDomain(text)).toBe(domain);
  });

  test("is within itself and what it ends in, by labels", () => {
    expect(isWithin("example.com", "example.com")).toBe(true);
    expect(isWithin("a.example.com", "example.com")).toBe(true);
    expect(isWithin("badexample.com", "example.com")).toBe(false);
    expect(isWithin("com", "example.com")).toBe(false);
  });
});
