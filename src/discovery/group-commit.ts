/**
 * Group commit: all changes of one turn of the event loop become one durable batch. Batches never overlap and stay in
 * order; what arrives while one is being written gathers for the next. Nothing is acknowledged before its batch is
 * durable, and a batch that fails takes with it what was decided on top of it.
 */
import { EnvironmentError, InvariantError } from "../lib/errors.ts";
import type { Change, Store } from "./store.ts";

/** What the owner does when a batch has ended, before anybody who waits for it hears of it. */
export interface Outcomes {
  /** The batch is durable, and so is the index of its last event. */
  readonly committed: (changes: readonly Change[]) => void;
  /** Neither this batch nor anything staged after it was kept. */
  readonly failed: (changes: readonly Change[], error: Error) => void;
}

interface Batch {
  readonly changes: Change[];
  readonly done: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

function newBatch(): Batch {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  // A batch may have nobody waiting (a noted lost answer); its failure is reported by `failed`.
  promise.catch(() => {});
  return { changes: [], done: promise, resolve, reject };
}

export class GroupCommit {
  readonly #store: Store;
  readonly #outcomes: Outcomes;
  #gathering = newBatch();
  #scheduled = false;
  #flushing: Promise<void> | undefined;
  /** The last index given to an event. After a failure there is a gap: an index is never given twice. */
  #assigned: number;
  #durable: number;

  constructor(store: Store, lastIndex: number, outcomes: Outcomes) {
    this.#store = store;
    this.#assigned = lastIndex;
    this.#durable = lastIndex;
    this.#outcomes = outcomes;
  }

  /** The last durable event. */
  get durable(): number {
    return this.#durable;
  }

  /** The first index that no event has. */
  get nextIndex(): number {
    return this.#assigned + 1;
  }

  /**
   * Adds a change to the batch that is gathering.
   * @param lastIndex Of the events that this change makes; unchanged when it makes none.
   * @returns settles with the batch.
   * @throws EnvironmentError (as a rejection) when the store could not keep the batch.
   */
  stage(change: Change, lastIndex: number): Promise<void> {
    this.#gathering.changes.push(change);
    if (lastIndex > this.#assigned) this.#assigned = lastIndex;
    this.#schedule();
    return this.#gathering.done;
  }

  /** Settles when everything staged so far has. */
  settled(): Promise<void> {
    return this.#gathering.changes.length > 0 ? this.#gathering.done : (this.#flushing ?? Promise.resolve());
  }

  #schedule(): void {
    if (this.#scheduled || this.#flushing !== undefined) return;
    this.#scheduled = true;
    // After the poll phase: every request whose bytes have arrived this turn has been read by then.
    setImmediate(() => {
      this.#scheduled = false;
      void this.#flush();
    });
  }

  async #flush(): Promise<void> {
    const batch = this.#gathering;
    this.#gathering = newBatch();
    this.#flushing = batch.done;
    const index = this.#assigned;
    try {
      await this.#store.commit(batch.changes, index);
    } catch (error) {
      this.#fail(batch, error);
      return;
    }
    this.#durable = index;
    this.#flushing = undefined;
    this.#outcomes.committed(batch.changes);
    batch.resolve();
    if (this.#gathering.changes.length > 0) this.#schedule();
  }

  #fail(batch: Batch, cause: unknown): void {
    const error = cause instanceof Error ? cause : new InvariantError(`the store threw ${String(cause)}`);
    // What gathered meanwhile was decided on top of the batch that is lost.
    const dependent = this.#gathering;
    this.#gathering = newBatch();
    this.#flushing = undefined;
    this.#outcomes.failed([...batch.changes, ...dependent.changes], error);
    batch.reject(error);
    dependent.reject(error);
    // Anything but the machine's refusal is our own bug, and stops the process.
    if (!(error instanceof EnvironmentError)) throw error;
  }
}
