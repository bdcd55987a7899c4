/** Rows of the registry file, and the values they stand for. */
import type { Cluster, Member, MemberId, RemovedMember, Token } from "../cluster.ts";
import type { Tombstone } from "../store.ts";

export interface ClusterRow {
  readonly created_index: number;
  readonly token: string;
  readonly kind: "minted" | "custom";
  readonly size: number;
  readonly created_at: number;
  readonly expires_at: number | null;
  readonly domain_path: string | null;
  readonly sealed_index: number | null;
  readonly gone_reason: "expired" | "deleted" | null;
  readonly gone_at: number | null;
  readonly forget_at: number | null;
}

export interface MemberRow {
  readonly created_index: number;
  readonly member_id: string;
  readonly value: string;
  readonly name: string;
  readonly peer_urls: string;
  readonly registered_at: number;
  readonly client: string;
  readonly discovery_url: string | null;
  readonly answered: 0 | 1;
}

export interface RemovedRow {
  readonly removed_index: number;
  readonly member_id: string;
  readonly created_index: number;
}

export function toCluster(
  row: ClusterRow,
  members: readonly Member[],
  removed: readonly RemovedMember[],
): Cluster {
  return {
    token: row.token as Token,
    kind: row.kind,
    size: row.size,
    createdIndex: row.created_index,
    createdAt: row.created_at,
    expiresAt: row.expires_at ?? undefined,
    domain: row.domain_path === null ? undefined : reverseLabels(row.domain_path),
    members,
    removed,
    sealedIndex: row.sealed_index ?? undefined,
  };
}

export function toMember(row: MemberRow): Member {
  return {
    id: row.member_id as MemberId,
    value: row.value,
    name: row.name,
    peerUrls: JSON.parse(row.peer_urls) as string[],
    createdIndex: row.created_index,
    registeredAt: row.registered_at,
    from: row.client,
    discoveryUrl: row.discovery_url ?? undefined,
    answered: row.answered === 1,
  };
}

export function toRemoved(row: RemovedRow): RemovedMember {
  return { id: row.member_id as MemberId, createdIndex: row.created_index, removedIndex: row.removed_index };
}

/** @returns undefined for the row of a live cluster. */
export function toTombstone(row: ClusterRow): Tombstone | undefined {
  const { gone_reason: reason, gone_at: at, forget_at: forgetAt } = row;
  if (reason === null || at === null || forgetAt === null) return undefined;
  return { token: row.token as Token, reason, at, forgetAt };
}

/** `infra.example.com` as `com.example.infra` and back: in this order a domain stands before all below it. */
export function reverseLabels(domain: string): string {
  return domain.split(".").toReversed().join(".");
}
