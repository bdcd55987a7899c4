/**
 * What the service needs kept. A store holds no rules: it is given changes that the rules have already allowed, and
 * makes a batch of them durable as one. The embedded one is stores/sqlite.ts.
 */
import type { Cluster, Token } from "./cluster.ts";

/** One durable step. `save` carries the whole new value of a cluster and what it replaces (undefined: new). */
export type Change =
  | { readonly type: "save"; readonly before: Cluster | undefined; readonly after: Cluster }
  /** Deletes a cluster and remembers that, and why, until `forgetAt`. */
  | { readonly type: "retire"; readonly cluster: Cluster; readonly tombstone: Tombstone };

/** What is left of a token: enough to say why it is gone. */
export interface Tombstone {
  readonly token: Token;
  readonly reason: "expired" | "deleted";
  /** Milliseconds since 1970: when it expired or was deleted. */
  readonly at: number;
  /** Milliseconds since 1970: after this the tombstone may be dropped. */
  readonly forgetAt: number;
}

export interface StoreStats {
  readonly clusters: number;
  readonly members: number;
  readonly bytes: number;
}

export interface Store {
  /** The index of the last durable event; 1 for an empty registry (members' indexes must be 2 or more). */
  lastIndex(): Promise<number>;
  load(token: Token): Promise<Cluster | Tombstone | undefined>;
  /** The cluster that owns exactly this domain (lower case, no final dot). */
  loadByDomain(domain: string): Promise<Cluster | undefined>;
  /** Whether a cluster owns a domain that ends in `.` and this one (lower case, no final dot). */
  domainBelow(domain: string): Promise<boolean>;
  /**
   * Makes all changes durable, or none, and records `index` as the last event. Resolves only when it would survive a
   * power cut.
   * @throws EnvironmentError when the disk refuses; nothing of the batch was kept then.
   */
  commit(changes: readonly Change[], index: number): Promise<void>;
  /** Clusters whose `expiresAt <= now`, oldest first: at most `limit`, fewer when they are large, none only at the end. */
  expired(now: number, limit: number): Promise<readonly Cluster[]>;
  /** Drops tombstones with `forgetAt <= now`, at most `limit`. @returns how many. */
  forget(now: number, limit: number): Promise<number>;
  /**
   * Every cluster, by createdIndex ascending, in pages so that a zone transfer never holds them all: at most `limit`,
   * fewer when they are large, none only at the end.
   */
  page(afterCreatedIndex: number, limit: number): Promise<readonly Cluster[]>;
  /** Whether a write would succeed now, without a trace that a client could see. @throws EnvironmentError saying why not. */
  checkWritable(): Promise<void>;
  stats(): Promise<StoreStats>;
  close(): Promise<void>;
}
