/** What SQLite and the file system say, as an EnvironmentError that says what to do. */
import Database from "better-sqlite3";
import { EnvironmentError } from "../../lib/errors.ts";

const ADVICE: readonly (readonly [prefix: string, code: string, sentence: string])[] = [
  ["SQLITE_FULL", "disk_full", "the disk is full; free space on it, nothing that was acknowledged is lost"],
  ["ENOSPC", "disk_full", "the disk is full; free space on it, nothing that was acknowledged is lost"],
  ["EDQUOT", "disk_full", "the disk quota is used up; raise it or free space"],
  [
    "SQLITE_READONLY",
    "registry_read_only",
    "it cannot be written; make the file and its folder writable for the user that runs quorate",
  ],
  [
    "EROFS",
    "registry_read_only",
    "its file system is mounted read-only; mount it writable or choose another --data",
  ],
  [
    "EACCES",
    "registry_unwritable",
    "permission denied; make the file and its folder writable for the user that runs quorate, or choose another --data",
  ],
  [
    "EPERM",
    "registry_unwritable",
    "permission denied; make the file and its folder writable for the user that runs quorate, or choose another --data",
  ],
  ["ENOTDIR", "registry_unwritable", "part of its path is a file, not a folder; choose another --data"],
  ["EEXIST", "registry_unwritable", "part of its path is a file, not a folder; choose another --data"],
  ["EISDIR", "registry_unwritable", "it is a folder; choose another --data"],
  ["ENOENT", "registry_unwritable", "its folder does not exist and cannot be made; choose another --data"],
  ["SQLITE_CANTOPEN", "registry_unwritable", "it cannot be opened; check the path and its permissions"],
  [
    "SQLITE_BUSY",
    "registry_in_use",
    "another process is using it, probably a second quorate; stop that one, or give this one its own --data",
  ],
  [
    "SQLITE_LOCKED",
    "registry_in_use",
    "another process is using it, probably a second quorate; stop that one, or give this one its own --data",
  ],
  [
    "SQLITE_NOTADB",
    "registry_not_a_database",
    "it is not an SQLite database; move it away for a new registry, or restore it from a backup",
  ],
  [
    "SQLITE_CORRUPT",
    "registry_corrupt",
    "it is damaged; stop quorate and restore it from a backup, or recover what is left with `sqlite3 FILE .recover`",
  ],
  [
    "SQLITE_IOERR",
    "disk_error",
    "the disk reports an error; look at the system's log, the disk may be failing",
  ],
  ["EIO", "disk_error", "the disk reports an error; look at the system's log, the disk may be failing"],
];

/**
 * @param path Of the registry file.
 * @returns `error` itself where it is not the machine's doing: a violated constraint is our own bug.
 */
export function toEnvironmentError(error: unknown, path: string): unknown {
  const code = codeOf(error);
  const advice = ADVICE.find(([prefix]) => code.startsWith(prefix));
  if (advice === undefined) return error;
  const [, stable, sentence] = advice;
  return new EnvironmentError(stable, `registry ${path}: ${sentence} (${code})`, { cause: error });
}

function codeOf(error: unknown): string {
  if (error instanceof Database.SqliteError) return error.code;
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}
