import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { describe, expect, onTestFinished, test } from "vitest";
import type { Token } from "../../src/discovery/cluster.ts";
import type { ClusterChange, Discovery } from "../../src/discovery/discovery.ts";
import { Collector } from "../../src/discovery/gc.ts";
import { createDiscovery } from "../../src/discovery/service.ts";
import { openSqliteStore } from "../../src/discovery/stores/sqlite.ts";
import { EnvironmentError } from "../../src/lib/errors.ts";
import { createLogger, silentLogger } from "../../src/lib/logger.ts";
import { HeldStore } from "./held-store.ts";
import { BASE_URL, HOUR_MS, listOf, NOW, newCluster } from "./make.ts";
import { temporaryFolder } from "./stores/temporary-folder.ts";

/** A service that collects as often as timers allow. */
async function setUp(): Promise<{ discovery: Discovery; store: HeldStore; clock: { now: number } }> {
  const store = new HeldStore(await openSqliteStore(join(temporaryFolder(), "registry.db")));
  const clock = { now: NOW };
  const discovery = await createDiscovery({
    store,
    now: () => clock.now,
    tokenTtlMs: HOUR_MS,
    gcIntervalMs: 1,
  });
  onTestFinished(() => discovery.close());
  return { discovery, store, clock };
}

function gone(discovery: Discovery, count: number): Promise<ClusterChange[]> {
  const changes: ClusterChange[] = [];
  return new Promise((resolve) => {
    discovery.onChange((change) => {
      if (change.after !== undefined) return;
      changes.push(change);
      if (changes.length === count) resolve(changes);
    });
  });
}

test("what has expired is collected, a slice at a time, and watchers are told", async () => {
  const { discovery, store, clock } = await setUp();
  const made = await Promise.all(
    Array.from({ length: 180 }, () => discovery.create({ size: 3, baseUrl: BASE_URL })),
  );
  const collected = gone(discovery, 180);
  const { index } = discovery;
  clock.now = NOW + HOUR_MS;
  const changes = await collected;
  expect(changes.map(({ before }) => before?.token)).toEqual(made.map(({ token }) => token));
  const slices = store.batches.slice(1).map(({ changes: slice }) => slice.length);
  expect(Math.max(...slices)).toBeLessThanOrEqual(50);
  expect(discovery.index).toBe(index);
  expect(await discovery.stats()).toMatchObject({ clusters: 0 });
  expect(await discovery.find(made[0]?.token ?? ("" as Token))).toMatchObject({
    type: "gone",
    tombstone: { reason: "expired", at: NOW + HOUR_MS, forgetAt: NOW + 2 * HOUR_MS },
  });
});

test("what is alive, and what owns a domain, stays", async () => {
  const { discovery, clock } = await setUp();
  const old = await discovery.create({ size: 3, baseUrl: BASE_URL });
  const collected = gone(discovery, 1);
  clock.now = NOW + 1;
  const young = await discovery.create({ size: 3, baseUrl: BASE_URL });
  clock.now = NOW + HOUR_MS;
  expect((await collected).map(({ before }) => before?.token)).toEqual([old.token]);
  expect(await listOf(discovery.all())).toEqual([young]);
});

describe("the collector", () => {
  const clusters = Array.from({ length: 70 }, () => newCluster(3));

  test("takes slices, with a turn of the event loop between them, then forgets tombstones in slices", async () => {
    const order: string[] = [];
    let [left, tombstones] = [70, 60];
    const collector = new Collector({
      intervalMs: 0,
      now: () => NOW,
      logger: silentLogger,
      store: {
        expired: (_now, limit) => Promise.resolve(clusters.slice(0, Math.min(left, limit))),
        forget: (_now, limit) => {
          const dropped = Math.min(tombstones, limit);
          tombstones -= dropped;
          order.push(`forgot ${dropped}`);
          return Promise.resolve(dropped);
        },
      },
      retire: () => {
        left--;
        return Promise.resolve();
      },
    });
    const turns = nextTurn().then(() => order.push(`request served, ${left} left`));
    await Promise.all([collector.collect(), turns]);
    expect(order).toEqual(["request served, 20 left", "forgot 50", "forgot 10"]);
  });

  test("tries again next time what the disk refuses now, and says so", async () => {
    const lines: string[] = [];
    let [left, works] = [1, false];
    const collector = new Collector({
      intervalMs: 0,
      now: () => NOW,
      logger: createLogger("info", (line) => lines.push(line)),
      store: { expired: () => Promise.resolve(clusters.slice(0, left)), forget: () => Promise.resolve(0) },
      retire: () => {
        if (!works) return Promise.reject(new EnvironmentError("disk_full", "the disk is full"));
        left--;
        return Promise.resolve();
      },
    });
    await collector.collect();
    expect(lines.join("")).toContain("the disk is full");
    works = true;
    await collector.collect();
    expect(lines.at(-1)).toContain('"retired":1');
  });

  test("runs once at a time, and stops after its slice", async () => {
    let runs = 0;
    const collector = new Collector({
      intervalMs: 0,
      now: () => NOW,
      logger: silentLogger,
      store: {
        expired: () => {
          runs++;
          return Promise.resolve(clusters.slice(0, 50));
        },
        forget: () => Promise.resolve(0),
      },
      retire: () => Promise.resolve(),
    });
    const both = [collector.collect(), collector.collect()];
    expect(both[0]).toBe(both[1]);
    await collector.stop();
    expect(runs).toBe(1);
  });
});
