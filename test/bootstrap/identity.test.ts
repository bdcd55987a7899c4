/** Ids against values that real etcd members computed, and against a second SHA-1. */
import { createHash } from "node:crypto";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { clusterId, formatId, memberId } from "../../src/bootstrap/identity.ts";

const token = "http://127.0.0.1:31000/v2/keys/discovery/tok1";

describe("ids that two etcd members had under one discovery URL", () => {
  test("member ids", () => {
    expect(formatId(memberId(["http://127.0.0.1:31111"], token))).toBe("8221479552246d7b");
    expect(formatId(memberId(["http://127.0.0.1:31112"], token))).toBe("507b662c76f3659f");
  });

  test("cluster id, in whatever order its members are named", () => {
    const ids = [0x8221479552246d7bn, 0x507b662c76f3659fn];
    expect(formatId(clusterId(ids))).toBe("12fc8c18038f5ca4");
    expect(formatId(clusterId(ids.toReversed()))).toBe("12fc8c18038f5ca4");
  });
});

test("the order in which a member's URLs are given does not matter, the token's spelling does", () => {
  const urls = ["http://b:2380", "http://a:2380"];
  expect(memberId(urls, token)).toBe(memberId(urls.toReversed(), token));
  expect(memberId(urls, token)).not.toBe(memberId(urls, `${token}/`));
});

test("the time of a member added at run time is part of its id", () => {
  expect(memberId(["http://a:1"], "", 1700000000)).toBe(memberId(["http://a:1"], "1700000000"));
  expect(memberId(["http://a:1"], "", 1700000000)).not.toBe(memberId(["http://a:1"], "", 1700000001));
});

test("any text is hashed as node:crypto hashes it", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), (text) => {
      const expected = createHash("sha1").update(text).digest().readBigUInt64BE();
      expect(memberId([text], "")).toBe(expected);
    }),
  );
});

test("ids have no leading zeros in text", () => {
  expect(formatId(0xabn)).toBe("ab");
});
