/**
 * The wire cache: what has been answered once is answered again from its bytes.
 *
 * One entry serves every client that asks the same: id, case, OPT, size limit and the SOA's serial are patched into
 * a copy (reply.ts). An entry belongs to a scope (a cluster's label, or a zone of domains) and lives until a change in
 * that scope: each scope has a generation, an entry remembers the one it was computed *from*, and is worth nothing
 * once they differ. So dropping costs one addition, and an answer computed from what was read before a change can
 * never be taken for one after it, however late it comes.
 *
 * The places are a set-associative table, as in a processor's cache: the hash of the question names a set of eight
 * places. It is bounded by its making, needs no list to be kept in order, and makes no garbage when it answers.
 */
import type { Answer } from "./reply.ts";

/** Entries that could be kept if the bytes allow: a question of 60 bytes and its answer take some 300. */
const PLACES = 65_536;
/** The first place of a set is for names that do not exist: a flood of random ones pushes out only its like. */
const PLACES_PER_SET = 8;
const BYTES_MAX = 32 * 1024 * 1024;
/** A larger answer (of some fifty members) is made anew each time. */
const ENTRY_BYTES_MAX = 8192;
/** Scopes share generations when their hashes meet: then a change drops a few answers too many. */
const GENERATIONS = 65_536;
const FNV_PRIME = 0x0100_0193;

/** ASCII letters to lower case, all other bytes to themselves. Lengths of labels are below 64, so below letters. */
const LOWER = Uint8Array.from({ length: 256 }, (_value, byte) =>
  byte >= 65 && byte <= 90 ? byte + 32 : byte,
);

/** Scope of what no change of a cluster touches. */
export const UNCHANGING = 0;

interface Entry {
  readonly answer: Answer;
  readonly questionEnd: number;
  readonly scope: number;
  readonly generation: number;
}

/** What the caches of one process share: a change that one of them hears of, all of them obey at once. */
export interface Scopes {
  /** Random, so that nobody can choose names that meet in one set of places. */
  readonly seed: number;
  /** In shared memory when other threads have caches too. */
  readonly generations: Uint32Array;
}

export function createScopes(seed: number): Scopes {
  return {
    seed,
    generations: new Uint32Array(new SharedArrayBuffer(GENERATIONS * Uint32Array.BYTES_PER_ELEMENT)),
  };
}

export interface AnswerCacheLimits {
  readonly places: number;
  readonly bytesMax: number;
}

export class AnswerCache {
  readonly #places: (Entry | undefined)[];
  /** Of the entry in each place: eight neighbours are compared faster than eight objects are visited. */
  readonly #hashes: Uint32Array;
  readonly #bytesMax: number;
  readonly #generations: Uint32Array;
  readonly #seed: number;
  #bytes = 0;
  /** Next place to be emptied for bytes, and next of a set to be overwritten. */
  #hand = 0;
  #turn = 0;

  /** @param limits `places`: a power of two. */
  constructor(scopes: Scopes, limits: AnswerCacheLimits = { places: PLACES, bytesMax: BYTES_MAX }) {
    this.#seed = scopes.seed;
    this.#generations = scopes.generations;
    this.#places = Array.from({ length: limits.places }, () => undefined);
    this.#hashes = new Uint32Array(limits.places);
    this.#bytesMax = limits.bytesMax;
  }

  /** Bytes of wire kept, also of answers that a change has made worthless and nothing has replaced yet. */
  get bytes(): number {
    return this.#bytes;
  }

  /** @param message A query without a problem, with one question, that ends at `questionEnd`. */
  find(message: Uint8Array, questionEnd: number): Answer | undefined {
    const hash = this.#hash(message, questionEnd);
    const first = this.#setOf(hash);
    for (let place = first; place < first + PLACES_PER_SET; place++) {
      if (this.#hashes[place] !== hash) continue;
      const entry = this.#places[place];
      if (entry !== undefined && this.#isCurrent(entry) && isSameQuestion(entry, message, questionEnd)) {
        return entry.answer;
      }
    }
    return undefined;
  }

  /** To be taken before the registry is read for an answer, and given back with that answer. */
  generation(scope: number): number {
    return Atomics.load(this.#generations, scope);
  }

  /** @param denied Whether it says that the name does not exist. */
  keep(answer: Answer, questionEnd: number, scope: number, generation: number, denied: boolean): void {
    if (answer.wire.length > ENTRY_BYTES_MAX) return;
    const hash = this.#hash(answer.wire, questionEnd);
    const place = denied ? this.#setOf(hash) : this.#placeFor(hash, questionEnd, answer);
    this.#empty(place);
    this.#places[place] = { answer, questionEnd, scope, generation };
    this.#hashes[place] = hash;
    this.#bytes += answer.wire.length;
    while (this.#bytes > this.#bytesMax) {
      this.#empty(this.#hand);
      this.#hand = (this.#hand + 1) % this.#places.length;
    }
  }

  /** Forgets every answer of a scope, also those that are being computed. */
  drop(scope: number): void {
    Atomics.add(this.#generations, scope, 1);
  }

  /** Number of a scope that changes, from its name (any text). */
  scopeOf(name: string): number {
    let hash = this.#seed;
    for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), FNV_PRIME);
    return 1 + ((hash >>> 0) % (GENERATIONS - 1));
  }

  #isCurrent(entry: Entry): boolean {
    return this.generation(entry.scope) === entry.generation;
  }

  #setOf(hash: number): number {
    // The low bits of this hash are its best mixed after the final shift in #hash.
    return (hash * PLACES_PER_SET) & (this.#places.length - 1);
  }

  /** The place of the same question, else a worthless one, else the next in turn. */
  #placeFor(hash: number, questionEnd: number, answer: Answer): number {
    const first = this.#setOf(hash);
    let best = first + 1 + (this.#turn++ % (PLACES_PER_SET - 1));
    for (let place = first + 1; place < first + PLACES_PER_SET; place++) {
      const entry = this.#places[place];
      if (entry === undefined || !this.#isCurrent(entry)) best = place;
      else if (this.#hashes[place] === hash && isSameQuestion(entry, answer.wire, questionEnd)) return place;
    }
    return best;
  }

  #empty(place: number): void {
    const entry = this.#places[place];
    if (entry === undefined) return;
    this.#bytes -= entry.answer.wire.length;
    this.#places[place] = undefined;
  }

  /** FNV-1a of the question, letters in lower case. */
  #hash(message: Uint8Array, questionEnd: number): number {
    let hash = this.#seed;
    const nameEnd = questionEnd - 4;
    for (let at = 12; at < nameEnd; at++) hash = Math.imul(hash ^ (LOWER[message[at] ?? 0] ?? 0), FNV_PRIME);
    // Type and class: numbers, not letters.
    for (let at = nameEnd; at < questionEnd; at++) hash = Math.imul(hash ^ (message[at] ?? 0), FNV_PRIME);
    return (hash ^ (hash >>> 15)) >>> 0;
  }
}

function isSameQuestion(entry: Entry, message: Uint8Array, questionEnd: number): boolean {
  if (entry.questionEnd !== questionEnd) return false;
  const kept = entry.answer.wire;
  const nameEnd = questionEnd - 4;
  for (let at = 12; at < nameEnd; at++) if (kept[at] !== LOWER[message[at] ?? 0]) return false;
  for (let at = nameEnd; at < questionEnd; at++) if (kept[at] !== message[at]) return false;
  return true;
}
