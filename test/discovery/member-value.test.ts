/** `NAME=URL[,NAME=URL…]` as etcd reads it (pkg/types/urls.go, urlsmap.go), with a sentence for what is wrong. */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  MEMBER_URLS_MAX,
  NAME_LENGTH_MAX,
  parseMemberValue,
  VALUE_LENGTH_MAX,
} from "../../src/discovery/member-value.ts";
import { canonicalUrl, parsePeerUrl, type Reach } from "../../src/discovery/peer-url.ts";
import { RefusedError } from "../../src/lib/errors.ts";
import { refusalOf } from "./make.ts";

test("one name, one URL", () => {
  const { name, peerUrls } = parseMemberValue("infra0=http://10.0.1.10:2380");
  expect(name).toBe("infra0");
  expect(peerUrls).toEqual([
    { text: "http://10.0.1.10:2380", scheme: "http", host: "10.0.1.10", port: 2380, reach: "private" },
  ]);
});

test("several URLs keep their order", () => {
  const { peerUrls } = parseMemberValue("m=https://b.example:2380,m=https://a.example:2381");
  expect(peerUrls.map((url) => url.text)).toEqual(["https://b.example:2380", "https://a.example:2381"]);
});

test("the first = ends the name", () => {
  expect(refusalOf(() => parseMemberValue("a=b=http://10.0.0.1:1")).message).toContain(
    '"b=http://10.0.0.1:1"',
  );
});

describe("what no member can use is refused, saying what is wrong", () => {
  test.each([
    ["", "empty"],
    ["m", 'has no "="'],
    ["=http://10.0.0.1:1", "no name"],
    ["m=", "is not a URL"],
    ["m=10.0.0.1:2380", "is not a URL"],
    ["m=http://10.0.0.1:1,", 'has no "="'],
    ["m=http://10.0.0.1:1,n=http://10.0.0.2:1", 'two names, "m" and "n"'],
    ["m=http://a:1,m=HTTP://A:01", "the same peer URL twice"],
    ["m=http://:2380", "has no host"],
    ["m=http://[]:2380", "has no host"],
    ["m=http://10.0.0.1", "has no port"],
    ["m=http://10.0.0.1:", "has no port"],
    ["m=http://10.0.0.1:0", 'port "0"'],
    ["m=http://10.0.0.1:65536", 'port "65536"'],
    ["m=http://10.0.0.1:x", 'port "x"'],
    ["m=http://10.0.0.1:2380/", "path, query or fragment"],
    ["m=http://10.0.0.1:2380?x=1", "path, query or fragment"],
    ["m=http://10.0.0.1:2380#x", "path, query or fragment"],
    ["m=http://user:pass@10.0.0.1:2380", "a user name"],
    ["m=ftp://10.0.0.1:2380", 'the scheme "ftp"'],
    ["m=unix://m.sock:1", 'the scheme "unix"'],
    ["m=http://fe80::1:2380", "IPv6 address needs [brackets]"],
    ["m=http://[10.0.0.1]:2380", "neither a name nor an address"],
    ["m=http://[::1%eth0]:2380", "neither a name nor an address"],
    ["m=http://10.0.0.256:2380", "neither a name nor an address"],
    ["m=http://010.0.0.1:2380", "neither a name nor an address"],
    ["m=http://10.1:2380", "neither a name nor an address"],
    ["m=http://a b:2380", "neither a name nor an address"],
    ["m=http://a..b:2380", "neither a name nor an address"],
    ["m=http://-a:2380", "neither a name nor an address"],
    [`m=http://${"a".repeat(64)}:2380`, "neither a name nor an address"],
    [`m=http://${"a.".repeat(127)}b:2380`, "neither a name nor an address"],
    ["m=http://224.0.0.1:2380", "multicast"],
    ["m=http://255.255.255.255:2380", "broadcast"],
    ["m=http://[ff02::1]:2380", "multicast"],
    ["m\n=http://10.0.0.1:1", "control or invisible"],
    ["m\uFFFD=http://10.0.0.1:1", "not UTF-8"],
    [`${"n".repeat(NAME_LENGTH_MAX + 1)}=http://10.0.0.1:1`, `more than ${NAME_LENGTH_MAX}`],
    [`m=http://${"a".repeat(VALUE_LENGTH_MAX)}:1`, `more than ${VALUE_LENGTH_MAX}`],
    [
      Array.from({ length: MEMBER_URLS_MAX + 1 }, (_url, port) => `m=http://10.0.0.1:${port + 1}`).join(","),
      `more than ${MEMBER_URLS_MAX}`,
    ],
  ])("%j", (value, sentence) => {
    const error = refusalOf(() => parseMemberValue(value));
    expect(error.code).toBe("value_malformed");
    expect(error.message).toContain(sentence);
  });
});

test("as many URLs and as long a name as allowed are read", () => {
  const name = "n".repeat(NAME_LENGTH_MAX);
  const value = Array.from(
    { length: MEMBER_URLS_MAX },
    (_url, port) => `${name}=http://10.0.0.1:${port + 1}`,
  );
  expect(parseMemberValue(value.join(",")).peerUrls).toHaveLength(MEMBER_URLS_MAX);
});

describe("how far an address reaches", () => {
  test.each<[string, Reach]>([
    ["127.0.0.1", "loopback"],
    ["127.8.8.8", "loopback"],
    ["[::1]", "loopback"],
    ["[::ffff:127.0.0.1]", "loopback"],
    ["localhost", "loopback"],
    ["LocalHost.", "loopback"],
    ["a.localhost", "loopback"],
    ["0.0.0.0", "unspecified"],
    ["[::]", "unspecified"],
    ["169.254.1.1", "link-local"],
    ["[fe80::1%25eth0]", "link-local"],
    ["10.0.0.1", "private"],
    ["172.16.0.1", "private"],
    ["192.168.0.1", "private"],
    ["100.64.0.1", "private"],
    ["[fd00::1]", "private"],
    ["8.8.8.8", "public"],
    ["[2a00::1]", "public"],
    ["192.0.2.1", "other"],
    ["infra0.example.com", "name"],
    ["node_1", "name"],
    ["notlocalhost", "name"],
  ])("%s: %s", (host, reach) => {
    expect(parsePeerUrl(`http://${host}:2380`).reach).toBe(reach);
  });
});

describe("two spellings of one listener are equal", () => {
  test.each([
    ["http://A.example:2380", "HTTP://a.EXAMPLE.:2380"],
    ["http://[2A00:0::1]:2380", "http://[2a00::1]:02380"],
    ["http://[::ffff:10.0.0.1]:1", "http://10.0.0.1:1"],
  ])("%s and %s", (a, b) => {
    expect(canonicalUrl(parsePeerUrl(a))).toBe(canonicalUrl(parsePeerUrl(b)));
  });

  test.each([
    ["http://a:1", "https://a:1"],
    ["http://a:1", "http://a:2"],
    ["http://a:1", "http://b:1"],
  ])("%s and %s are not", (a, b) => {
    expect(canonicalUrl(parsePeerUrl(a))).not.toBe(canonicalUrl(parsePeerUrl(b)));
  });
});

test("any text is read or refused with a sentence, and what was read is read again from its pieces", () => {
  const piece = fc.oneof(
    fc.string(),
    fc.webUrl(),
    fc.constantFrom("m", "=", ",", "http://", "https://", "10.0.0.1", "[::1]", ":2380", "a.b", "%25", "/"),
  );
  /** The value again, from what was understood of it; or the code of the refusal. */
  const readBack = (value: string): string => {
    try {
      const { name, peerUrls } = parseMemberValue(value);
      return peerUrls.map((url) => `${name}=${url.text}`).join(",");
    } catch (error) {
      if (error instanceof RefusedError && error.message.length > 20) return error.code;
      throw error;
    }
  };
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const value = pieces.join("");
      expect([value, "value_malformed"]).toContain(readBack(value));
    }),
    { numRuns: 5000 },
  );
});
