/** The numbered steps of the registry's format, `migrations/NNNN_WHAT.sql`: applied at start, all or none. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type Database from "better-sqlite3";
import { assert } from "../../lib/assert.ts";
import { EnvironmentError } from "../../lib/errors.ts";

/** Beside `src/` and `dist/` alike. */
const MIGRATIONS = join(import.meta.dirname, "../../../migrations");

/** "quor" in ASCII: tells a registry from any other SQLite file (https://www.sqlite.org/fileformat.html §1.3.9). */
const APPLICATION_ID = 0x71_75_6f_72;

export interface Migration {
  readonly version: number;
  readonly sql: string;
}

/** All known migrations, versions 1, 2, 3 … without a gap. */
export function readMigrations(folder: string = MIGRATIONS): readonly Migration[] {
  const files = readdirSync(folder)
    .filter((file) => /^\d{4}_.*\.sql$/.test(file))
    .toSorted();
  return files.map((file, at) => {
    const version = Number(file.slice(0, 4));
    assert(version === at + 1, () => `migration ${file} stands at place ${at + 1}: the numbers have a gap`);
    return { version, sql: readFileSync(join(folder, file), "utf8") };
  });
}

/**
 * Only reads: what it refuses stays as it is.
 * @throws EnvironmentError registry_newer, registry_foreign.
 */
export function refuseForeign(
  db: Database.Database,
  path: string,
  migrations: readonly Migration[] = readMigrations(),
): void {
  const newest = migrations.length;
  const version = versionOf(db);
  const application = Number(db.pragma("application_id", { simple: true }));
  const empty = db.prepare("SELECT 1 FROM sqlite_schema LIMIT 1").get() === undefined;
  if (!empty && application !== APPLICATION_ID)
    throw new EnvironmentError(
      "registry_foreign",
      `registry ${path}: it is an SQLite database of another program; choose another --data`,
    );
  if (version > newest)
    throw new EnvironmentError(
      "registry_newer",
      `registry ${path}: it has format ${version}, and this quorate knows formats up to ${newest}; start the newer quorate that wrote it, or give this one another --data`,
    );
}

/**
 * Brings the file to the newest version in one transaction.
 * @throws EnvironmentError registry_newer, registry_foreign.
 */
export function migrate(
  db: Database.Database,
  path: string,
  migrations: readonly Migration[] = readMigrations(),
): void {
  const newest = migrations.length;
  const work = db.transaction(() => {
    refuseForeign(db, path, migrations);
    const version = versionOf(db);
    if (version === newest) return;
    for (const { sql } of migrations.slice(version)) db.exec(sql);
    db.pragma(`application_id = ${APPLICATION_ID}`);
    db.pragma(`user_version = ${newest}`);
  });
  work.immediate();
}

function versionOf(db: Database.Database): number {
  return Number(db.pragma("user_version", { simple: true }));
}
