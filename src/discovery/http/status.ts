/**
 * A token's state in words and numbers, for people and tools: `GET /TOKEN?status`, or with
 * `Accept: application/vnd.quorate+json`. etcd's own reader never asks for it.
 */
import { type Cluster, initialCluster, isSealed, roleOf, votersOf } from "../cluster.ts";
import { warningsOf } from "../warnings.ts";
import type { HttpContext } from "./context.ts";
import { warningHeader } from "./warning-header.ts";

export const STATUS_TYPE = "application/vnd.quorate+json";

export interface StatusMember {
  readonly id: string;
  readonly name: string;
  readonly peer_urls: readonly string[];
  readonly rank: number;
  readonly role: "member" | "proxy";
  /** RFC 3339. */
  readonly registered_at: string;
  /** Address its registration came from; absent when it was declared at creation and has not come yet. */
  readonly from?: string;
}

export interface Status {
  /** `waiting` until `size` members have registered, then `complete`. */
  readonly state: "waiting" | "complete";
  /** The same for a person, in a sentence. */
  readonly summary: string;
  readonly size: number;
  readonly registered: number;
  readonly missing: number;
  readonly members: readonly StatusMember[];
  /** Names of those that are held up by the missing ones, and since when. */
  readonly waiting: readonly { readonly name: string; readonly since: string }[];
  readonly warnings: readonly string[];
  /** The value for etcd's `--initial-cluster`; absent while incomplete. */
  readonly initial_cluster?: string;
  readonly domain?: string;
  readonly created_at: string;
  /** Absent: never. */
  readonly expires_at?: string;
}

export function wantsStatus(c: HttpContext, parameters: URLSearchParams): boolean {
  return parameters.has("status") || (c.req.header("accept")?.includes(STATUS_TYPE) ?? false);
}

/** @param index Up to which `cluster` is known. */
export function answerStatus(cluster: Cluster, index: number): Response {
  const status = statusOf(cluster, warningsOf(cluster));
  return new Response(`${JSON.stringify(status, undefined, 2)}\n`, {
    headers: {
      "Content-Type": STATUS_TYPE,
      "X-Etcd-Index": String(index),
      "Cache-Control": "no-store",
      Vary: "Accept",
      ...warningHeader(status.warnings),
    },
  });
}

export function statusOf(cluster: Cluster, warnings: readonly string[]): Status {
  const voters = votersOf(cluster);
  const missing = cluster.size - voters.length;
  const complete = initialCluster(cluster);
  const since = (ms: number): string => new Date(ms).toISOString();
  return {
    state: isSealed(cluster) ? "complete" : "waiting",
    summary: summaryOf(cluster),
    size: cluster.size,
    registered: cluster.members.length,
    missing,
    members: cluster.members.map((member, rank) => ({
      id: member.id,
      name: member.name,
      peer_urls: member.peerUrls,
      rank,
      role: roleOf(cluster, rank),
      registered_at: since(member.registeredAt),
      ...(member.from === "" ? {} : { from: member.from }),
    })),
    // A declared member that has not come yet waits for nobody: others wait for it.
    waiting: isSealed(cluster)
      ? []
      : voters
          .filter((member) => member.from !== "")
          .map((member) => ({ name: member.name, since: since(member.registeredAt) })),
    warnings,
    ...(complete === undefined ? {} : { initial_cluster: complete }),
    ...(cluster.domain === undefined ? {} : { domain: cluster.domain }),
    created_at: since(cluster.createdAt),
    ...(cluster.expiresAt === undefined ? {} : { expires_at: since(cluster.expiresAt) }),
  };
}

function summaryOf(cluster: Cluster): string {
  const members = votersOf(cluster).length;
  const proxies = cluster.members.length - members;
  const count = (n: number, noun: string): string =>
    `${n} ${n === 1 ? noun : noun.replace(/y$/, "ie") + "s"}`;
  const extra = proxies > 0 ? `, and ${count(proxies, "proxy")}` : "";
  return isSealed(cluster)
    ? `complete: all ${count(cluster.size, "member")} registered${extra}`
    : `waiting for ${cluster.size - members} of ${count(cluster.size, "member")}`;
}
