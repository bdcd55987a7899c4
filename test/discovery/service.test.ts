/** The service over a real store: what is durable when, who is told first, what a failed disk takes back. */
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { describe, expect, onTestFinished, test } from "vitest";
import type { Cluster, MemberId, Token } from "../../src/discovery/cluster.ts";
import type { ClusterChange, Discovery, WaitOutcome, WaitRequest } from "../../src/discovery/discovery.ts";
import { createDiscovery, type DiscoveryOptions } from "../../src/discovery/service.ts";
import { openSqliteStore } from "../../src/discovery/stores/sqlite.ts";
import { EnvironmentError } from "../../src/lib/errors.ts";
import { createLogger } from "../../src/lib/logger.ts";
import { HeldStore } from "./held-store.ts";
import { addressOf, BASE_URL, HOUR_MS, idOf, listOf, NOW, rejectionOf, request, urlOf } from "./make.ts";
import { temporaryFolder } from "./stores/temporary-folder.ts";

interface Setup {
  readonly discovery: Discovery;
  readonly store: HeldStore;
  readonly path: string;
  readonly clock: { now: number };
}

async function setUp(
  options: Partial<DiscoveryOptions> = {},
  path = join(temporaryFolder(), "r.db"),
): Promise<Setup> {
  const store = new HeldStore(await openSqliteStore(path));
  const clock = { now: NOW };
  const discovery = await createDiscovery({
    store,
    now: () => clock.now,
    tokenTtlMs: HOUR_MS,
    gcIntervalMs: 0,
    allowedDomains: ["example.com"],
    ...options,
  });
  onTestFinished(async () => {
    store.holding = false;
    store.release();
    await discovery.close();
  });
  return { discovery, store, path, clock };
}

function create(discovery: Discovery, size = 3): Promise<Cluster> {
  return discovery.create({ size, baseUrl: BASE_URL });
}

function joinAs(discovery: Discovery, token: Token, n: number) {
  return discovery.register(request(n, { token, discoveryUrls: [] }));
}

function wait(discovery: Discovery, token: Token, changes: Partial<WaitRequest> = {}): Promise<WaitOutcome> {
  return discovery.wait({
    token,
    id: undefined,
    waitIndex: 0,
    timeoutMs: 60_000,
    signal: new AbortController().signal,
    ...changes,
  });
}

/** Whether a promise has settled by the end of this turn. */
async function settledNow(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const note = (): void => {
    settled = true;
  };
  promise.then(note, note);
  await nextTurn();
  return settled;
}

const diskFull = new EnvironmentError("disk_full", "the disk is full");

describe("one turn, one batch", () => {
  test("everything that arrives in one turn is one batch, with indexes in order", async () => {
    const { discovery, store } = await setUp();
    const clusters = await Promise.all(Array.from({ length: 50 }, () => create(discovery)));
    expect(store.batches).toHaveLength(1);
    expect(clusters.map(({ createdIndex }) => createdIndex)).toEqual(
      Array.from({ length: 50 }, (_c, at) => at + 2),
    );
    expect(new Set(clusters.map(({ token }) => token)).size).toBe(50);
    expect(discovery.index).toBe(51);
  });

  test("tokens are 32 lower-case hex digits", async () => {
    const { discovery } = await setUp();
    expect((await create(discovery)).token).toMatch(/^[0-9a-f]{32}$/);
  });

  test("what arrives during a commit gathers for the next; commits never overlap", async () => {
    const { discovery, store } = await setUp();
    store.holding = true;
    const first = create(discovery);
    await store.arrived(1);
    const later = [create(discovery), create(discovery)];
    expect(await settledNow(Promise.race(later))).toBe(false);
    expect(store.batches).toHaveLength(1);
    store.release();
    await first;
    await store.arrived(2);
    store.release();
    await Promise.all(later);
    expect(store.batches.map(({ changes, index }) => [changes.length, index])).toEqual([
      [1, 2],
      [2, 4],
    ]);
    expect(store.mostOpen).toBe(1);
  });

  test("a refusal changes nothing and commits nothing", async () => {
    const { discovery, store } = await setUp();
    expect((await rejectionOf(create(discovery, 0))).code).toBe("size_out_of_range");
    expect((await rejectionOf(joinAs(discovery, "a".repeat(32) as Token, 1))).code).toBe("token_unknown");
    expect(discovery.index).toBe(1);
    expect(store.batches).toHaveLength(0);
  });
});

describe("acknowledged means durable", () => {
  test("nobody is answered, and nothing is seen, before the commit", async () => {
    const { discovery, store } = await setUp();
    const { token } = await create(discovery);
    store.holding = true;
    const registration = joinAs(discovery, token, 1);
    await store.arrived(2);
    const before = await discovery.find(token);
    expect(before).toMatchObject({ type: "live", index: 2, cluster: { members: [] } });
    expect(discovery.index).toBe(2);
    expect(await settledNow(registration)).toBe(false);
    store.release();
    expect(await registration).toMatchObject({ created: true, rank: 0, role: "member", index: 3 });
    expect(await discovery.find(token)).toMatchObject({ index: 3, cluster: { members: [{ id: idOf(1) }] } });
  });

  test("a repeated success waits for the commit of the first", async () => {
    const { discovery, store } = await setUp();
    const { token } = await create(discovery);
    store.holding = true;
    const first = joinAs(discovery, token, 1);
    const again = joinAs(discovery, token, 1);
    await store.arrived(2);
    expect(await settledNow(again)).toBe(false);
    store.release();
    expect(await again).toMatchObject({ created: false, rank: 0 });
    expect((await again).member).toEqual((await first).member);
  });

  test("so does a refusal that rests on what is not durable yet", async () => {
    const { discovery, store } = await setUp();
    const { token } = await create(discovery);
    store.holding = true;
    const first = joinAs(discovery, token, 1);
    const clash = discovery.register(request(2, { token, value: `m1=${urlOf(2)}`, discoveryUrls: [] }));
    const refused = rejectionOf(clash);
    await store.arrived(2);
    expect(await settledNow(refused)).toBe(false);
    store.release();
    expect((await refused).code).toBe("name_taken");
    await first;
  });

  test("decisions are made on the newest state: ranks are never given twice in one batch", async () => {
    const { discovery } = await setUp();
    const { token } = await create(discovery);
    const all = await Promise.all([1, 2, 3, 4, 5].map((n) => joinAs(discovery, token, n)));
    expect(all.map(({ rank, role }) => `${rank} ${role}`)).toEqual([
      "0 member",
      "1 member",
      "2 member",
      "3 proxy",
      "4 proxy",
    ]);
  });

  test("also on a token that must be read from the store first, which is read once", async () => {
    const { discovery, path, store } = await setUp();
    const { token } = await create(discovery);
    await discovery.close();
    const again = await setUp({}, path);
    const all = await Promise.all([1, 2, 3, 4].map((n) => joinAs(again.discovery, token, n)));
    expect(all.map(({ rank }) => rank)).toEqual([0, 1, 2, 3]);
    expect(again.store.loads).toEqual([token]);
    expect(store.loads).toEqual([]);
  });

  test("listeners are told after the commit and before anyone is answered, and see it themselves", async () => {
    const { discovery } = await setUp();
    const { token } = await create(discovery);
    const order: string[] = [];
    discovery.onChange((change) => {
      order.push(
        `listener ${change.before?.members.length} ${change.after?.members.length} ${discovery.index}`,
      );
      void discovery
        .find(token)
        .then((found) =>
          order.push(`found ${found.type === "live" ? found.cluster.members.length : found.type}`),
        );
    });
    const waiting = wait(discovery, token).then(() => order.push("waiter"));
    await Promise.all([joinAs(discovery, token, 1).then(() => order.push("caller")), waiting]);
    expect(order[0]).toBe("listener 0 1 3");
    expect(order.toSorted()).toEqual(["caller", "found 1", "listener 0 1 3", "waiter"]);
  });

  test("a listener that has ended its subscription hears nothing more", async () => {
    const { discovery } = await setUp();
    const heard: ClusterChange[] = [];
    const end = discovery.onChange((change) => heard.push(change));
    const cluster = await create(discovery);
    end();
    await joinAs(discovery, cluster.token, 1);
    expect(heard).toEqual([{ before: undefined, after: cluster }]);
  });
});

describe("a disk that fails", () => {
  test("rejects everyone in the batch, keeps nothing, and the service goes on when it is well", async () => {
    const { discovery, store } = await setUp();
    const { token } = await create(discovery);
    store.failure = diskFull;
    const outcomes = await Promise.allSettled([
      create(discovery),
      joinAs(discovery, token, 1),
      joinAs(discovery, token, 1),
      discovery.createCustom("discovery/a" as Token, 3),
    ]);
    for (const outcome of outcomes) expect(outcome).toEqual({ status: "rejected", reason: diskFull });
    expect(discovery.index).toBe(2);
    expect(await discovery.find(token)).toMatchObject({ type: "live", index: 2, cluster: { members: [] } });
    expect(await discovery.find("discovery/a" as Token)).toEqual({ type: "unknown", index: 2 });

    store.failure = undefined;
    const registration = await joinAs(discovery, token, 1);
    expect(registration).toMatchObject({ created: true, rank: 0 });
    expect(await discovery.createCustom("discovery/a" as Token, 5)).toMatchObject({ created: true });
  });

  test("says so once a second in the log, which may be on that disk too", async () => {
    const lines: string[] = [];
    const { discovery, store } = await setUp({ logger: createLogger("info", (line) => lines.push(line)) });
    store.failure = diskFull;
    for (let n = 0; n < 20; n++) await Promise.allSettled([create(discovery)]);
    const failures = lines.filter((line) => line.includes("a batch of changes could not be stored"));
    // At most one a second: a slow machine may need two for twenty.
    expect(failures.length).toBeLessThan(10);
    expect(failures[0]).toContain("the disk is full");
  });

  test("no index is given twice, though nobody saw the lost ones", async () => {
    const { discovery, store } = await setUp();
    store.failure = diskFull;
    await Promise.allSettled([create(discovery), create(discovery)]);
    store.failure = undefined;
    expect((await create(discovery)).createdIndex).toBe(4);
    expect(discovery.index).toBe(4);
  });

  test("what was decided on top of a lost batch is lost with it", async () => {
    const { discovery, store } = await setUp();
    const { token } = await create(discovery, 1);
    store.holding = true;
    const first = joinAs(discovery, token, 1);
    await store.arrived(2);
    const extra = joinAs(discovery, token, 2);
    await nextTurn();
    store.failure = diskFull;
    const outcomes = Promise.allSettled([first, extra]);
    store.release();
    expect((await outcomes).map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    store.holding = false;
    store.failure = undefined;
    // Nobody is in the cluster: the second one is its member now, not a proxy of a member that never was.
    expect(await joinAs(discovery, token, 2)).toMatchObject({ created: true, rank: 0, role: "member" });
  });

  test("waiters hear nothing of what was lost", async () => {
    const { discovery, store } = await setUp();
    const { token } = await create(discovery);
    const waiting = wait(discovery, token);
    store.failure = diskFull;
    await Promise.allSettled([joinAs(discovery, token, 1)]);
    expect(await settledNow(waiting)).toBe(false);
    store.failure = undefined;
    await joinAs(discovery, token, 2);
    expect(await waiting).toMatchObject({ type: "event", member: { id: idOf(2) } });
  });

  test("a domain of a failed creation is free again", async () => {
    const { discovery, store } = await setUp();
    store.failure = diskFull;
    const wanted = { size: 3, baseUrl: BASE_URL, domain: "example.com" };
    await Promise.allSettled([discovery.create(wanted)]);
    store.failure = undefined;
    expect((await discovery.create(wanted)).domain).toBe("example.com");
  });
});

describe("long polls", () => {
  test("history answers at once, from the index asked for", async () => {
    const { discovery } = await setUp();
    const { token } = await create(discovery);
    for (const n of [1, 2, 3]) await joinAs(discovery, token, n);
    for (const [waitIndex, id] of [
      [3, idOf(1)],
      [4, idOf(2)],
      [5, idOf(3)],
    ] as const) {
      expect(await wait(discovery, token, { waitIndex })).toMatchObject({ type: "event", member: { id } });
    }
    expect(await wait(discovery, token, { waitIndex: 4, id: idOf(2) })).toMatchObject({
      member: { createdIndex: 4 },
    });
  });

  test("history answers after a restart too", async () => {
    const { discovery, path } = await setUp();
    const { token } = await create(discovery);
    await joinAs(discovery, token, 1);
    await discovery.close();
    const again = await setUp({}, path);
    expect(again.discovery.index).toBe(3);
    expect(await wait(again.discovery, token, { waitIndex: 3 })).toMatchObject({ member: { id: idOf(1) } });
  });

  test("between a read and a wait from its index no registration is lost", async () => {
    const { discovery } = await setUp();
    const { token } = await create(discovery);
    const { index } = await discovery.find(token);
    await create(discovery);
    await joinAs(discovery, token, 1);
    expect(await wait(discovery, token, { waitIndex: index + 1 })).toMatchObject({ type: "event", index: 4 });
  });

  test("an event wakes all polls of its token that want it, and no others", async () => {
    const { discovery } = await setUp();
    const [a, b] = await Promise.all([create(discovery), create(discovery)]);
    const polls = [wait(discovery, a.token), wait(discovery, a.token, { waitIndex: 4 })];
    const others = [
      wait(discovery, b.token),
      wait(discovery, a.token, { id: idOf(2) }),
      wait(discovery, a.token, { waitIndex: 5 }),
    ];
    await nextTurn();
    expect(discovery.waiting).toBe(5);
    await joinAs(discovery, a.token, 1);
    for (const outcome of await Promise.all(polls))
      expect(outcome).toMatchObject({ type: "event", index: 4 });
    expect(await settledNow(Promise.race(others))).toBe(false);
    expect(discovery.waiting).toBe(3);
  });

  test("the last events of one batch are not lost to who asks for the first only", async () => {
    const { discovery } = await setUp();
    const { token } = await create(discovery);
    const first = wait(discovery, token);
    await nextTurn();
    await Promise.all([1, 2, 3].map((n) => joinAs(discovery, token, n)));
    expect(await first).toMatchObject({ member: { createdIndex: 3 } });
    expect(await wait(discovery, token, { waitIndex: 4 })).toMatchObject({ member: { createdIndex: 4 } });
    expect(await wait(discovery, token, { waitIndex: 5 })).toMatchObject({ member: { createdIndex: 5 } });
  });

  test("repeated successes and lost answers are no events", async () => {
    const { discovery, store } = await setUp();
    const { token } = await create(discovery);
    const { member } = await joinAs(discovery, token, 1);
    const waiting = wait(discovery, token);
    await nextTurn();
    await joinAs(discovery, token, 1);
    discovery.answerLost(token, idOf(1), member.createdIndex);
    await store.arrived(3);
    expect(await settledNow(waiting)).toBe(false);
    expect(discovery.index).toBe(3);
  });

  test("a poll that may have counted a deleted member is cut off, open or new", async () => {
    const { discovery } = await setUp();
    const { token } = await create(discovery);
    await joinAs(discovery, token, 1);
    const open = wait(discovery, token, { waitIndex: 4 });
    await nextTurn();
    expect(await discovery.remove(token, idOf(1))).toMatchObject({ index: 4, member: { id: idOf(1) } });
    expect(await open).toEqual({ type: "stale" });
    expect(await wait(discovery, token, { waitIndex: 4 })).toEqual({ type: "stale" });
    expect(await settledNow(wait(discovery, token, { waitIndex: 5 }))).toBe(false);
  });

  test("a quiet one ends with its time, and leaves nothing behind", async () => {
    const { discovery } = await setUp();
    const { token } = await create(discovery);
    expect(await wait(discovery, token, { timeoutMs: 5 })).toEqual({ type: "quiet", index: 2 });
    expect(discovery.waiting).toBe(0);
  });

  test("an unknown token is gone", async () => {
    const { discovery } = await setUp();
    expect(await wait(discovery, "f".repeat(32) as Token)).toEqual({
      type: "gone",
      tombstone: undefined,
      index: 1,
    });
  });

  test("a retired token ends them with its tombstone", async () => {
    const { discovery } = await setUp();
    const { token } = await create(discovery);
    const waiting = wait(discovery, token);
    await nextTurn();
    expect(await discovery.retire(token)).toMatchObject({ index: 3, cluster: { token } });
    expect(await waiting).toMatchObject({
      type: "gone",
      tombstone: { reason: "deleted", at: NOW },
      index: 3,
    });
    expect(await discovery.find(token)).toMatchObject({ type: "gone", tombstone: { reason: "deleted" } });
    expect((await rejectionOf(joinAs(discovery, token, 1))).code).toBe("token_retired");
  });

  test("an expiring token ends them in time, without waiting for a collection", async () => {
    const { discovery, clock } = await setUp();
    const { token } = await create(discovery);
    clock.now = NOW + HOUR_MS - 3;
    const waiting = wait(discovery, token);
    await nextTurn();
    clock.now = NOW + HOUR_MS;
    expect(await waiting).toMatchObject({
      type: "gone",
      tombstone: { reason: "expired", at: NOW + HOUR_MS },
    });
  });

  test("the client that has gone is forgotten at once, its listener too", async () => {
    const { discovery } = await setUp();
    const { token } = await create(discovery);
    const client = new AbortController();
    const waiting = wait(discovery, token, { signal: client.signal });
    await nextTurn();
    expect(discovery.waiting).toBe(1);
    client.abort();
    expect(discovery.waiting).toBe(0);
    expect(await waiting).toMatchObject({ type: "quiet" });
    expect(await wait(discovery, token, { signal: client.signal })).toMatchObject({ type: "quiet" });
  });

  test("beyond the bound the oldest is ended quietly", async () => {
    const { discovery } = await setUp({ maxWaits: 2 });
    const { token } = await create(discovery);
    const polls = [wait(discovery, token), wait(discovery, token), wait(discovery, token)];
    expect(await polls[0]).toMatchObject({ type: "quiet" });
    expect(discovery.waiting).toBe(2);
    await joinAs(discovery, token, 1);
    expect(await polls[1]).toMatchObject({ type: "event" });
    expect(await polls[2]).toMatchObject({ type: "event" });
  });

  test("beyond 2000 on one token its oldest is ended quietly, and no other token's", async () => {
    const { discovery } = await setUp();
    const [other, { token }] = [await create(discovery), await create(discovery)];
    const elsewhere = wait(discovery, other.token);
    const polls = Array.from({ length: 2002 }, () => wait(discovery, token));
    expect(await polls[0]).toMatchObject({ type: "quiet" });
    expect(await polls[1]).toMatchObject({ type: "quiet" });
    expect(discovery.waiting).toBe(2001);
    await joinAs(discovery, token, 1);
    const rest = await Promise.all(polls.slice(2));
    expect(rest.filter(({ type }) => type === "event")).toHaveLength(2000);
    expect(discovery.waiting).toBe(1);
    await joinAs(discovery, other.token, 1);
    expect(await elsewhere).toMatchObject({ type: "event" });
  });
});

describe("the end of a token", () => {
  test("it answers as gone from the very millisecond, before any collection", async () => {
    const { discovery, clock, store } = await setUp();
    const { token } = await create(discovery);
    clock.now = NOW + HOUR_MS - 1;
    expect(await discovery.find(token)).toMatchObject({ type: "live" });
    expect(await discovery.findByLabel(token)).toBeDefined();
    clock.now = NOW + HOUR_MS;
    expect(await discovery.find(token)).toMatchObject({ type: "gone", tombstone: { reason: "expired" } });
    expect(await discovery.findByLabel(token)).toBeUndefined();
    expect((await rejectionOf(joinAs(discovery, token, 1))).code).toBe("token_expired");
    expect((await rejectionOf(discovery.remove(token, idOf(1)))).code).toBe("token_expired");
    expect((await rejectionOf(discovery.retire(token))).code).toBe("token_expired");
    expect(await listOf(discovery.all())).toEqual([]);
    clock.now = NOW + 2 * HOUR_MS;
    expect(await discovery.find(token)).toEqual({ type: "unknown", index: 2 });
    expect(store.batches).toHaveLength(1);
  });

  test("a custom token that has expired can be created again, collected or not", async () => {
    const { discovery, clock } = await setUp();
    const token = "discovery/a" as Token;
    const first = await discovery.createCustom(token, 3);
    await joinAs(discovery, token, 1);
    clock.now = NOW + HOUR_MS;
    const changes: ClusterChange[] = [];
    discovery.onChange((change) => changes.push(change));
    const second = await discovery.createCustom(token, 5);
    expect(second).toMatchObject({ created: true, cluster: { size: 5, members: [], createdIndex: 4 } });
    expect(changes).toMatchObject([
      { before: { size: 3, members: [{ id: idOf(1) }] }, after: undefined },
      { before: undefined, after: { size: 5 } },
    ]);
    expect(first.created).toBe(true);
    expect(await discovery.find(token)).toMatchObject({ type: "live", cluster: { size: 5 } });
  });
});

describe("lost answers", () => {
  test("the exception after the seal is durable, and good for one more time", async () => {
    const { discovery, store, path } = await setUp();
    const { token } = await create(discovery, 1);
    const { member } = await joinAs(discovery, token, 1);
    expect((await rejectionOf(joinAs(discovery, token, 1))).code).toBe("member_exists");
    discovery.answerLost(token, idOf(1), member.createdIndex);
    await store.arrived(3);
    await discovery.close();
    const again = await setUp({}, path);
    expect(await joinAs(again.discovery, token, 1)).toMatchObject({ created: false, rank: 0 });
    expect((await rejectionOf(joinAs(again.discovery, token, 1))).code).toBe("member_exists");
  });

  test("one that cannot be noted harms nobody", async () => {
    const { discovery, store } = await setUp();
    const { token } = await create(discovery, 1);
    const { member } = await joinAs(discovery, token, 1);
    store.failure = diskFull;
    discovery.answerLost(token, idOf(1), member.createdIndex);
    await store.arrived(3);
    await nextTurn();
    store.failure = undefined;
    expect((await rejectionOf(joinAs(discovery, token, 1))).code).toBe("member_exists");
  });
});

describe("names in the DNS", () => {
  test("a cluster is found by its label, in any case, and by its domain", async () => {
    const { discovery } = await setUp();
    const minted = await create(discovery);
    const custom = await discovery.createCustom("discovery/my-cluster" as Token, 3);
    const owner = await discovery.create({ size: 3, baseUrl: BASE_URL, domain: "a.example.com" });
    expect(await discovery.findByLabel(minted.token.toUpperCase())).toEqual(minted);
    expect(await discovery.findByLabel("My-Cluster")).toEqual(custom.cluster);
    expect(await discovery.findByLabel("other")).toBeUndefined();
    expect(await discovery.findByLabel("no label")).toBeUndefined();
    expect(await discovery.findByDomain("a.example.com")).toEqual(owner);
    expect(await discovery.findByDomain("example.com")).toBeUndefined();
    expect(await discovery.domainBelow("example.com")).toBe(true);
    expect(await discovery.domainBelow("a.example.com")).toBe(false);
  });

  test("one domain, one cluster: also between requests of one moment, and free after its end", async () => {
    const { discovery } = await setUp();
    const wanted = { size: 3, baseUrl: BASE_URL, domain: "example.com" };
    const outcomes = await Promise.allSettled([discovery.create(wanted), discovery.create(wanted)]);
    expect(outcomes.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected"]);
    expect((await rejectionOf(discovery.create(wanted))).code).toBe("domain_taken");
    const owner = await discovery.findByDomain("example.com");
    await discovery.retire(owner?.token ?? ("" as Token));
    expect((await discovery.create(wanted)).domain).toBe("example.com");
  });

  test("declared members are there from the start, and their indexes are used", async () => {
    const { discovery } = await setUp();
    const declared = [1, 2, 3].map((n) => ({ name: `infra${n}`, peerUrl: urlOf(n) }));
    const cluster = await discovery.create({ size: 3, baseUrl: BASE_URL, declared });
    expect(cluster.sealedIndex).toBe(5);
    expect(discovery.index).toBe(5);
    expect((await create(discovery)).createdIndex).toBe(6);
    const { id } = cluster.members[0] ?? { id: "" as MemberId };
    const came = await discovery.register(
      request(1, { token: cluster.token, id, value: `infra1=${urlOf(1)}`, discoveryUrls: [] }),
    );
    expect(came).toMatchObject({ created: false, rank: 0, member: { from: addressOf(1), answered: true } });
  });
});

test("all clusters are walked page by page", async () => {
  const { discovery } = await setUp();
  const made = await Promise.all(Array.from({ length: 450 }, () => create(discovery)));
  const seen = await listOf(discovery.all());
  expect(seen.map(({ token }) => token)).toEqual(made.map(({ token }) => token));
});

test("warnings come with the registration", async () => {
  const { discovery } = await setUp();
  const { token } = await create(discovery, 2);
  expect((await joinAs(discovery, token, 1)).warnings).toEqual([expect.stringContaining("even size")]);
});

describe("closing", () => {
  test("answers what is in flight, ends the polls quietly, then refuses", async () => {
    const { discovery, store, path } = await setUp();
    const { token } = await create(discovery);
    const waiting = wait(discovery, token, { waitIndex: 99 });
    await nextTurn();
    store.holding = true;
    const registration = joinAs(discovery, token, 1);
    await store.arrived(2);
    const late = joinAs(discovery, token, 2);
    await nextTurn();
    const closing = discovery.close();
    expect(await settledNow(closing)).toBe(false);
    store.holding = false;
    store.release();
    expect(await registration).toMatchObject({ created: true });
    expect(await late).toMatchObject({ created: true });
    await closing;
    expect(await waiting).toMatchObject({ type: "quiet" });
    await expect(create(discovery)).rejects.toThrow("the service is stopping");
    await expect(joinAs(discovery, token, 3)).rejects.toThrow("the service is stopping");
    await discovery.close();
    const again = await setUp({}, path);
    expect(await again.discovery.find(token)).toMatchObject({
      cluster: { members: [{ id: idOf(1) }, { id: idOf(2) }] },
    });
  });
});
