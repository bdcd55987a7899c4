/** Values for tests of the discovery service: rules, requests, and clusters made by the rules themselves. */
import type { Cluster, MemberId, Token } from "../../src/discovery/cluster.ts";
import { memberIdOf } from "../../src/discovery/member-id.ts";
import { createCluster, type Rules, registerMember } from "../../src/discovery/registry.ts";
import type { CreateRequest, RegisterRequest } from "../../src/discovery/requests.ts";
import { RefusedError } from "../../src/lib/errors.ts";

export const HOUR_MS = 3_600_000;
export const NOW: number = Date.UTC(2030, 0, 1);
export const TOKEN = "0123456789abcdef0123456789abcdef" as Token;
export const BASE_URL = "http://quorate.example:8087";

export function rules(changes: Partial<Rules> = {}): Rules {
  return { maxSize: 100, tokenTtlMs: HOUR_MS, allowedDomains: ["example.com"], ...changes };
}

export function newCluster(size: number, changes: Partial<CreateRequest> = {}): Cluster {
  return createCluster(rules(), TOKEN, { size, baseUrl: BASE_URL, ...changes }, { now: NOW, nextIndex: 2 });
}

/** The registration of node `n` as etcd makes it: `m1=http://10.0.0.1:2380` from `10.0.0.1`. */
export function request(n: number, changes: Partial<RegisterRequest> = {}): RegisterRequest {
  return {
    token: TOKEN,
    id: idOf(n),
    value: `m${n}=${urlOf(n)}`,
    from: addressOf(n),
    discoveryUrls: [`${BASE_URL}/${TOKEN}`],
    ...changes,
  };
}

export function idOf(n: number): MemberId {
  return memberIdOf([urlOf(n)], `${BASE_URL}/${TOKEN}`);
}

export function urlOf(n: number): string {
  return `http://${addressOf(n)}:2380`;
}

export function addressOf(n: number): string {
  return `10.0.${n >> 8}.${n & 255}`;
}

/** The first index that is free after everything in a cluster. */
export function nextIndexOf(cluster: Cluster): number {
  return (
    Math.max(
      cluster.createdIndex,
      ...cluster.members.map((member) => member.createdIndex),
      ...cluster.removed.map((removed) => removed.removedIndex),
    ) + 1
  );
}

/** The cluster after these registrations, each of which must succeed. */
export function registered(cluster: Cluster, ...requests: readonly RegisterRequest[]): Cluster {
  return requests.reduce(
    (before, next) => registerMember(before, next, { now: NOW, nextIndex: nextIndexOf(before) }).cluster,
    cluster,
  );
}

/** A complete cluster of nodes 1 to `size`. */
export function sealed(size: number): Cluster {
  return registered(newCluster(size), ...Array.from({ length: size }, (_node, at) => request(at + 1)));
}

/** The refusal of what must be refused. */
export function refusalOf(work: () => unknown): RefusedError {
  try {
    work();
  } catch (error) {
    if (error instanceof RefusedError) return error;
    throw error;
  }
  throw new Error("it was not refused");
}

/** The same for what answers later. */
export async function rejectionOf(work: Promise<unknown>): Promise<RefusedError> {
  try {
    await work;
  } catch (error) {
    if (error instanceof RefusedError) return error;
    throw error;
  }
  throw new Error("it was not refused");
}

/** Everything an iterable yields. */
export async function listOf<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}
