/**
 * The embedded store: one SQLite file, held by one process. WAL mode with full sync: a batch costs one fsync and
 * survives a power cut. SQLite works synchronously; the promises are the interface's, for stores that have to wait.
 */
import { statSync } from "node:fs";
import type Database from "better-sqlite3";
import { assert } from "../../lib/assert.ts";
import { type Logger, silentLogger } from "../../lib/logger.ts";
import type { Cluster, Member, Token } from "../cluster.ts";
import type { Change, Store, StoreStats, Tombstone } from "../store.ts";
import { toEnvironmentError } from "./sqlite-errors.ts";
import { openRegistryFile, reserveLog } from "./sqlite-file.ts";
import {
  type ClusterRow,
  reverseLabels,
  toCluster,
  toMember,
  toRemoved,
  toTombstone,
} from "./sqlite-rows.ts";
import { prepareStatements, type Statements } from "./sqlite-statements.ts";
import { TokenIndex } from "./token-index.ts";

/** What a probe writes: more than any one registration, so that health fails before registrations do. */
const PROBE_BYTES = 64 * 1024;
/** Members after which a page of clusters ends: a few clusters with a thousand proxies each are enough for one. */
const PAGE_MEMBERS = 2000;
/**
 * Opens the registry file, makes it (and its folder) where it is missing, and brings it to the newest format.
 * @throws EnvironmentError registry_in_use, registry_newer, registry_foreign, registry_not_a_database,
 * registry_corrupt, registry_read_only, registry_unwritable, disk_full, disk_error.
 */
export function openSqliteStore(path: string, logger: Logger = silentLogger): Promise<Store> {
  return settle<Store>(path, () => {
    const db = openRegistryFile(path, logger);
    try {
      const store = new SqliteStore(db, path);
      store.probe();
      reserveLog(`${path}-wal`);
      return store;
    } catch (error) {
      db.close();
      throw error;
    }
  });
}

/** Runs synchronous work as the interface wants it. */
function settle<T>(path: string, work: () => T): Promise<T> {
  try {
    return Promise.resolve(work());
  } catch (error) {
    return Promise.reject(toEnvironmentError(error, path));
  }
}

class SqliteStore implements Store {
  readonly #db: Database.Database;
  readonly #path: string;
  readonly #sql: Statements;
  readonly #tokens: TokenIndex;
  #clusters: number;
  #members: number;
  #lastIndex: number;

  constructor(db: Database.Database, path: string) {
    this.#db = db;
    this.#path = path;
    this.#sql = prepareStatements(db);
    this.#tokens = new TokenIndex(db);
    const counts = db
      .prepare<[], { clusters: number; members: number; last_index: number }>(
        "SELECT (SELECT count(*) FROM clusters WHERE gone_at IS NULL) AS clusters, (SELECT count(*) FROM members) AS members, last_index FROM registry",
      )
      .get();
    this.#clusters = counts?.clusters ?? 0;
    this.#members = counts?.members ?? 0;
    this.#lastIndex = counts?.last_index ?? 1;
  }

  lastIndex(): Promise<number> {
    return Promise.resolve(this.#lastIndex);
  }

  load(token: Token): Promise<Cluster | Tombstone | undefined> {
    return settle(this.#path, () => {
      const createdIndex = this.#tokens.find(token);
      const row = createdIndex === undefined ? undefined : this.#sql.cluster.get(createdIndex);
      return row && (toTombstone(row) ?? this.#whole(row));
    });
  }

  loadByDomain(domain: string): Promise<Cluster | undefined> {
    return settle(this.#path, () => {
      const row = this.#sql.clusterByDomain.get(reverseLabels(domain));
      return row && this.#whole(row);
    });
  }

  domainBelow(domain: string): Promise<boolean> {
    const above = reverseLabels(domain);
    // "/" is the character after ".": all that begins with `above` and a dot.
    return settle(this.#path, () => this.#sql.domainBetween.get(`${above}.`, `${above}/`) !== undefined);
  }

  commit(changes: readonly Change[], index: number): Promise<void> {
    return settle(this.#path, () => {
      assert(
        index >= this.#lastIndex,
        () => `batch up to index ${index} after ${this.#lastIndex}: the index went back`,
      );
      let [clusters, members] = [0, 0];
      this.#transact(() => {
        for (const change of changes) {
          if (change.type === "save") {
            members += this.#save(change.before, change.after);
            if (change.before === undefined) clusters++;
          } else {
            this.#retire(change.cluster, change.tombstone);
            members -= change.cluster.members.length;
            clusters--;
          }
        }
        this.#tokens.advance();
        this.#sql.setLastIndex.run(index);
      });
      this.#lastIndex = index;
      this.#clusters += clusters;
      this.#members += members;
    });
  }

  expired(now: number, limit: number): Promise<readonly Cluster[]> {
    return settle(this.#path, () => this.#wholes(this.#sql.expired.all(now, limit)));
  }

  forget(now: number, limit: number): Promise<number> {
    return settle(this.#path, () => {
      let forgotten = 0;
      this.#transact(() => {
        const rows = this.#sql.forgettable.all(now, limit);
        for (const { token, created_index } of rows) {
          this.#sql.deleteCluster.run(created_index);
          this.#tokens.drop(token, created_index);
        }
        forgotten = rows.length;
      });
      return forgotten;
    });
  }

  page(afterCreatedIndex: number, limit: number): Promise<readonly Cluster[]> {
    return settle(this.#path, () => this.#wholes(this.#sql.page.all(afterCreatedIndex, limit)));
  }

  checkWritable(): Promise<void> {
    return settle(this.#path, () => this.probe());
  }

  /**
   * Writes as a registration would, up to the fsync: anything less (a rollback, a look at free space) says yes on a
   * full or failing disk.
   */
  probe(): void {
    this.#transact(() => this.#sql.probe.run(PROBE_BYTES));
  }

  stats(): Promise<StoreStats> {
    return settle(this.#path, () => ({
      clusters: this.#clusters,
      members: this.#members,
      bytes: [this.#path, `${this.#path}-wal`]
        .map((file) => statSync(file, { throwIfNoEntry: false })?.size ?? 0)
        .reduce((sum, size) => sum + size, 0),
    }));
  }

  close(): Promise<void> {
    return settle(this.#path, () => {
      this.#db.close();
    });
  }

  /** All or nothing; durable when it returns. */
  #transact(work: () => void): void {
    this.#sql.begin.run();
    try {
      work();
      this.#sql.commit.run();
      this.#tokens.committed();
    } catch (error) {
      // Some errors (full disk, failed I/O) have rolled back already.
      this.#tokens.rolledBack();
      if (this.#db.inTransaction) this.#sql.rollback.run();
      throw error;
    }
  }

  /** @returns by how many members the registry grew. */
  #save(before: Cluster | undefined, after: Cluster): number {
    const sql = this.#sql;
    if (before === undefined) {
      sql.insertCluster.run(
        after.createdIndex,
        after.token,
        after.kind,
        after.size,
        after.createdAt,
        after.expiresAt ?? null,
        after.domain === undefined ? null : reverseLabels(after.domain),
        after.sealedIndex ?? null,
      );
      if (after.kind === "minted") this.#tokens.addMinted(after.token, after.createdIndex);
      else this.#tokens.addCustom(after.token, after.createdIndex);
    } else if (before.sealedIndex !== after.sealedIndex) {
      sql.seal.run(after.sealedIndex ?? null, after.createdIndex);
    }
    this.#saveMembers(after.createdIndex, before?.members ?? [], after.members);
    for (const removed of after.removed.slice(before?.removed.length ?? 0))
      sql.insertRemoved.run(removed.removedIndex, after.createdIndex, removed.id, removed.createdIndex);
    return after.members.length - (before?.members.length ?? 0);
  }

  /** Writes the difference: members are values, so one that did not change is the very same object. */
  #saveMembers(cluster: number, before: readonly Member[], after: readonly Member[]): void {
    if (before === after || before.length + after.length === 0) return;
    const sql = this.#sql;
    const kept = new Set(after.map((member) => member.createdIndex));
    const old = new Map(before.map((member) => [member.createdIndex, member]));
    for (const member of before)
      if (!kept.has(member.createdIndex)) sql.deleteMember.run(member.createdIndex);
    for (const member of after) {
      const previous = old.get(member.createdIndex);
      if (previous === member) continue;
      if (previous !== undefined) {
        sql.updateMember.run(member.from, member.answered ? 1 : 0, member.createdIndex);
        continue;
      }
      sql.insertMember.run(
        member.createdIndex,
        cluster,
        member.id,
        member.value,
        member.name,
        JSON.stringify(member.peerUrls),
        member.registeredAt,
        member.from,
        member.discoveryUrl ?? null,
        member.answered ? 1 : 0,
      );
    }
  }

  /** The row stays as the tombstone: what is created together goes together, and so few pages are touched. */
  #retire(cluster: Cluster, { reason, at, forgetAt }: Tombstone): void {
    if (cluster.members.length > 0) this.#sql.deleteMembers.run(cluster.createdIndex);
    if (cluster.removed.length > 0) this.#sql.deleteRemoved.run(cluster.createdIndex);
    this.#sql.bury.run(reason, at, forgetAt, cluster.createdIndex);
  }

  /** As many from the front as fit into one page. */
  #wholes(rows: readonly ClusterRow[]): readonly Cluster[] {
    const clusters: Cluster[] = [];
    let members = 0;
    for (const row of rows) {
      if (members >= PAGE_MEMBERS) break;
      const cluster = this.#whole(row);
      members += cluster.members.length;
      clusters.push(cluster);
    }
    return clusters;
  }

  #whole(row: ClusterRow): Cluster {
    return toCluster(
      row,
      this.#sql.members.all(row.created_index).map(toMember),
      this.#sql.removed.all(row.created_index).map(toRemoved),
    );
  }
}
