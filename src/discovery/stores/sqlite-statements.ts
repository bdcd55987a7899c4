/** Every statement of the SQLite store: parameters and rows in one table, SQL in the other. */
import type Database from "better-sqlite3";
import type { ClusterRow, MemberRow, RemovedRow } from "./sqlite-rows.ts";

export interface Statements {
  readonly begin: Database.Statement<[]>;
  readonly commit: Database.Statement<[]>;
  readonly rollback: Database.Statement<[]>;
  readonly setLastIndex: Database.Statement<[number]>;
  readonly probe: Database.Statement<[number]>;
  readonly cluster: Database.Statement<[number], ClusterRow>;
  readonly clusterByDomain: Database.Statement<[string], ClusterRow>;
  readonly domainBetween: Database.Statement<[string, string]>;
  readonly page: Database.Statement<[number, number], ClusterRow>;
  readonly expired: Database.Statement<[number, number], ClusterRow>;
  readonly insertCluster: Database.Statement<
    [number, string, string, number, number, number | null, string | null, number | null]
  >;
  readonly seal: Database.Statement<[number | null, number]>;
  readonly deleteCluster: Database.Statement<[number]>;
  readonly members: Database.Statement<[number], MemberRow>;
  readonly insertMember: Database.Statement<
    [number, number, string, string, string, string, number, string, string | null, number]
  >;
  readonly updateMember: Database.Statement<[string, number, number]>;
  readonly deleteMember: Database.Statement<[number]>;
  readonly removed: Database.Statement<[number], RemovedRow>;
  readonly insertRemoved: Database.Statement<[number, number, string, number]>;
  readonly bury: Database.Statement<[string, number, number, number]>;
  readonly deleteMembers: Database.Statement<[number]>;
  readonly deleteRemoved: Database.Statement<[number]>;
  readonly forgettable: Database.Statement<[number, number], ClusterRow>;
}

/** Compiles them, once. */
export function prepareStatements(db: Database.Database): Statements {
  return {
    begin: db.prepare("BEGIN IMMEDIATE"),
    commit: db.prepare("COMMIT"),
    rollback: db.prepare("ROLLBACK"),
    setLastIndex: db.prepare("UPDATE registry SET last_index = ?"),
    probe: db.prepare("UPDATE probe SET padding = randomblob(?)"),
    cluster: db.prepare("SELECT * FROM clusters WHERE created_index = ?"),
    clusterByDomain: db.prepare("SELECT * FROM clusters WHERE domain_path = ?"),
    domainBetween: db.prepare("SELECT 1 FROM clusters WHERE domain_path > ? AND domain_path < ? LIMIT 1"),
    page: db.prepare(
      "SELECT * FROM clusters WHERE created_index > ? AND gone_at IS NULL ORDER BY created_index LIMIT ?",
    ),
    expired: db.prepare(
      "SELECT * FROM clusters WHERE expires_at <= ? AND gone_at IS NULL ORDER BY expires_at LIMIT ?",
    ),
    insertCluster: db.prepare("INSERT INTO clusters VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL, NULL)"),
    seal: db.prepare("UPDATE clusters SET sealed_index = ? WHERE created_index = ?"),
    deleteCluster: db.prepare("DELETE FROM clusters WHERE created_index = ?"),
    members: db.prepare("SELECT * FROM members WHERE cluster = ? ORDER BY created_index"),
    insertMember: db.prepare("INSERT INTO members VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"),
    updateMember: db.prepare("UPDATE members SET client = ?, answered = ? WHERE created_index = ?"),
    deleteMember: db.prepare("DELETE FROM members WHERE created_index = ?"),
    removed: db.prepare("SELECT * FROM removed_members WHERE cluster = ? ORDER BY removed_index"),
    insertRemoved: db.prepare("INSERT INTO removed_members VALUES (?, ?, ?, ?)"),
    bury: db.prepare(
      "UPDATE clusters SET gone_reason = ?, gone_at = ?, forget_at = ?, domain_path = NULL WHERE created_index = ?",
    ),
    deleteMembers: db.prepare("DELETE FROM members WHERE cluster = ?"),
    deleteRemoved: db.prepare("DELETE FROM removed_members WHERE cluster = ?"),
    forgettable: db.prepare("SELECT * FROM clusters WHERE forget_at <= ? ORDER BY forget_at LIMIT ?"),
  };
}
