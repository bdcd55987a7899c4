import { describe, expect, test } from "vitest";
import { initialCluster, memberValue, readMemberValue } from "../../src/bootstrap/initial-cluster.ts";

test("a member's value has its URLs sorted, whatever order they were given in", () => {
  expect(memberValue("m", ["http://b:1", "http://a:1"])).toBe("m=http://a:1,m=http://b:1");
});

test("a cluster is the values in order, and its members by name", () => {
  const cluster = initialCluster(["b=http://b:1,b=http://c:1", "a=https://[::1]:2380"], "http://d/t");
  expect(cluster.text).toBe("b=http://b:1,b=http://c:1,a=https://[::1]:2380");
  expect(cluster.token).toBe("http://d/t");
  expect([...cluster.members]).toEqual([
    ["b", ["http://b:1", "http://c:1"]],
    ["a", ["https://[::1]:2380"]],
  ]);
});

test("a value is split at its first =, and blanks around a URL are cut, as in etcd", () => {
  expect(readMemberValue("a= unix://x=y ")).toEqual([{ name: "a", url: "unix://x=y" }]);
});

describe("what would stop every etcd that reads it is refused in etcd's words", () => {
  test.each([
    [
      "duplicate_name",
      ["m=http://a:1", "m=http://b:1"],
      /found duplicate name: "m" is the name of http:\/\/a:1 and/,
    ],
    [
      "duplicate_url",
      ["m=http://a:1", "n=http://a:1"],
      /duplicate url: http:\/\/a:1 is advertised by "m" and by "n"/,
    ],
    ["value_malformed", ["m=http://a:1", ""], /invalid URL: ""/],
    ["value_malformed", ["http://a:1"], /invalid URL/],
    ["value_malformed", ["m=http://a"], /invalid URL: "m=http:\/\/a"/],
    ["value_malformed", ["m=http://a:1/path"], /invalid URL/],
    ["value_malformed", ["m=ftp://a:1"], /invalid URL/],
    ["value_malformed", ["m=http://u@a:1"], /invalid URL/],
  ])("%s: %j", (code, values, message) => {
    expect(() => initialCluster(values, "t")).toThrow(expect.objectContaining({ code }));
    expect(() => initialCluster(values, "t")).toThrow(message);
  });
});
