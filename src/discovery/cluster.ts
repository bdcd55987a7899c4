/**
 * What the service knows about one cluster: plain values, as the rules (registry.ts) make them and the store keeps
 * them. Everything here is read-only; a change makes a new value.
 */

/**
 * The name of a cluster inside the registry. Minted: 32 lower-case hex digits (40 are accepted in requests).
 * Custom: the etcd v2 key path that the caller chose, without the leading slash, such as `discovery/my-cluster`.
 * A minted token is a capability: it must never be logged, `tokenHash` is for that.
 */
export type Token = string & { readonly __brand: "Token" };

/** A member's key under its token: 1 to 16 lower-case hex digits, as etcd writes its 64-bit member id. */
export type MemberId = string & { readonly __brand: "MemberId" };

export type Scheme = "http" | "https";

export interface Member {
  readonly id: MemberId;
  /** Exactly what was registered: `NAME=URL[,NAME=URL…]`. Members rebuild `--initial-cluster` from these. */
  readonly value: string;
  readonly name: string;
  /** In the order registered; at least one. */
  readonly peerUrls: readonly string[];
  /** The event that recorded this member; at least 2. Also its place in the order: ascending. */
  readonly createdIndex: number;
  /** Milliseconds since 1970. */
  readonly registeredAt: number;
  /** Address the registration came from, normalised (`::ffff:10.0.0.1` as `10.0.0.1`); empty when declared. */
  readonly from: string;
  /** The exact discovery URL the member was started with, where its id gives that away (it hashes the URL). */
  readonly discoveryUrl: string | undefined;
  /**
   * False while no answer to its registration is known to have been delivered: the connection broke first, or the
   * member was declared at creation and has not come yet. Only then may it register again after the seal.
   */
  readonly answered: boolean;
}

/** A member deleted before the seal: polls that have seen it must start over. */
export interface RemovedMember {
  readonly id: MemberId;
  readonly createdIndex: number;
  readonly removedIndex: number;
}

export interface Cluster {
  readonly token: Token;
  readonly kind: "minted" | "custom";
  /** Declared number of members, 1 or more. Those of rank 0..size-1 are members, the rest proxies. */
  readonly size: number;
  /** The event that created the token (and its `_config/size`). */
  readonly createdIndex: number;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  /** Milliseconds since 1970; undefined: never (a cluster that owns a DNS domain). */
  readonly expiresAt: number | undefined;
  /** The DNS domain it owns besides its name in the zones: lower case, no final dot. */
  readonly domain: string | undefined;
  /** By createdIndex ascending: the position is the rank. */
  readonly members: readonly Member[];
  readonly removed: readonly RemovedMember[];
  /** The event of the registration that completed the cluster; undefined while it is incomplete. */
  readonly sealedIndex: number | undefined;
}

export type Role = "member" | "proxy";

/** @param rank Position by creation order, from 0. */
export function roleOf(cluster: Pick<Cluster, "size">, rank: number): Role {
  return rank < cluster.size ? "member" : "proxy";
}

/** The members that form the cluster (so far), without the proxies. */
export function votersOf(cluster: Cluster): readonly Member[] {
  return cluster.members.slice(0, cluster.size);
}

export function isSealed(cluster: Cluster): boolean {
  return cluster.sealedIndex !== undefined;
}

/** The ready-made `--initial-cluster`, in registration order; undefined while incomplete. */
export function initialCluster(cluster: Cluster): string | undefined {
  return isSealed(cluster)
    ? votersOf(cluster)
        .map((member) => member.value)
        .join(",")
    : undefined;
}
