/** A reader of many pages sees one moment, whatever is registered meanwhile. */
import { expect, test } from "vitest";
import type { Cluster } from "../../src/discovery/cluster.ts";
import { snapshotOf } from "../../src/dns/snapshot.ts";
import { MemoryRegistry } from "./support/memory-registry.ts";

const show = (cluster: Cluster): string => `${cluster.token}:${cluster.members.length}`;

/** Reads all; before the cluster `at` is read, `change` happens. */
async function read(registry: MemoryRegistry, at: string, change: () => void): Promise<string[]> {
  let left = 1;
  registry.beforeEach = (next) => {
    if (next.token === at && left-- > 0) change();
  };
  const seen: string[] = [];
  for await (const cluster of snapshotOf(registry)) seen.push(show(cluster));
  return seen;
}

function threeClusters(): MemoryRegistry {
  const registry = new MemoryRegistry();
  for (const token of ["a", "b", "c"]) registry.textbook(token, 2);
  return registry;
}

test("nothing changes", async () => {
  expect(await read(threeClusters(), "", () => {})).toEqual(["a:2", "b:2", "c:2"]);
});

test("a registration ahead of the reader is not seen", async () => {
  const registry = threeClusters();
  expect(await read(registry, "b", () => registry.register("c", "late", "http://10.0.1.99:2380"))).toEqual([
    "a:2",
    "b:2",
    "c:2",
  ]);
});

test("several changes of one cluster go back to the first", async () => {
  const registry = threeClusters();
  const change = (): void => {
    registry.register("c", "late", "http://10.0.1.99:2380");
    registry.register("c", "later", "http://10.0.1.98:2380");
    registry.retire("c");
  };
  expect(await read(registry, "b", change)).toEqual(["a:2", "b:2", "c:2"]);
});

test("a change behind the reader is not seen twice", async () => {
  const registry = threeClusters();
  expect(await read(registry, "c", () => registry.register("a", "late", "http://10.0.1.99:2380"))).toEqual([
    "a:2",
    "b:2",
    "c:2",
  ]);
});

test("a cluster created meanwhile is not seen, nor one created and retired", async () => {
  const registry = threeClusters();
  const change = (): void => {
    registry.create("d", 1);
    registry.create("e", 1);
    registry.retire("e");
  };
  expect(await read(registry, "b", change)).toEqual(["a:2", "b:2", "c:2"]);
});

test("a cluster retired ahead of the reader is still seen", async () => {
  const registry = threeClusters();
  expect(await read(registry, "a", () => registry.retire("b"))).toEqual(["a:2", "c:2", "b:2"]);
});

test("a domain that changes its owner meanwhile has one owner only", async () => {
  const registry = new MemoryRegistry();
  registry.textbook("a", 1);
  registry.textbook("old", 3, "example.com");
  const change = (): void => {
    registry.retire("old");
    registry.textbook("new", 2, "example.com");
  };
  expect(await read(registry, "old", change)).toEqual(["a:1", "old:3"]);
});

test("whoever stops reading is not told of changes any more", async () => {
  const registry = threeClusters();
  for await (const cluster of snapshotOf(registry)) {
    expect(show(cluster)).toBe("a:2");
    expect(registry.listeners).toBe(1);
    break;
  }
  expect(registry.listeners).toBe(0);
});
