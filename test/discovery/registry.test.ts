/** One test for each sentence of docs/protocol.md that is a rule. */
import { describe, expect, test } from "vitest";
import type { Cluster } from "../../src/discovery/cluster.ts";
import { initialCluster, isSealed, type MemberId, type Token } from "../../src/discovery/cluster.ts";
import { memberIdOf } from "../../src/discovery/member-id.ts";
import {
  createCustomCluster,
  EXTRAS_MAX,
  isCluster,
  isExpired,
  loseAnswer,
  REMOVALS_MAX,
  refuseGone,
  registerMember,
  removeMember,
  stateAt,
  tombstoneOf,
} from "../../src/discovery/registry.ts";
import type { RegisterRequest } from "../../src/discovery/requests.ts";
import {
  addressOf,
  BASE_URL,
  HOUR_MS,
  idOf,
  NOW,
  newCluster,
  nextIndexOf,
  refusalOf,
  registered,
  request,
  rules,
  sealed,
  TOKEN,
  urlOf,
} from "./make.ts";

function register(cluster: Cluster, next: RegisterRequest) {
  return registerMember(cluster, next, { now: NOW, nextIndex: nextIndexOf(cluster) });
}

describe("creating", () => {
  test("a token has its size, its first index, and an end", () => {
    expect(newCluster(3)).toEqual({
      token: TOKEN,
      kind: "minted",
      size: 3,
      createdIndex: 2,
      createdAt: NOW,
      expiresAt: NOW + HOUR_MS,
      domain: undefined,
      members: [],
      removed: [],
      sealedIndex: undefined,
    });
  });

  test.each([0, -1, 101, 1.5, Number.NaN, Number.POSITIVE_INFINITY])("size %d is refused", (size) => {
    const error = refusalOf(() => newCluster(size));
    expect(error.code).toBe("size_out_of_range");
    expect(error.message).toContain("from 1 to 100");
  });

  test("sizes 1 and the greatest are taken", () => {
    expect([newCluster(1).size, newCluster(100).size]).toEqual([1, 100]);
  });

  test("a cluster that owns a domain does not expire", () => {
    const cluster = newCluster(3, { domain: "Infra.Example.com." });
    expect(cluster.domain).toBe("infra.example.com");
    expect(cluster.expiresAt).toBeUndefined();
    expect(isExpired(cluster, Number.MAX_SAFE_INTEGER)).toBe(false);
  });

  test.each(["example.org", "badexample.com", "com.example", "x.example.co"])(
    "a domain outside the allowed ones is refused: %s",
    (domain) => {
      const error = refusalOf(() => newCluster(3, { domain }));
      expect(error.code).toBe("domain_not_allowed");
      expect(error.message).toContain("--dns-allow-domain");
    },
  );

  test.each(["", "example", "a..b.example.com", "a b.example.com"])(
    "what is no domain is refused: %j",
    (domain) => {
      expect(refusalOf(() => newCluster(3, { domain })).code).toBe("bad_domain");
    },
  );
});

describe("members declared at creation", () => {
  const declared = [1, 2, 3].map((n) => ({ name: `infra${n}`, peerUrl: urlOf(n) }));

  test("have the ids that etcd will compute, and indexes of their own", () => {
    const { members, createdIndex } = newCluster(3, { declared });
    expect(members.map(({ id }) => id)).toEqual([idOf(1), idOf(2), idOf(3)]);
    expect([createdIndex, ...members.map((member) => member.createdIndex)]).toEqual([2, 3, 4, 5]);
    expect(members.map(({ answered, from }) => [answered, from])).toEqual(declared.map(() => [false, ""]));
  });

  test("the discovery URL is the same with and without a final slash of the base", () => {
    expect(newCluster(3, { declared, baseUrl: `${BASE_URL}/` })).toEqual(newCluster(3, { declared }));
  });

  test("as many as the size seal the token", () => {
    expect(newCluster(3, { declared }).sealedIndex).toBe(5);
    expect(newCluster(4, { declared }).sealedIndex).toBeUndefined();
  });

  test("each may come once, also after the seal, and is answered with its success", () => {
    const cluster = newCluster(3, { declared });
    const first = register(cluster, request(1, { value: `infra1=${urlOf(1)}` }));
    expect(first).toMatchObject({ created: false, rank: 0, role: "member" });
    expect(first.member).toMatchObject({ answered: true, from: addressOf(1), createdIndex: 3 });
    const again = refusalOf(() => register(first.cluster, request(1, { value: `infra1=${urlOf(1)}` })));
    expect(again.code).toBe("member_exists");
  });

  test.each([
    [2, declared, "3 members were declared for a cluster of 2"],
    [3, [{ name: "a", peerUrl: "http://10.0.0.1" }], "has no port"],
    [3, [{ name: "", peerUrl: urlOf(1) }], "no name"],
    [3, [{ name: "a", peerUrl: `${urlOf(1)},a=${urlOf(2)}` }], "more than one peer URL"],
  ])("size %d with %j is refused", (size, members, sentence) => {
    const error = refusalOf(() => newCluster(size, { declared: members }));
    expect(error.code).toBe("bad_declaration");
    expect(error.message).toContain(sentence);
  });

  test("two under one name, or with one URL, are refused", () => {
    const [one, two] = [
      { name: "a", peerUrl: urlOf(1) },
      { name: "b", peerUrl: urlOf(2) },
    ];
    expect(refusalOf(() => newCluster(3, { declared: [one, { ...two, name: "a" }] })).code).toBe(
      "name_taken",
    );
    expect(refusalOf(() => newCluster(3, { declared: [one, { ...two, peerUrl: urlOf(1) }] })).code).toBe(
      "url_taken",
    );
  });

  test("one on loopback beside a reachable one is refused with what its declarer can do", () => {
    const members = [
      { name: "a", peerUrl: "http://localhost:2380" },
      { name: "b", peerUrl: urlOf(1) },
    ];
    const error = refusalOf(() => newCluster(3, { declared: members }));
    expect(error.code).toBe("loopback_url");
    expect(error.message).toContain("; declare it with an address that the others can reach");
  });

  test("below a domain, a name must be a host label", () => {
    const members = [{ name: "infra_0", peerUrl: urlOf(1) }];
    expect(newCluster(3, { declared: members }).members).toHaveLength(1);
    const error = refusalOf(() => newCluster(3, { declared: members, domain: "example.com" }));
    expect(error.code).toBe("bad_declaration");
    expect(error.message).toContain("example.com");
  });
});

describe("a token of the caller's choice", () => {
  const token = "discovery/my-cluster" as Token;
  const make = (size: number, existing?: Cluster): Cluster =>
    createCustomCluster(rules(), token, size, existing, { now: NOW, nextIndex: 7 });

  test("is created with its size", () => {
    expect(make(3)).toMatchObject({
      token,
      kind: "custom",
      size: 3,
      createdIndex: 7,
      expiresAt: NOW + HOUR_MS,
    });
  });

  test("the same size again changes nothing", () => {
    const existing = make(3);
    expect(make(3, existing)).toBe(existing);
  });

  test("another size is refused", () => {
    expect(refusalOf(() => make(5, make(3))).code).toBe("size_fixed");
  });

  test("its size has the same bounds", () => {
    expect(refusalOf(() => make(0)).code).toBe("size_out_of_range");
  });
});

describe("rank, role, seal", () => {
  test("members are ranked by creation order; the one that fills the last place seals the token", () => {
    const two = registered(newCluster(3), request(1), request(2));
    expect(isSealed(two)).toBe(false);
    expect(initialCluster(two)).toBeUndefined();
    const third = register(two, request(3));
    expect(third).toMatchObject({ created: true, rank: 2, role: "member" });
    expect(third.cluster.sealedIndex).toBe(third.member.createdIndex);
    expect(initialCluster(third.cluster)).toBe(
      "m1=http://10.0.0.1:2380,m2=http://10.0.0.2:2380,m3=http://10.0.0.3:2380",
    );
  });

  test("a surplus registration is recorded and is a proxy", () => {
    const extra = register(sealed(3), request(4));
    expect(extra).toMatchObject({ created: true, rank: 3, role: "proxy" });
    expect(extra.cluster.sealedIndex).toBe(sealed(3).sealedIndex);
    expect(initialCluster(extra.cluster)).toBe(initialCluster(sealed(3)));
  });

  test("a surplus registration is not refused for its name, URL or address, only for a malformed value", () => {
    const cluster = sealed(3);
    expect(register(cluster, request(4, { value: `m1=${urlOf(4)}` })).role).toBe("proxy");
    expect(register(cluster, request(4, { value: `m4=${urlOf(1)}` })).role).toBe("proxy");
    expect(register(cluster, request(4, { value: "m4=http://localhost:2380" })).role).toBe("proxy");
    expect(refusalOf(() => register(cluster, request(4, { value: "m4" }))).code).toBe("value_malformed");
  });

  test("the number of surplus registrations is bounded", () => {
    const cluster = sealed(1);
    const extras = Array.from({ length: EXTRAS_MAX }, (_extra, at) => at + 2);
    const full = registered(cluster, ...extras.map((n) => request(n)));
    expect(full.members).toHaveLength(1 + EXTRAS_MAX);
    expect(refusalOf(() => register(full, request(5000))).code).toBe("too_many_members");
  });

  test("a malformed value is refused at every rank and changes nothing", () => {
    const cluster = newCluster(3);
    expect(refusalOf(() => register(cluster, request(1, { value: "http://10.0.0.1:2380" }))).code).toBe(
      "value_malformed",
    );
    expect(cluster).toEqual(newCluster(3));
  });
});

describe("the same id again", () => {
  test("same value before the seal: its success again, with the original index and no event", () => {
    const cluster = registered(newCluster(3), request(1), request(2));
    const again = register(cluster, request(1));
    expect(again).toMatchObject({ created: false, rank: 0, role: "member" });
    expect(again.member.createdIndex).toBe(3);
    expect(again.cluster).toBe(cluster);
  });

  test("same value from another address before the seal: the machine has rebooted, its success again", () => {
    const cluster = registered(newCluster(3), request(1));
    expect(register(cluster, request(1, { from: "10.9.9.9" })).created).toBe(false);
  });

  test("same value after the seal: refused", () => {
    const error = refusalOf(() => register(sealed(3), request(2)));
    expect(error.code).toBe("member_exists");
    expect(error.message).toContain('member "m2"');
    expect(error.message).toContain("registered from 10.0.0.2");
  });

  test("after the seal, once, when the answer is known to be lost", () => {
    const cluster = sealed(3);
    const member = cluster.members[2];
    const lost = loseAnswer(cluster, idOf(3), member?.createdIndex ?? 0);
    expect(lost).toBeDefined();
    const again = register(lost ?? cluster, request(3));
    expect(again).toMatchObject({ created: false, rank: 2, role: "member" });
    expect(again.member.createdIndex).toBe(member?.createdIndex);
    expect(refusalOf(() => register(again.cluster, request(3))).code).toBe("member_exists");
  });

  test("a lost answer of an earlier registration under the same id is not taken for this one's", () => {
    const cluster = sealed(3);
    expect(loseAnswer(cluster, idOf(3), 999)).toBeUndefined();
    expect(loseAnswer(cluster, idOf(9), 3)).toBeUndefined();
  });

  test("a lost answer that is repeated before the seal is no second chance after it", () => {
    const first = registered(newCluster(2), request(1));
    const lost = loseAnswer(first, idOf(1), 3) ?? first;
    const complete = registered(lost, request(1), request(2));
    expect(refusalOf(() => register(complete, request(1))).code).toBe("member_exists");
  });

  test.each([
    ["before", registered(newCluster(3), request(1))],
    ["after", sealed(3)],
  ])("another value %s the seal: refused, naming who holds the id", (_when, cluster) => {
    const error = refusalOf(() => register(cluster, request(1, { value: "other=http://10.0.0.1:2380" })));
    expect(error.code).toBe("member_exists");
    expect(error.message).toContain('member "m1"');
    expect(error.message).toContain('"m1=http://10.0.0.1:2380"');
  });

  test("a proxy is always answered with its success again", () => {
    const cluster = registered(sealed(3), request(4));
    const again = register(cluster, request(4));
    expect(again).toMatchObject({ created: false, rank: 3, role: "proxy" });
    expect(again.cluster).toBe(cluster);
  });
});

describe("what can never work is refused, naming both nodes", () => {
  const one = registered(newCluster(3), request(1));

  test("a name that another member has", () => {
    const error = refusalOf(() => register(one, request(2, { value: `m1=${urlOf(2)}` })));
    expect(error.code).toBe("name_taken");
    expect(error.message).toContain('"m1" (from 10.0.0.2)');
    expect(error.message).toContain("registered from 10.0.0.1");
  });

  test.each(["http://10.0.0.1:2380", "HTTP://10.0.0.1:02380"])("a URL that another member has: %s", (url) => {
    const error = refusalOf(() => register(one, request(2, { value: `m2=${url}` })));
    expect(error.code).toBe("url_taken");
    expect(error.message).toContain('"m2" (from 10.0.0.2)');
    expect(error.message).toContain('member "m1"');
  });

  test.each(["http://localhost:2380", "http://127.0.0.1:2380", "http://0.0.0.0:2380", "http://[::]:2380"])(
    "%s when another member advertises a real address",
    (url) => {
      const error = refusalOf(() => register(one, request(2, { value: `m2=${url}`, from: addressOf(1) })));
      expect(error.code).toBe("loopback_url");
      expect(error.message).toContain("advertises http://10.0.0.1:2380");
    },
  );

  test("a loopback address when another member comes from another machine", () => {
    const named = registered(newCluster(3), request(1, { value: "m1=http://node1.example:2380" }));
    const error = refusalOf(() => register(named, request(2, { value: "m2=http://localhost:2380" })));
    expect(error.code).toBe("loopback_url");
    expect(error.message).toContain("is on another machine");
  });

  test.each([
    ["a real address", `m2=${urlOf(2)}`],
    ["another machine's name", "m2=http://node2.example:2380"],
  ])("%s when an earlier member advertises loopback", (_what, value) => {
    const local = registered(newCluster(3), request(1, { value: "m1=http://localhost:2380" }));
    const error = refusalOf(() => register(local, request(2, { value })));
    expect(error.code).toBe("loopback_url");
    expect(error.message).toContain('member "m1"');
    expect(error.message).toContain("delete that member");
  });

  test("loopback addresses of one machine are a cluster", () => {
    const requests = [1, 2, 3].map((n) =>
      request(n, { value: `m${n}=http://127.0.0.1:238${n}`, from: n === 1 ? "::1" : "127.0.0.1" }),
    );
    expect(isSealed(registered(newCluster(3), ...requests))).toBe(true);
  });

  test("a name proves nothing: on one machine it goes with loopback addresses", () => {
    const from = "127.0.0.1";
    const cluster = registered(
      newCluster(2),
      request(1, { value: "m1=http://node1.example:2380", from }),
      request(2, { value: "m2=http://127.0.0.2:2380", from }),
    );
    expect(isSealed(cluster)).toBe(true);
  });

  test("a defaulted peer URL from a second machine: both would be one member", () => {
    const value = "default=http://localhost:2380";
    const first = registered(newCluster(3), request(1, { value, id: "abc" as MemberId }));
    const error = refusalOf(() => register(first, request(2, { value, id: "abc" as MemberId })));
    expect(error.code).toBe("defaulted_url");
    expect(error.message).toContain('"default" (from 10.0.0.2)');
    expect(error.message).toContain("registered from 10.0.0.1");
    expect(register(first, request(1, { value, id: "abc" as MemberId })).created).toBe(false);
  });

  test("a discovery URL spelled differently, where the id shows it", () => {
    const spelling = `${BASE_URL}/${TOKEN}/`;
    const id = memberIdOf([urlOf(2)], spelling);
    const error = refusalOf(() => register(one, request(2, { id, discoveryUrls: [spelling] })));
    expect(error.code).toBe("discovery_url_mismatch");
    expect(error.message).toContain(`${spelling},`);
    expect(error.message).toContain(`with ${BASE_URL}/${TOKEN};`);
  });

  test("the spelling that others used is tried too, when the request gives no candidates", () => {
    expect(register(one, request(2, { discoveryUrls: [] })).member.discoveryUrl).toBe(`${BASE_URL}/${TOKEN}`);
  });

  test("an id that shows no spelling is taken", () => {
    expect(register(one, request(2, { id: "beef" as MemberId })).member.discoveryUrl).toBeUndefined();
  });
});

describe("leaving", () => {
  test("a member can be deleted until the seal, and its place is free again", () => {
    const cluster = registered(newCluster(3), request(1), request(2));
    const { cluster: after, member } = removeMember(cluster, idOf(1), { now: NOW, nextIndex: 5 });
    expect(member.name).toBe("m1");
    expect(after.members.map(({ name }) => name)).toEqual(["m2"]);
    expect(after.removed).toEqual([{ id: idOf(1), createdIndex: 3, removedIndex: 5 }]);
    const again = register(after, request(1));
    expect(again).toMatchObject({ created: true, rank: 1 });
    expect(again.member.createdIndex).toBe(6);
  });

  test("not after the seal, proxies neither", () => {
    const cluster = registered(sealed(3), request(4));
    for (const n of [1, 4])
      expect(refusalOf(() => removeMember(cluster, idOf(n), { now: NOW, nextIndex: 99 })).code).toBe(
        "sealed",
      );
  });

  test("an unknown member cannot", () => {
    expect(refusalOf(() => removeMember(newCluster(3), idOf(1), { now: NOW, nextIndex: 3 })).code).toBe(
      "member_unknown",
    );
  });

  test("the number of deletions that a token remembers is bounded", () => {
    const removed = Array.from({ length: REMOVALS_MAX }, (_removal, at) => ({
      id: idOf(1),
      createdIndex: 3 + 2 * at,
      removedIndex: 4 + 2 * at,
    }));
    const cluster = registered({ ...newCluster(3), removed }, request(1));
    expect(refusalOf(() => removeMember(cluster, idOf(1), { now: NOW, nextIndex: 9999 })).code).toBe(
      "too_many_removals",
    );
  });
});

describe("the end of a token", () => {
  const cluster = newCluster(3);
  const end = NOW + HOUR_MS;

  test("it expires in the very millisecond", () => {
    expect(stateAt(rules(), cluster, end - 1)).toBe(cluster);
    expect(stateAt(rules(), cluster, end)).toEqual({
      token: TOKEN,
      reason: "expired",
      at: end,
      forgetAt: end + HOUR_MS,
    });
  });

  test("that it expired is remembered for as long again, collected or not", () => {
    expect(isCluster(stateAt(rules(), cluster, end + HOUR_MS - 1))).toBe(false);
    expect(stateAt(rules(), cluster, end + HOUR_MS - 1)).toBeDefined();
    expect(stateAt(rules(), cluster, end + HOUR_MS)).toBeUndefined();
    expect(stateAt(rules(), tombstoneOf(rules(), cluster, end), end + HOUR_MS)).toBeUndefined();
  });

  test("one deleted before its time is remembered as that", () => {
    expect(tombstoneOf(rules(), cluster, NOW + 5)).toMatchObject({ reason: "deleted", at: NOW + 5 });
  });

  test("a late member is told what happened, and when", () => {
    const expired = refusalOf(() => refuseGone(tombstoneOf(rules(), cluster, end)));
    expect(expired.code).toBe("token_expired");
    expect(expired.message).toContain("2030-01-01T01:00:00.000Z");
    expect(refusalOf(() => refuseGone(tombstoneOf(rules(), cluster, NOW))).code).toBe("token_retired");
    expect(refusalOf(() => refuseGone(undefined)).code).toBe("token_unknown");
  });
});
