/**
 * Collects what has expired, a small slice at a time, so that requests are never kept waiting. Nothing depends on it
 * being punctual: an expired token answers as gone from its last millisecond on, collected or not.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import { EnvironmentError } from "../lib/errors.ts";
import type { Logger } from "../lib/logger.ts";
import type { Cluster } from "./cluster.ts";
import type { Store } from "./store.ts";

/** Clusters or tombstones in one slice, which is one batch of the store: well under a millisecond each. */
const SLICE = 50;

export interface CollectorOptions {
  readonly store: Pick<Store, "expired" | "forget">;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Between collections; 0: never. */
  readonly intervalMs: number;
  readonly logger: Logger;
  /** Turns an expired cluster into its tombstone; resolves when that is durable. */
  readonly retire: (cluster: Cluster) => Promise<void>;
}

export class Collector {
  readonly #options: CollectorOptions;
  readonly #logger: Logger;
  readonly #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #stopped = false;

  constructor(options: CollectorOptions) {
    this.#options = options;
    this.#logger = options.logger.named("discovery/gc");
    if (options.intervalMs > 0) {
      this.#timer = setInterval(() => void this.collect(), options.intervalMs);
      this.#timer.unref();
    }
  }

  /** One collection, or the one that is under way. Never rejects: what the store refuses is tried again next time. */
  collect(): Promise<void> {
    this.#running ??= this.#collect().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  /** Ends after the slice under way. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#timer);
    await this.#running;
  }

  async #collect(): Promise<void> {
    const { store, now, retire } = this.#options;
    let [retired, forgotten] = [0, 0];
    try {
      while (!this.#stopped) {
        const slice = await store.expired(now(), SLICE);
        if (slice.length === 0) break;
        await Promise.all(slice.map(retire));
        retired += slice.length;
        await nextTurn();
      }
      while (!this.#stopped) {
        const dropped = await store.forget(now(), SLICE);
        forgotten += dropped;
        if (dropped < SLICE) break;
        await nextTurn();
      }
    } catch (error) {
      if (!(error instanceof EnvironmentError)) throw error;
      if (!this.#stopped) this.#logger.warn("the collection of expired tokens stopped early", { error });
    }
    if (retired + forgotten > 0) this.#logger.info("collected expired tokens", { retired, forgotten });
  }
}
