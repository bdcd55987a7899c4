/** The registry file itself: made for its owner only, locked, in WAL mode with full sync, of our format, sound. */
import {
  chmodSync,
  closeSync,
  existsSync,
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
import { EnvironmentError } from "../../lib/errors.ts";
import type { Logger } from "../../lib/logger.ts";
import { migrate, refuseForeign } from "./migrations.ts";

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
/** Owner only: tokens are capabilities. */
const FILE_MODE = 0o600;
const FOLDER_MODE = 0o700;

/**
 * Opens the file, makes it where it is missing, locks it and brings it to the newest format.
 * @throws EnvironmentError, or what SQLite and the file system say (sqlite-errors.ts).
 */
export function openRegistryFile(path: string, logger: Logger): Database.Database {
  prepareFile(path);
  const db = new Database(path, { timeout: LOCK_WAIT_MS });
  try {
    // Exclusive: a second quorate on this file is told so, and the log's index needs no shared memory.
    db.pragma("locking_mode = EXCLUSIVE");
    // Before anything is changed: WAL mode stays with a file, and this one may be another program's.
    refuseForeign(db, path);
    configure(db);
    migrate(db, path);
    checkSound(db, path);
    keepFromOthers(path, logger);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

function prepareFile(path: string): void {
  const folder = dirname(path);
  makeFolder(folder);
  const isNew = !existsSync(path);
  closeSync(openSync(path, "a+", FILE_MODE));
  if (!isNew) return;
  // The name of a new file is durable only after its folder is synced.
  const handle = openSync(folder, "r");
  fsyncSync(handle);
  closeSync(handle);
}

/** With its parents. Node's `recursive` never returns where a folder cannot be made in one that exists (`/proc`). */
function makeFolder(folder: string): void {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() === true) return;
  const parent = dirname(folder);
  if (parent !== folder && !existsSync(parent)) makeFolder(parent);
  mkdirSync(folder, { mode: FOLDER_MODE });
}

function keepFromOthers(path: string, logger: Logger): void {
  const { mode } = statSync(path);
  if ((mode & 0o077) === 0) return;
  logger.warn(
    "the registry file was readable by others; tokens are capabilities, so it is now its owner's alone",
    { path, mode: (mode & 0o777).toString(8) },
  );
  chmodSync(path, FILE_MODE);
}

function configure(db: Database.Database): void {
  db.pragma("journal_mode = WAL");
  db.pragma("synchronous = FULL");
  db.pragma("foreign_keys = ON");
  // Statement journals in a file would need a temporary folder, which a container may not have, and a free descriptor.
  db.pragma("temp_store = MEMORY");
  db.pragma(`wal_autocheckpoint = ${WAL_PAGES}`);
  db.pragma(`journal_size_limit = ${WAL_BYTES_KEPT}`);
  db.pragma(`cache_size = -${PAGE_CACHE_KIB}`);
}

/**
 * Gives the log its length at once, when something has been written to it. A commit that makes the file longer has to make its length durable too, which
 * takes as long again as the rest of it (measured: 0.27 ms against 0.13 ms), until the log has once been filled.
 * To SQLite the zeros are no frames: after a crash it reads up to them. The registry is locked, so nobody else writes
 * here, and what was written stays as it is.
 */
export function reserveLog(path: string): void {
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
    if (verdict !== "ok") damaged(verdict.replaceAll(/\s*\n\s*/g, " "));
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
