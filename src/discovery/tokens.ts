/**
 * The tokens in memory: what is durable about each, and what is staged on top of it. A cache in front of the store,
 * except that what is staged cannot be forgotten.
 */
import { LRUCache } from "lru-cache";
import { assert } from "../lib/assert.ts";
import type { Token } from "./cluster.ts";
import { isCluster, type Kept } from "./registry.ts";
import type { Store } from "./store.ts";

/** Clusters kept in memory; the least recently used one is read from the store again when it is wanted. */
const CACHED_CLUSTERS_MAX = 100_000;
/** Their estimated size, in bytes: full clusters of long values weigh megabytes. */
const CACHED_BYTES_MAX = 128 * 1024 * 1024;
/** A token in memory. `newest` runs ahead of `durable` while a change of it is staged. */
export interface Entry {
  readonly token: Token;
  readonly durable: Kept;
  readonly newest: Kept;
}

interface OwnEntry extends Entry {
  durable: Kept;
  newest: Kept;
}

/**
 * To read: `resident(token) ?? adopt(await load(token))`, and what follows in the same synchronous step. There is one
 * entry for a token at any time, so that decisions about it are made one on top of the other.
 */
export class Tokens {
  readonly #read: Store["load"];
  readonly #cache = new LRUCache<Token, OwnEntry>({
    max: CACHED_CLUSTERS_MAX,
    maxSize: CACHED_BYTES_MAX,
    sizeCalculation: ({ durable }) => estimateBytes(durable),
  });
  /** Entries with staged changes. */
  readonly #staged = new Map<Token, OwnEntry>();
  /** Reads of the store under way, so that a token is read once however many ask. */
  readonly #loading = new Map<Token, Promise<Entry>>();

  constructor(read: Store["load"]) {
    this.#read = read;
  }

  resident(token: Token): Entry | undefined {
    return this.#staged.get(token) ?? this.#cache.get(token);
  }

  isStaged(token: Token): boolean {
    return this.#staged.has(token);
  }

  /** Reads a token that is not resident. @throws EnvironmentError when the store cannot be read. */
  load(token: Token): Promise<Entry> {
    const under = this.#loading.get(token);
    if (under !== undefined) return under;
    const loading = this.#read(token)
      .then((kept): Entry => ({ token, durable: kept, newest: kept }))
      .finally(() => this.#loading.delete(token));
    this.#loading.set(token, loading);
    return loading;
  }

  /**
   * Takes a freshly read entry into memory, unless another reader of the same token was faster. A change needs an
   * entry, and its commit another turn of the event loop: so what was read cannot be out of date yet.
   */
  adopt(loaded: Entry): Entry {
    const resident = this.resident(loaded.token);
    if (resident !== undefined) return resident;
    // Unknown tokens are not kept: anybody can ask for any number of them.
    if (loaded.durable !== undefined) this.#cache.set(loaded.token, loaded);
    return loaded;
  }

  /** `newest` is what the next decision is made on. */
  stage(entry: Entry, newest: Kept): void {
    const resident = this.resident(entry.token);
    assert(resident === undefined || resident === entry, () => "one token has two entries in memory");
    const own: OwnEntry = entry;
    own.newest = newest;
    this.#staged.set(entry.token, own);
  }

  /** The oldest staged change of a token is durable: `durable` is what everybody may see. */
  commit(token: Token, durable: Kept): void {
    const entry = this.#staged.get(token);
    // A minted token comes without an entry: nobody could have asked for it.
    if (entry === undefined) return;
    entry.durable = durable;
    if (entry.durable !== entry.newest) return;
    this.#staged.delete(token);
    // Its size is taken anew only when it comes in anew.
    this.#cache.delete(token);
    this.#cache.set(token, entry);
  }

  /** Nothing of what is staged was kept: memory goes back to what is durable, by reading it again. */
  dropStaged(): void {
    for (const token of this.#staged.keys()) this.#cache.delete(token);
    this.#staged.clear();
  }
}

/** Roughly what a token weighs in memory, in bytes. */
function estimateBytes(state: Kept): number {
  if (!isCluster(state)) return 256;
  return state.members.reduce(
    (sum, member) => sum + 400 + 4 * member.value.length,
    512 + 64 * state.removed.length,
  );
}
