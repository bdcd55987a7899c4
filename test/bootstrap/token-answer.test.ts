/** Answers of etcd 3.4.23, of today's public discovery server, and of things that are neither. */
import { describe, expect, test } from "vitest";
import { excerpt, readAnswer } from "../../src/bootstrap/token-answer.ts";

const read = (status: number, body: string, index: string | null = null) =>
  readAnswer(status, index, body, 7);

describe("a key", () => {
  test("the size", () => {
    const body =
      '{"action":"get","node":{"key":"/discovery/t/_config/size","value":"3","modifiedIndex":4,"createdIndex":4}}';
    expect(read(200, body, "9")).toEqual({
      type: "node",
      action: "get",
      node: { id: "size", value: "3", createdIndex: 4, modifiedIndex: 4 },
      children: [],
      index: 9,
    });
  });

  test("a directory, without its hidden keys and whatever is no key", () => {
    const body = JSON.stringify({
      action: "get",
      node: {
        key: "/t/",
        dir: true,
        nodes: [
          { key: "/t/_config", dir: true },
          { key: "/t/ab", value: "m=http://a:1", createdIndex: 5, modifiedIndex: 6 },
          null,
          { value: "keyless" },
        ],
      },
    });
    expect(read(200, body)).toMatchObject({
      type: "node",
      node: { id: "t", value: "" },
      children: [{ id: "ab", value: "m=http://a:1", createdIndex: 5, modifiedIndex: 6 }],
      index: undefined,
    });
  });
});

test("a poll that ended without an event", () => {
  expect(read(200, "")).toEqual({ type: "quiet", afterMs: 7 });
});

test("an error of etcd's", () => {
  const body = '{"errorCode":105,"message":"Key already exists","cause":"/t/ab","index":12}';
  expect(read(412, body)).toEqual({
    type: "refused",
    errorCode: 105,
    sentence: "105: Key already exists (/t/ab) [12]",
    cause: "/t/ab",
  });
});

test.each([408, 429, 500, 502, 503, 504])("%i is worth another try", (status) => {
  expect(read(status, "<html>busy\n now</html>")).toEqual({
    type: "unavailable",
    reason: `it answered ${status}: <html>busy now</html>`,
  });
});

test.each([
  [200, "<html>", null],
  [200, "{}", null],
  [200, "null", null],
  [200, "[]", null],
  [200, '{"node":3}', null],
  [200, '{"node":{"key":"/t"}}', "zz"],
  [400, "unable to GET token", null],
  [404, "404 page not found", null],
  [404, '{"message":"x"}', null],
  [204, "", null],
])("%i %j with index %j is no discovery service's", (status, body, index) => {
  expect(read(status, body, index).type).toBe("foreign");
});

test("a long body is shown by its beginning", () => {
  expect(excerpt("x".repeat(500))).toBe(`: ${"x".repeat(120)}…`);
  expect(excerpt(" \n ")).toBe("");
});
