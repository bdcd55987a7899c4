/** The only chance in a simulated world: what its seed is, everything else is. */
import { must } from "../../src/lib/assert.ts";

export class Random {
  private state: number;

  constructor(seed: number) {
    this.state = Math.imul(seed, 0x9e3779b1) ^ Math.floor(seed / 0x1_0000_0000);
  }

  /** A whole number from 0 to below `limit` (mulberry32, by Tommy Ettinger). */
  below(limit: number): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  }

  /** A whole number from `low` to `high`, both included. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  /** True `permille` times out of a thousand. */
  chance(permille: number): boolean {
    return permille > 0 && this.below(1000) < permille;
  }

  pick<T>(list: readonly T[]): T {
    return must(list[this.below(list.length)], () => "a choice of nothing");
  }
}
