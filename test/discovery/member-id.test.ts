import { expect, test } from "vitest";
import { memberIdOf } from "../../src/discovery/member-id.ts";

test("the ids that real etcd 3.4.23 and 3.5.16 sent are computed", () => {
  const discoveryUrl = "http://127.0.0.1:31000/v2/keys/discovery/tok1";
  expect(memberIdOf(["http://127.0.0.1:31111"], discoveryUrl)).toBe("8221479552246d7b");
  expect(memberIdOf(["http://127.0.0.1:31112"], discoveryUrl)).toBe("507b662c76f3659f");
});

test("the order of the URLs does not matter, the spelling of the discovery URL does", () => {
  const urls = ["http://a:1", "http://b:1"];
  expect(memberIdOf(urls, "http://h/t")).toBe(memberIdOf(urls.toReversed(), "http://h/t"));
  expect(memberIdOf(urls, "http://h/t")).not.toBe(memberIdOf(urls, "http://h/t/"));
});

test("an id has no leading zeros, as etcd writes it", () => {
  const ids = Array.from({ length: 200 }, (_id, port) => memberIdOf([`http://a:${port + 1}`], "http://h/t"));
  expect(ids.some((id) => id.length < 16)).toBe(true);
  expect(ids.filter((id) => !/^[1-9a-f][0-9a-f]{0,15}$/.test(id))).toEqual([]);
});
