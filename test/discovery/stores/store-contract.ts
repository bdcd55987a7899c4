/**
 * What every store must keep to, whatever holds the data. A store is opened on a place of its own; opening the same
 * place again is a restart.
 */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Cluster, Token } from "../../../src/discovery/cluster.ts";
import {
  createCluster,
  createCustomCluster,
  loseAnswer,
  removeMember,
  tombstoneOf,
} from "../../../src/discovery/registry.ts";
import type { Change, Store } from "../../../src/discovery/store.ts";
import { BASE_URL, HOUR_MS, idOf, NOW, newCluster, registered, request, rules } from "../make.ts";

/** A place for a registry, empty at first. */
export interface Place {
  readonly open: () => Promise<Store>;
  readonly destroy: () => Promise<void>;
}

export function storeContract(name: string, makePlace: () => Promise<Place>): void {
  describe(`the ${name} store`, () => {
    let place: Place;
    let store: Store;

    beforeEach(async () => {
      place = await makePlace();
      store = await place.open();
    });

    afterEach(async () => {
      await store.close();
      await place.destroy();
    });

    const restart = async (): Promise<void> => {
      await store.close();
      store = await place.open();
    };
    const save = (after: Cluster, before?: Cluster): Change => ({ type: "save", before, after });
    const retire = (cluster: Cluster, now: number): Change => ({
      type: "retire",
      cluster,
      tombstone: tombstoneOf(rules(), cluster, now),
    });
    const token = (n: number): Token => n.toString(16).padStart(32, "0") as Token;
    const make = (n: number, createdIndex: number, now = NOW): Cluster =>
      createCluster(rules(), token(n), { size: 3, baseUrl: BASE_URL }, { now, nextIndex: createdIndex });
    const everything = async (limit = 2): Promise<Cluster[]> => {
      const all: Cluster[] = [];
      for (;;) {
        const page = await store.page(all.at(-1)?.createdIndex ?? 0, limit);
        all.push(...page);
        if (page.length === 0) return all;
      }
    };

    test("an empty registry's last index is 1, so that members have 2 or more", async () => {
      expect(await store.lastIndex()).toBe(1);
      expect(await store.load(token(1))).toBeUndefined();
      expect(await everything()).toEqual([]);
      expect(await store.stats()).toMatchObject({ clusters: 0, members: 0 });
    });

    test("a cluster comes back as it was, also after a restart", async () => {
      const first = registered(newCluster(3), request(1), request(2, { from: "", discoveryUrls: [] }));
      const lost = loseAnswer(first, idOf(1), 3) ?? first;
      const { cluster: two } = removeMember(lost, idOf(2), { now: NOW, nextIndex: 5 });
      const cluster = registered(two, request(3), request(4), request(5));
      expect(cluster).toMatchObject({ sealedIndex: 7, removed: [{ removedIndex: 5 }] });
      await store.commit([save(cluster)], 8);
      expect(await store.load(cluster.token)).toEqual(cluster);
      await restart();
      expect(await store.load(cluster.token)).toEqual(cluster);
      expect(await store.lastIndex()).toBe(8);
    });

    test("each kind of change is kept: registration, lost and repeated answer, deletion, seal, surplus", async () => {
      const steps: ((cluster: Cluster) => Cluster)[] = [
        (cluster) => registered(cluster, request(1)),
        (cluster) => registered(cluster, request(2)),
        (cluster) => loseAnswer(cluster, idOf(1), 3) ?? cluster,
        (cluster) => registered(cluster, request(1)),
        (cluster) => removeMember(cluster, idOf(1), { now: NOW, nextIndex: 5 }).cluster,
        (cluster) => registered(cluster, request(1), request(3)),
        (cluster) => registered(cluster, request(9)),
      ];
      let cluster = newCluster(3);
      await store.commit([save(cluster)], 2);
      for (const [at, step] of steps.entries()) {
        const after = step(cluster);
        await store.commit([save(after, cluster)], 10 + at);
        cluster = after;
        expect(await store.load(cluster.token)).toEqual(cluster);
      }
      await restart();
      expect(await store.load(cluster.token)).toEqual(cluster);
      expect(await store.stats()).toMatchObject({ clusters: 1, members: 4 });
    });

    test("several changes of one cluster in one batch are made in order", async () => {
      const [one, two, three] = [newCluster(3), registered(newCluster(3), request(1)), undefined];
      const last = registered(two, request(2));
      await store.commit([save(one, three), save(two, one), save(last, two)], 4);
      expect(await store.load(one.token)).toEqual(last);
    });

    test("a batch that cannot be kept leaves nothing behind, and the store goes on", async () => {
      const [a, b] = [make(1, 2), make(2, 2)];
      // Two clusters with one index: no rule makes that, and no store may keep half of it.
      await expect(store.commit([save(a), save(b)], 2)).rejects.toBeInstanceOf(Error);
      expect(await store.load(a.token)).toBeUndefined();
      expect(await store.lastIndex()).toBe(1);
      expect(await store.stats()).toMatchObject({ clusters: 0 });
      await store.commit([save(a)], 2);
      expect(await store.load(a.token)).toEqual(a);
    });

    test("the index that was recorded last is kept, also when everything is gone", async () => {
      const cluster = make(1, 2);
      await store.commit([save(cluster)], 2);
      await store.commit([retire(cluster, NOW)], 3);
      await store.forget(NOW + HOUR_MS, 10);
      await restart();
      expect(await store.lastIndex()).toBe(3);
      expect(await everything()).toEqual([]);
    });

    test("a retired cluster leaves its tombstone, until it is forgotten", async () => {
      const cluster = registered(newCluster(3), request(1));
      await store.commit([save(cluster)], 3);
      await store.commit([retire(cluster, NOW + 5)], 4);
      const tombstone = { token: cluster.token, reason: "deleted", at: NOW + 5, forgetAt: NOW + 5 + HOUR_MS };
      expect(await store.load(cluster.token)).toEqual(tombstone);
      expect(await store.stats()).toMatchObject({ clusters: 0, members: 0 });
      await restart();
      expect(await store.load(cluster.token)).toEqual(tombstone);
      expect(await store.forget(NOW + 4 + HOUR_MS, 10)).toBe(0);
      expect(await store.forget(NOW + 5 + HOUR_MS, 10)).toBe(1);
      expect(await store.load(cluster.token)).toBeUndefined();
      await restart();
      expect(await store.load(cluster.token)).toBeUndefined();
    });

    test("a custom token comes back after its end, and its old tombstone takes nothing with it", async () => {
      const chosen = "discovery/a" as Token;
      const custom = (createdIndex: number): Cluster =>
        createCustomCluster(rules(), chosen, 3, undefined, { now: NOW, nextIndex: createdIndex });
      await store.commit([save(custom(2))], 2);
      await store.commit([retire(custom(2), NOW), save(custom(4))], 4);
      expect(await store.load(chosen)).toEqual(custom(4));
      expect(await store.forget(NOW + HOUR_MS, 10)).toBeLessThanOrEqual(1);
      expect(await store.load(chosen)).toEqual(custom(4));
      await restart();
      expect(await store.load(chosen)).toEqual(custom(4));
      expect(await everything()).toEqual([custom(4)]);
    });

    test("what has expired is listed oldest first, and no more than asked for", async () => {
      const clusters = [
        make(1, 2, NOW + 30),
        make(2, 3, NOW + 10),
        make(3, 4, NOW + 20),
        make(4, 5, NOW + 40),
      ];
      const forEver: Cluster = { ...make(5, 6), domain: "example.com", expiresAt: undefined };
      await store.commit(
        [...clusters, forEver].map((cluster) => save(cluster)),
        6,
      );
      const at = async (now: number, limit: number): Promise<Token[]> =>
        (await store.expired(now, limit)).map((cluster) => cluster.token);
      expect(await at(NOW + HOUR_MS + 9, 10)).toEqual([]);
      expect(await at(NOW + HOUR_MS + 30, 10)).toEqual([token(2), token(3), token(1)]);
      expect(await at(NOW + 9 * HOUR_MS, 2)).toEqual([token(2), token(3)]);
      await store.commit([retire(clusters[1] ?? forEver, NOW + HOUR_MS + 10)], 6);
      expect(await at(NOW + HOUR_MS + 30, 10)).toEqual([token(3), token(1)]);
    });

    test("tombstones are forgotten no more than asked for at once", async () => {
      const clusters = [1, 2, 3].map((n) => make(n, n + 1));
      await store.commit(
        clusters.map((cluster) => save(cluster)),
        4,
      );
      await store.commit(
        clusters.map((cluster) => retire(cluster, NOW)),
        4,
      );
      expect(await store.forget(NOW + HOUR_MS, 2)).toBe(2);
      expect(await store.forget(NOW + HOUR_MS, 2)).toBe(1);
      expect(await store.forget(NOW + HOUR_MS, 2)).toBe(0);
    });

    test("all clusters are listed by creation, page by page, without tombstones", async () => {
      const clusters = [5, 4, 3, 2, 1].map((n, at) => make(n, at + 2));
      await store.commit(
        clusters.map((cluster) => save(cluster)),
        6,
      );
      await store.commit([retire(clusters[2] ?? newCluster(3), NOW)], 7);
      expect((await everything()).map(({ createdIndex }) => createdIndex)).toEqual([2, 3, 5, 6]);
      expect(await everything(100)).toEqual(await everything(1));
    });

    test("large clusters make small pages, and none is left out", async () => {
      const nodes = Array.from({ length: 1000 }, (_node, at) => request(at + 1, { discoveryUrls: [] }));
      const full = registered({ ...newCluster(1) }, ...nodes);
      // The same thousand nodes under three tokens, each with indexes of its own.
      const clusters = [1, 2, 3].map((n): Cluster => {
        const shift = n * 2000;
        const members = full.members.map((member) => ({
          ...member,
          createdIndex: member.createdIndex + shift,
        }));
        const createdIndex = full.createdIndex + shift;
        return { ...full, token: token(n), createdIndex, members, sealedIndex: members[0]?.createdIndex };
      });
      await store.commit(
        clusters.map((cluster) => save(cluster)),
        9000,
      );
      expect(await everything(100)).toEqual(clusters);
      expect((await store.expired(NOW + HOUR_MS, 100)).length).toBeGreaterThan(0);
    });

    test("a cluster is found by its domain, and what lies below one is known", async () => {
      const own = (n: number, domain: string): Cluster => ({
        ...make(n, n + 1),
        domain,
        expiresAt: undefined,
      });
      const [upper, lower] = [own(1, "example.com"), own(2, "a.b.example.com")];
      await store.commit([save(upper), save(lower)], 3);
      expect(await store.loadByDomain("example.com")).toEqual(upper);
      expect(await store.loadByDomain("a.b.example.com")).toEqual(lower);
      expect(await store.loadByDomain("b.example.com")).toBeUndefined();
      const below = (domain: string): Promise<boolean> => store.domainBelow(domain);
      expect(await below("b.example.com")).toBe(true);
      expect(await below("example.com")).toBe(true);
      expect(await below("com")).toBe(true);
      expect(await below("a.b.example.com")).toBe(false);
      expect(await below("xample.com")).toBe(false);
      expect(await below("example")).toBe(false);
      await store.commit([retire(lower, NOW)], 4);
      expect(await store.loadByDomain("a.b.example.com")).toBeUndefined();
      expect(await below("example.com")).toBe(false);
      await restart();
      expect(await store.loadByDomain("example.com")).toEqual(upper);
    });

    test("asking whether it can be written leaves no trace that a client could see", async () => {
      const cluster = make(1, 2);
      await store.commit([save(cluster)], 2);
      await store.checkWritable();
      expect(await store.lastIndex()).toBe(2);
      expect(await everything()).toEqual([cluster]);
      expect(await store.stats()).toMatchObject({ clusters: 1, members: 0 });
    });

    test("odd characters in names and values survive", async () => {
      const value = "ä'\"\\ 🚀;--=http://10.0.0.1:2380";
      const cluster = registered(newCluster(3), request(1, { value }));
      await store.commit([save(cluster)], 3);
      await restart();
      expect(await store.load(cluster.token)).toEqual(cluster);
    });
  });
}
