import { assert } from "../lib/assert.ts";

/**
 * The window of appends sent to one member and not yet acknowledged: for each the last index in it and its bytes.
 * Bounds how much a slow member can make the leader keep in the network. A ring that grows by doubling, so that a
 * group whose window is never used costs nothing.
 */
export class Inflights {
  /** The most messages that may be under way. */
  readonly size: number;
  /** No further message while this many bytes or more are under way; 0: no such bound. One message may pass it. */
  readonly maxBytes: number;

  #indexes = new Float64Array(0);
  #bytes = new Float64Array(0);
  #start = 0;
  #count = 0;
  #totalBytes = 0;

  constructor(size: number, maxBytes: number) {
    assert(Number.isSafeInteger(size) && size > 0, () => `a window of ${size} messages in flight`);
    assert(Number.isSafeInteger(maxBytes) && maxBytes >= 0, () => `a window of ${maxBytes} bytes in flight`);
    this.size = size;
    this.maxBytes = maxBytes;
  }

  /** Messages under way. */
  get count(): number {
    return this.#count;
  }

  /** Bytes under way. */
  get bytes(): number {
    return this.#totalBytes;
  }

  /** No further message may be sent until an acknowledgement frees its place. */
  isFull(): boolean {
    return this.#count === this.size || (this.maxBytes !== 0 && this.#totalBytes >= this.maxBytes);
  }

  /** Enters a message whose last entry is at `index`; not to be called while full, and indexes only grow. */
  add(index: number, bytes: number): void {
    assert(!this.isFull(), () => `append up to ${index} sent with the window full: ${this.#count} in flight`);
    if (this.#count === this.#indexes.length) this.#grow();
    const place = (this.#start + this.#count) % this.#indexes.length;
    this.#indexes[place] = index;
    this.#bytes[place] = bytes;
    this.#count++;
    this.#totalBytes += bytes;
  }

  /** Frees every message whose last index is at or before `index`: the member has acknowledged them. */
  freeUpTo(index: number): void {
    while (this.#count > 0 && (this.#indexes[this.#start] ?? 0) <= index) {
      this.#totalBytes -= this.#bytes[this.#start] ?? 0;
      this.#start = (this.#start + 1) % this.#indexes.length;
      this.#count--;
    }
  }

  /** Forgets all messages under way: the member's state is probed anew. */
  reset(): void {
    this.#count = 0;
    this.#totalBytes = 0;
  }

  #grow(): void {
    const length = Math.min(Math.max(1, this.#indexes.length * 2), this.size);
    const indexes = new Float64Array(length);
    const bytes = new Float64Array(length);
    for (let i = 0; i < this.#count; i++) {
      const place = (this.#start + i) % this.#indexes.length;
      indexes[i] = this.#indexes[place] ?? 0;
      bytes[i] = this.#bytes[place] ?? 0;
    }
    this.#indexes = indexes;
    this.#bytes = bytes;
    this.#start = 0;
  }
}
