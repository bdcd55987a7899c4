/** The registry, asked over a real message port. */
import { MessageChannel, type MessagePort } from "node:worker_threads";
import { expect, onTestFinished, test } from "vitest";
import {
  answerCall,
  type RegistryCall,
  type RegistryResult,
  RemoteRegistry,
} from "../../src/dns/registry-port.ts";
import { EnvironmentError, InvariantError } from "../../src/lib/errors.ts";
import { MemoryRegistry } from "./support/memory-registry.ts";

interface Link {
  readonly registry: MemoryRegistry;
  readonly remote: RemoteRegistry;
  readonly far: MessagePort;
  readonly errors: unknown[];
  readonly index: Uint32Array;
}

function link(): Link {
  const { port1, port2 } = new MessageChannel();
  const registry = new MemoryRegistry();
  const errors: unknown[] = [];
  const index = new Uint32Array(1);
  const remote = new RemoteRegistry(port1, index);
  port1.on("message", (result: RegistryResult) => remote.take(result));
  port2.on("message", (call: RegistryCall) => {
    void answerCall(port2, call, registry, (error) => errors.push(error));
  });
  onTestFinished(() => port1.close());
  return { registry, remote, far: port2, errors, index };
}

test("clusters come as they are", async () => {
  const { registry, remote } = link();
  const cluster = registry.textbook("a".repeat(32), 3, "blue.example.com");
  expect(await remote.findByLabel("a".repeat(32))).toEqual(cluster);
  expect(await remote.findByDomain("blue.example.com")).toEqual(cluster);
  expect(await remote.findByLabel("b".repeat(32))).toBeUndefined();
  expect(await remote.domainBelow("example.com")).toBe(true);
  expect(await remote.domainBelow("blue.example.com")).toBe(false);
});

test("many questions at a time get each their answer", async () => {
  const { registry, remote } = link();
  const tokens = Array.from({ length: 500 }, (_value, i) => i.toString(16).padStart(32, "0"));
  for (const token of tokens) registry.create(token, 1);
  const found = await Promise.all(tokens.map((token) => remote.findByLabel(token)));
  expect(found.map((cluster) => cluster?.token)).toEqual(tokens);
});

test("a failure is told on both sides", async () => {
  const { registry, remote, errors } = link();
  registry.broken = new EnvironmentError("EIO", "disk on fire");
  await expect(remote.findByLabel("a")).rejects.toThrow(EnvironmentError);
  expect(errors).toEqual([registry.broken]);
});

test("the index is what shared memory says", () => {
  const { remote, index } = link();
  index[0] = 0xffff_ffff;
  expect(remote.index).toBe(0xffff_ffff);
});

test("a result that nobody waits for is passed over", async () => {
  const { remote, far, registry } = link();
  far.postMessage({ type: "failure", id: 12_345 } satisfies RegistryResult, []);
  registry.create("c".repeat(32), 1);
  expect(await remote.findByLabel("c".repeat(32))).toMatchObject({ size: 1 });
});

test("another thread transfers no zones", () => {
  expect(() => link().remote.all()).toThrow(InvariantError);
});
