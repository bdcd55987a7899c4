/**
 * Finds the cluster of a token. Tokens are random: entered into an index of a large registry one by one, each dirties
 * a page of its own, four times the cost of the cluster's row itself. So the newest minted tokens are looked up in
 * memory (their rows are in the file, in order of creation: a restart reads them again), and entered into the file's
 * index a neighbourhood at a time, within the commits of later creations.
 */
import type Database from "better-sqlite3";

/** Tokens in memory before they are entered; at most twice as many are there at any time, some 15 MiB. */
const GENERATION_TOKENS = 65_536;
/** Neighbourhoods: tokens that share their first two hex digits. Few enough that their ends stay in the CPU's cache. */
const BUCKETS = 16 ** 2;
/** Tokens entered for each one created: 2 ends one generation well before the next is full. */
const ENTERED_PER_CREATED = 2;

/** Tokens that came in one after another. */
interface Generation {
  readonly clusters: Map<string, number>;
  readonly buckets: (string[] | undefined)[];
  /** The last of their creations. */
  until: number;
}

export class TokenIndex {
  readonly #select;
  readonly #enter;
  readonly #drop;
  readonly #setUntil;
  #recent = newGeneration();
  #entering: Generation | undefined;
  /** Buckets of `#entering` that are in the file. */
  #entered = 0;
  /** Of the transaction under way: becomes true by `committed`, is forgotten by `rolledBack`. */
  #created: (readonly [token: string, cluster: number])[] = [];
  #enteredThen = 0;
  /** Tokens that may be entered for those created so far. */
  #credit = 0;

  constructor(db: Database.Database) {
    this.#select = db.prepare<[string], { cluster: number }>(
      "SELECT cluster FROM token_index WHERE token = ?",
    );
    this.#enter = db.prepare<[string, number]>("INSERT OR REPLACE INTO token_index VALUES (?, ?)");
    this.#drop = db.prepare<[string, number]>("DELETE FROM token_index WHERE token = ? AND cluster = ?");
    this.#setUntil = db.prepare<[number]>("UPDATE registry SET indexed_until = ?");
    const late = db.prepare<[], { token: string; created_index: number }>(
      `SELECT token, created_index FROM clusters
       WHERE created_index > (SELECT indexed_until FROM registry) AND kind = 'minted' ORDER BY created_index`,
    );
    for (const row of late.iterate()) remember(this.#recent, row.token, row.created_index);
    // Restarts must not keep a full generation from ever being entered.
    if (this.#recent.clusters.size >= GENERATION_TOKENS) db.transaction(() => this.#enterAll()).immediate();
  }

  /** @returns the index of the cluster's creation. */
  find(token: string): number | undefined {
    return (
      this.#recent.clusters.get(token) ??
      this.#entering?.clusters.get(token) ??
      this.#select.get(token)?.cluster
    );
  }

  // ---- within a transaction

  addMinted(token: string, cluster: number): void {
    this.#created.push([token, cluster]);
  }

  /** A name that someone chose: there are few of them, and one may come again for a new cluster. */
  addCustom(token: string, cluster: number): void {
    this.#enter.run(token, cluster);
  }

  /** Drops a token, unless it stands for another cluster by now. */
  drop(token: string, cluster: number): void {
    this.#drop.run(token, cluster);
    // Early if the transaction fails; then a forgotten token is unknown until the next start, as it should be.
    for (const { clusters } of [this.#recent, this.#entering ?? this.#recent])
      if (clusters.get(token) === cluster) clusters.delete(token);
  }

  /** Enters the next neighbourhoods, in proportion to what was created. */
  advance(): void {
    this.#enteredThen = this.#entered;
    if (this.#entering === undefined) {
      if (this.#recent.clusters.size < GENERATION_TOKENS) return;
      this.#entering = this.#recent;
      this.#recent = newGeneration();
      this.#entered = this.#enteredThen = this.#credit = 0;
    }
    const { buckets, clusters, until } = this.#entering;
    this.#credit += this.#created.length * ENTERED_PER_CREATED;
    while (this.#enteredThen < BUCKETS) {
      const bucket = buckets[this.#enteredThen] ?? [];
      // Whole buckets only, as they are paid for: a lone creation seldom carries one.
      if (bucket.length > this.#credit) break;
      this.#credit -= bucket.length;
      this.#enterBucket(bucket, clusters);
      this.#enteredThen++;
    }
    if (this.#enteredThen === BUCKETS) this.#setUntil.run(until);
  }

  #enterAll(): void {
    const { buckets, clusters, until } = this.#recent;
    for (const bucket of buckets) this.#enterBucket(bucket ?? [], clusters);
    this.#setUntil.run(until);
    this.#recent = newGeneration();
  }

  #enterBucket(bucket: readonly string[], clusters: ReadonlyMap<string, number>): void {
    for (const token of bucket.toSorted()) {
      const cluster = clusters.get(token);
      if (cluster !== undefined) this.#enter.run(token, cluster);
    }
  }

  // ---- after it

  committed(): void {
    for (const [token, cluster] of this.#created) remember(this.#recent, token, cluster);
    this.#created = [];
    this.#entered = this.#enteredThen;
    if (this.#entered === BUCKETS) this.#entering = undefined;
  }

  rolledBack(): void {
    this.#created = [];
    this.#enteredThen = this.#entered;
  }
}

function newGeneration(): Generation {
  return { clusters: new Map(), buckets: Array.from({ length: BUCKETS }, () => undefined), until: 0 };
}

function remember(generation: Generation, token: string, cluster: number): void {
  generation.clusters.set(token, cluster);
  generation.until = cluster;
  const at = Number.parseInt(token.slice(0, 2), 16);
  const bucket = generation.buckets[at];
  if (bucket === undefined) generation.buckets[at] = [token];
  else bucket.push(token);
}
