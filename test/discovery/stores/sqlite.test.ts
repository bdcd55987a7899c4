/** The store contract on SQLite, and what a file can do to a registry: full, read-only, damaged, foreign, newer. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { describe, expect, onTestFinished, test } from "vitest";
import type { Cluster, Token } from "../../../src/discovery/cluster.ts";
import { createCluster } from "../../../src/discovery/registry.ts";
import type { Change, Store } from "../../../src/discovery/store.ts";
import { migrate, readMigrations } from "../../../src/discovery/stores/migrations.ts";
import { openSqliteStore } from "../../../src/discovery/stores/sqlite.ts";
import { openRegistryFile } from "../../../src/discovery/stores/sqlite-file.ts";
import { EnvironmentError } from "../../../src/lib/errors.ts";
import { createLogger, silentLogger } from "../../../src/lib/logger.ts";
import { BASE_URL, NOW, newCluster, registered, request, rules } from "../make.ts";
import { storeContract } from "./store-contract.ts";
import { temporaryFolder } from "./temporary-folder.ts";

storeContract("sqlite", async () => {
  const folder = await mkdtemp(join(tmpdir(), "quorate-test-"));
  return {
    open: () => openSqliteStore(join(folder, "registry.db")),
    destroy: () => rm(folder, { recursive: true, force: true }),
  };
});

async function environmentError(work: Promise<unknown>): Promise<EnvironmentError> {
  try {
    await work;
  } catch (error) {
    if (error instanceof EnvironmentError) return error;
    throw error;
  }
  throw new Error("it did not fail");
}

function save(after: Cluster, before?: Cluster): Change {
  return { type: "save", before, after };
}

function numbered(n: number): Cluster {
  const token = createHash("sha256").update(String(n)).digest("hex").slice(0, 32) as Token;
  return createCluster(rules(), token, { size: 3, baseUrl: BASE_URL }, { now: NOW, nextIndex: n + 1 });
}

/** Opens a store and closes it with the test. */
async function opened(path: string): Promise<Store> {
  const store = await openSqliteStore(path);
  onTestFinished(async () => {
    // The test may have closed it already.
    await store.close().catch(() => {});
  });
  return store;
}

describe("the file", () => {
  test("is made with its folder, for the owner only: tokens are capabilities", async () => {
    const path = join(temporaryFolder(), "deep/er/registry.db");
    const store = await opened(path);
    await store.commit([save(newCluster(3))], 2);
    for (const file of [path, `${path}-wal`]) expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(statSync(join(path, "..")).mode & 0o777).toBe(0o700);
  });

  test("that others could read is closed to them, and the log says so", async () => {
    const path = join(temporaryFolder(), "registry.db");
    await (await openSqliteStore(path)).close();
    chmodSync(path, 0o644);
    const lines: string[] = [];
    const store = await openSqliteStore(
      path,
      createLogger("info", (line) => lines.push(line)),
    );
    await store.close();
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(lines.join("")).toContain('"mode":"644"');
  });

  test("is whole without its log after a clean end", async () => {
    const path = join(temporaryFolder(), "registry.db");
    const store = await opened(path);
    const cluster = newCluster(3);
    await store.commit([save(cluster)], 2);
    await store.close();
    expect(existsSync(`${path}-wal`)).toBe(false);
    expect(await (await opened(path)).load(cluster.token)).toEqual(cluster);
  });

  test("is written with full sync, in WAL mode, locked, with foreign keys", () => {
    const db = openRegistryFile(join(temporaryFolder(), "registry.db"), silentLogger);
    onTestFinished(() => {
      db.close();
    });
    const pragma = (name: string): unknown => db.pragma(name, { simple: true });
    const FULL = 2;
    expect(pragma("synchronous")).toBe(FULL);
    expect(pragma("journal_mode")).toBe("wal");
    expect(pragma("locking_mode")).toBe("exclusive");
    expect(pragma("foreign_keys")).toBe(1);
    expect(pragma("temp_store")).toBe(2);
  });

  test("belongs to one quorate: a second one is told", async () => {
    const path = join(temporaryFolder(), "registry.db");
    await opened(path);
    const script = `
      const { openSqliteStore } = await import(${JSON.stringify(join(import.meta.dirname, "../../../src/discovery/stores/sqlite.ts"))});
      await openSqliteStore(${JSON.stringify(path)}).catch((error) => console.log(error.code, error.message));`;
    const second = spawnSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" });
    expect(second.stdout).toContain("registry_in_use");
    expect(second.stdout).toContain("another process is using it");
  });

  test("its log stays bounded under many writes", async () => {
    const path = join(temporaryFolder(), "registry.db");
    const store = await opened(path);
    let largest = 0;
    for (let batch = 0; batch < 60; batch++) {
      const changes = Array.from({ length: 500 }, (_change, at) => save(numbered(batch * 500 + at + 1)));
      await store.commit(changes, (batch + 1) * 500 + 1);
      largest = Math.max(largest, statSync(`${path}-wal`).size);
    }
    expect(largest).toBeLessThan(20 * 1024 * 1024);
    expect(await store.stats()).toMatchObject({ clusters: 30_000 });
  });
});

describe("a file that cannot be a registry", () => {
  test.each<[string, string, (path: string) => void]>([
    [
      "not a database",
      "registry_not_a_database",
      (path) => writeFileSync(path, "This is a letter, not a database.".repeat(50)),
    ],
    [
      "another program's database",
      "registry_foreign",
      (path) => {
        const db = new Database(path);
        db.exec("CREATE TABLE letters (text)");
        db.close();
      },
    ],
    [
      "a newer quorate's",
      "registry_newer",
      (path) => {
        const db = new Database(path);
        migrate(db, path);
        db.pragma("user_version = 99");
        db.close();
      },
    ],
    ["a folder", "registry_unwritable", (path) => mkdirSync(path)],
  ])("%s: %s", async (_what, code, make) => {
    const path = join(temporaryFolder(), "registry.db");
    make(path);
    const error = await environmentError(openSqliteStore(path));
    expect(error.code).toBe(code);
    expect(error.message).toContain(`registry ${path}: `);
  });

  test("another program's database is left as it was, mode and all", async () => {
    const path = join(temporaryFolder(), "registry.db");
    const db = new Database(path);
    db.exec("CREATE TABLE letters (text)");
    db.close();
    chmodSync(path, 0o644);
    const before = readFileSync(path);
    await environmentError(openSqliteStore(path));
    expect(readFileSync(path)).toEqual(before);
    expect(statSync(path).mode & 0o777).toBe(0o644);
    expect(existsSync(`${path}-wal`)).toBe(false);
  });

  // Node's own recursive mkdir never returns there.
  test.runIf(existsSync("/proc/self"))("in a folder that takes no folders", async () => {
    const error = await environmentError(openSqliteStore("/proc/quorate/data/registry.db"));
    expect(error.code).toBe("registry_unwritable");
  });

  test("below a file", async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, "file"), "");
    const error = await environmentError(openSqliteStore(join(folder, "file", "registry.db")));
    expect(error.code).toBe("registry_unwritable");
  });

  test("a newer format is refused and not touched", async () => {
    const path = join(temporaryFolder(), "registry.db");
    const db = new Database(path);
    migrate(db, path);
    db.pragma("user_version = 7");
    db.close();
    const before = readFileSync(path);
    const error = await environmentError(openSqliteStore(path));
    expect(error.message).toContain(
      `format 7, and this quorate knows formats up to ${readMigrations().length}`,
    );
    expect(readFileSync(path)).toEqual(before);
  });

  test("damaged pages are found at start", async () => {
    const path = join(temporaryFolder(), "registry.db");
    const store = await opened(path);
    await store.commit(
      Array.from({ length: 500 }, (_change, at) => save(numbered(at + 1))),
      501,
    );
    await store.close();
    const bytes = readFileSync(path);
    bytes.fill(0xa5, 4096 * 3);
    writeFileSync(path, bytes);
    const error = await environmentError(openSqliteStore(path));
    expect(error.code).toBe("registry_corrupt");
    expect(error.message).toContain("restore it from a backup");
    expect(error.message).not.toContain("\n");
  });

  test("a file cut short is found at start", async () => {
    const path = join(temporaryFolder(), "registry.db");
    const store = await opened(path);
    await store.commit(
      Array.from({ length: 500 }, (_change, at) => save(numbered(at + 1))),
      501,
    );
    await store.close();
    truncateSync(path, 4096 * 4);
    expect((await environmentError(openSqliteStore(path))).code).toBe("registry_corrupt");
  });

  test("an index behind its own events is found at start", async () => {
    const path = join(temporaryFolder(), "registry.db");
    const store = await opened(path);
    await store.commit([save(numbered(9))], 10);
    await store.close();
    const db = new Database(path);
    db.exec("UPDATE registry SET last_index = 4");
    db.close();
    const error = await environmentError(openSqliteStore(path));
    expect(error.code).toBe("registry_corrupt");
    expect(error.message).toContain("its last index is 4, and it holds an event 10");
  });
});

describe("migrations", () => {
  test("all are applied or none", () => {
    const path = join(temporaryFolder(), "registry.db");
    const db = new Database(path);
    onTestFinished(() => {
      db.close();
    });
    const broken = [
      ...readMigrations(),
      { version: 2, sql: "CREATE TABLE more (a); SELECT * FROM nowhere;" },
    ];
    expect(() => migrate(db, path, broken)).toThrow("nowhere");
    expect(db.prepare("SELECT count(*) AS n FROM sqlite_schema").get()).toEqual({ n: 0 });
    expect(db.pragma("user_version", { simple: true })).toBe(0);
  });

  test("only what is missing is applied", () => {
    const path = join(temporaryFolder(), "registry.db");
    const db = new Database(path);
    onTestFinished(() => {
      db.close();
    });
    migrate(db, path);
    const next = [
      ...readMigrations(),
      { version: readMigrations().length + 1, sql: "CREATE TABLE more (a INTEGER)" },
    ];
    migrate(db, path, next);
    migrate(db, path, next);
    expect(db.pragma("user_version", { simple: true })).toBe(next.length);
  });

  test("a gap in the numbers is our own mistake", () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, "0002_late.sql"), "");
    expect(() => readMigrations(folder)).toThrow("gap");
  });
});

describe("tokens are found while they are entered into the file's index", () => {
  /** A registry that grows by tokens, and what the file's index knows of them. */
  async function growing(path: string) {
    let store = await openSqliteStore(path);
    let made = 0;
    return {
      async create(count: number): Promise<void> {
        for (let left = count; left > 0; left -= 1000) {
          const changes = Array.from({ length: Math.min(left, 1000) }, (_change, at) =>
            save(numbered(made + at + 1)),
          );
          made += changes.length;
          await store.commit(changes, made + 1);
        }
      },
      async missing(): Promise<number[]> {
        const gone: number[] = [];
        for (let n = 1; n <= made; n += 37) {
          const found = await store.load(numbered(n).token);
          if (found === undefined || !("size" in found) || found.createdIndex !== n + 1) gone.push(n);
        }
        return gone;
      },
      async restart(): Promise<{ readonly until: number; readonly entered: number }> {
        await store.close();
        const db = new Database(path);
        const state = db
          .prepare<[], { until: number; entered: number }>(
            "SELECT indexed_until AS until, (SELECT count(*) FROM token_index) AS entered FROM registry",
          )
          .get();
        db.close();
        store = await openSqliteStore(path);
        return state ?? { until: 0, entered: 0 };
      },
      close: () => store.close(),
    };
  }

  // 65,536 fill a generation, which is entered during the next 32,768.
  test("in the course of later creations", async () => {
    const registry = await growing(join(temporaryFolder(), "registry.db"));
    for (const count of [65_000, 1000, 15_000, 20_000, 30_000]) {
      await registry.create(count);
      expect(await registry.missing()).toEqual([]);
    }
    const { until, entered } = await registry.restart();
    expect(until).toBeGreaterThan(65_536);
    expect(entered).toBeGreaterThan(65_536);
    expect(await registry.missing()).toEqual([]);
    await registry.close();
  });

  test("and over restarts at any moment, which may not put it off for ever", async () => {
    const registry = await growing(join(temporaryFolder(), "registry.db"));
    const states: (readonly [until: number, entered: number])[] = [];
    for (const count of [40_000, 30_000, 10_000, 10_000, 50_000, 10_000]) {
      await registry.create(count);
      expect(await registry.missing()).toEqual([]);
      const { until, entered } = await registry.restart();
      states.push([until, entered]);
      expect(await registry.missing()).toEqual([]);
    }
    expect(states[0]).toEqual([0, 0]);
    expect(states.at(-1)?.[0]).toBeGreaterThan(70_000);
    // Node n was created at n + 1.
    expect(states.at(-1)?.[1]).toBeGreaterThanOrEqual((states.at(-1)?.[0] ?? 0) - 1);
    await registry.close();
  });
});

describe("a full disk", () => {
  test("is an error that says so, loses nothing, and passes when there is room again", async ({ skip }) => {
    const mount = temporaryFolder();
    const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=3m", "tmpfs", mount]).status === 0;
    skip(!mounted, "a real full disk needs a tmpfs, which only root can mount");
    onTestFinished(() => {
      spawnSync("umount", ["-l", mount]);
    });
    const path = join(mount, "registry.db");
    const store = await opened(path);
    let kept = 0;
    const fill = async (): Promise<void> => {
      for (;;) {
        const changes = Array.from({ length: 100 }, (_change, at) => save(numbered(kept + at + 1)));
        await store.commit(changes, kept + 101);
        kept += 100;
      }
    };
    const full = await environmentError(fill());
    expect(full.code).toBe("disk_full");
    expect(full.message).toContain("the disk is full");
    expect(kept).toBeGreaterThan(100);
    expect((await environmentError(store.checkWritable())).code).toBe("disk_full");
    expect(await store.lastIndex()).toBe(kept + 1);
    expect(await store.load(numbered(kept).token)).toEqual(numbered(kept));
    expect(await store.load(numbered(kept + 1).token)).toBeUndefined();

    expect(spawnSync("mount", ["-o", "remount,size=30m", mount]).status).toBe(0);
    await store.checkWritable();
    await store.commit([save(numbered(kept + 1))], kept + 2);
    await store.close();
    const again = await opened(path);
    expect(await again.lastIndex()).toBe(kept + 2);
    expect(await again.stats()).toMatchObject({ clusters: kept + 1 });
  });

  test("a file system that turns read-only is an error that says so, and passes too", async ({ skip }) => {
    const mount = temporaryFolder();
    const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=8m", "tmpfs", mount]).status === 0;
    skip(!mounted, "a read-only file system needs a tmpfs, which only root can mount");
    onTestFinished(() => {
      spawnSync("umount", ["-l", mount]);
    });
    const path = join(mount, "registry.db");
    const store = await opened(path);
    const cluster = registered(newCluster(3), request(1));
    await store.commit([save(cluster)], 3);
    await store.close();
    rmSync(`${path}-wal`, { force: true });
    expect(spawnSync("mount", ["-o", "remount,ro", mount]).status).toBe(0);
    const error = await environmentError(openSqliteStore(path));
    expect(error.code).toBe("registry_read_only");
    expect(spawnSync("mount", ["-o", "remount,rw", mount]).status).toBe(0);
    expect(await (await opened(path)).load(cluster.token)).toEqual(cluster);
  });
});
