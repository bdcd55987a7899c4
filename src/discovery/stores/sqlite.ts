/**
 * The embedded store: one SQLite file, held by one process. WAL mode with full sync: a batch costs one fsync and
 * survives a power cut. SQLite works synchronously; the promises are the interface's, for stores that have to wait.
 */
import {
  chmodSync,
  closeSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  statSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import Database from "better-sqlite3";
import { assert } from "../../lib/assert.ts";
import { EnvironmentError } from "../../lib/errors.ts";
import { type Logger, silentLogger } from "../../lib/logger.ts";
import type { Cluster, Member, Token } from "../cluster.ts";
import type { Change, Store, StoreStats, Tombstone } from "../store.ts";
import { migrate } from "./migrations.ts";
import { toEnvironmentError } from "./sqlite-errors.ts";
import {
  type ClusterRow,
  type MemberRow,
  type RemovedRow,
  reverseLabels,
  toCluster,
  toMember,
  toRemoved,
  toTombstone,
} from "./sqlite-rows.ts";
import { TokenIndex } from "./token-index.ts";

/** How long to wait at start for a predecessor that is just ending, in milliseconds. */
const LOCK_WAIT_MS = 3000;
/**
 * Pages in the log before they are moved into the file: 4 KiB each, so the log stays near 4 MiB. Creations go to the
 * same few pages, so a longer log saves little, and moving it holds everything up for longer.
 */
const WAL_PAGES = 1000;
/** Length that the log is given at start: a little more than those pages take. */
const WAL_BYTES_RESERVED = 4.5 * 1024 * 1024;
/** What the log file is cut back to after an outsized transaction, in bytes. */
const WAL_BYTES_KEPT = 64 * 1024 * 1024;
const PAGE_CACHE_KIB = 32 * 1024;
/** Up to this size the whole file is checked for damage at start (half a second); above, damage shows when met. */
const CHECKED_BYTES_MAX = 64 * 1024 * 1024;
/** What a probe writes: more than any one registration, so that health fails before registrations do. */
const PROBE_BYTES = 64 * 1024;
/** Owner only: tokens are capabilities. */
const FILE_MODE = 0o600;
const FOLDER_MODE = 0o700;

/**
 * Opens the registry file, makes it (and its folder) where it is missing, and brings it to the newest format.
 * @throws EnvironmentError registry_in_use, registry_newer, registry_foreign, registry_not_a_database,
 * registry_corrupt, registry_read_only, registry_unwritable, disk_full, disk_error.
 */
export function openSqliteStore(path: string, logger: Logger = silentLogger): Promise<Store> {
  return settle<Store>(path, () => {
    prepareFile(path, logger);
    const db = new Database(path, { timeout: LOCK_WAIT_MS });
    try {
      configure(db);
      migrate(db, path);
      checkSound(db, path);
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

function prepareFile(path: string, logger: Logger): void {
  const folder = dirname(path);
  mkdirSync(folder, { recursive: true, mode: FOLDER_MODE });
  const found = statSync(path, { throwIfNoEntry: false });
  closeSync(openSync(path, "a+", FILE_MODE));
  if (found === undefined) {
    // The name of a new file is durable only after its folder is synced.
    const handle = openSync(folder, "r");
    fsyncSync(handle);
    closeSync(handle);
  } else if ((found.mode & 0o077) !== 0) {
    logger.warn(
      "the registry file was readable by others; tokens are capabilities, so it is now its owner's alone",
      {
        path,
        mode: (found.mode & 0o777).toString(8),
      },
    );
    chmodSync(path, FILE_MODE);
  }
}

function configure(db: Database.Database): void {
  // Exclusive: a second quorate on this file is told so, and the log's index needs no shared memory.
  db.pragma("locking_mode = EXCLUSIVE");
  db.pragma("journal_mode = WAL");
  db.pragma("synchronous = FULL");
  db.pragma("foreign_keys = ON");
  db.pragma(`wal_autocheckpoint = ${WAL_PAGES}`);
  db.pragma(`journal_size_limit = ${WAL_BYTES_KEPT}`);
  db.pragma(`cache_size = -${PAGE_CACHE_KIB}`);
}

/**
 * Gives the log its length at once. A commit that makes the file longer has to make its length durable too, which
 * takes as long again as the rest of it (measured: 0.27 ms against 0.13 ms), until the log has once been filled.
 * To SQLite the zeros are no frames: after a crash it reads up to them. The registry is locked, so nobody else writes
 * here, and what was written stays as it is.
 */
function reserveLog(path: string): void {
  const log = openSync(path, "r+");
  const { size } = fstatSync(log);
  try {
    const zeros = Buffer.alloc(Math.max(0, WAL_BYTES_RESERVED - size));
    for (let at = 0; at < zeros.length; ) at += writeSync(log, zeros, at, undefined, size + at);
    fsyncSync(log);
  } catch {
    // No room for it: registrations may still have some, and only speed is lost.
    ftruncateSync(log, size);
  } finally {
    closeSync(log);
  }
}

/** @throws EnvironmentError registry_corrupt. */
function checkSound(db: Database.Database, path: string): void {
  const damaged = (what: string): never => {
    throw new EnvironmentError(
      "registry_corrupt",
      `registry ${path}: it is damaged (${what}); restore it from a backup, or recover what is left with \`sqlite3 FILE .recover\``,
    );
  };
  const pages = Number(db.pragma("page_count", { simple: true }));
  const pageBytes = Number(db.pragma("page_size", { simple: true }));
  if (pages * pageBytes <= CHECKED_BYTES_MAX) {
    const verdict = String(db.pragma("quick_check(1)", { simple: true }));
    if (verdict !== "ok") damaged(verdict);
  }
  const highest = db
    .prepare<[], { kept: number | null; seen: number | null }>(
      `SELECT (SELECT last_index FROM registry) AS kept, max(
         coalesce((SELECT max(created_index) FROM clusters), 0),
         coalesce((SELECT max(created_index) FROM members), 0),
         coalesce((SELECT max(removed_index) FROM removed_members), 0)) AS seen`,
    )
    .get();
  const [kept, seen] = [highest?.kept ?? 0, highest?.seen ?? 0];
  if (kept < 1 || seen > kept) damaged(`its last index is ${kept}, and it holds an event ${seen}`);
}

class SqliteStore implements Store {
  readonly #db: Database.Database;
  readonly #path: string;
  readonly #sql: ReturnType<typeof prepareStatements>;
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
    return settle(this.#path, () => this.#sql.expired.all(now, limit).map((row) => this.#whole(row)));
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
    return settle(this.#path, () =>
      this.#sql.page.all(afterCreatedIndex, limit).map((row) => this.#whole(row)),
    );
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
    if (before === after) return;
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

  #whole(row: ClusterRow): Cluster {
    return toCluster(
      row,
      this.#sql.members.all(row.created_index).map(toMember),
      this.#sql.removed.all(row.created_index).map(toRemoved),
    );
  }
}

/** Every statement the store runs, compiled once. */
function prepareStatements(db: Database.Database) {
  return {
    begin: db.prepare("BEGIN IMMEDIATE"),
    commit: db.prepare("COMMIT"),
    rollback: db.prepare("ROLLBACK"),
    setLastIndex: db.prepare<[number]>("UPDATE registry SET last_index = ?"),
    probe: db.prepare<[number]>("UPDATE probe SET padding = randomblob(?)"),
    cluster: db.prepare<[number], ClusterRow>("SELECT * FROM clusters WHERE created_index = ?"),
    clusterByDomain: db.prepare<[string], ClusterRow>("SELECT * FROM clusters WHERE domain_path = ?"),
    domainBetween: db.prepare<[string, string]>(
      "SELECT 1 FROM clusters WHERE domain_path > ? AND domain_path < ? LIMIT 1",
    ),
    page: db.prepare<[number, number], ClusterRow>(
      "SELECT * FROM clusters WHERE created_index > ? AND gone_at IS NULL ORDER BY created_index LIMIT ?",
    ),
    expired: db.prepare<[number, number], ClusterRow>(
      "SELECT * FROM clusters WHERE expires_at <= ? AND gone_at IS NULL ORDER BY expires_at LIMIT ?",
    ),
    insertCluster: db.prepare<
      [number, string, string, number, number, number | null, string | null, number | null]
    >("INSERT INTO clusters VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL, NULL)"),
    seal: db.prepare<[number | null, number]>("UPDATE clusters SET sealed_index = ? WHERE created_index = ?"),
    deleteCluster: db.prepare<[number]>("DELETE FROM clusters WHERE created_index = ?"),
    members: db.prepare<[number], MemberRow>(
      "SELECT * FROM members WHERE cluster = ? ORDER BY created_index",
    ),
    insertMember: db.prepare<
      [number, number, string, string, string, string, number, string, string | null, number]
    >("INSERT INTO members VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"),
    updateMember: db.prepare<[string, number, number]>(
      "UPDATE members SET client = ?, answered = ? WHERE created_index = ?",
    ),
    deleteMember: db.prepare<[number]>("DELETE FROM members WHERE created_index = ?"),
    removed: db.prepare<[number], RemovedRow>(
      "SELECT * FROM removed_members WHERE cluster = ? ORDER BY removed_index",
    ),
    insertRemoved: db.prepare<[number, number, string, number]>(
      "INSERT INTO removed_members VALUES (?, ?, ?, ?)",
    ),
    bury: db.prepare<[string, number, number, number]>(
      "UPDATE clusters SET gone_reason = ?, gone_at = ?, forget_at = ?, domain_path = NULL WHERE created_index = ?",
    ),
    deleteMembers: db.prepare<[number]>("DELETE FROM members WHERE cluster = ?"),
    deleteRemoved: db.prepare<[number]>("DELETE FROM removed_members WHERE cluster = ?"),
    forgettable: db.prepare<[number, number], ClusterRow>(
      "SELECT * FROM clusters WHERE forget_at <= ? ORDER BY forget_at LIMIT ?",
    ),
  };
}
