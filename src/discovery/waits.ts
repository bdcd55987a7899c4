/**
 * The long polls that are open: who waits for what, and until when. Knows no rules: whether a cluster has something
 * for a poll is asked of history.ts, by the service, which also says when to look.
 */
import type { Token } from "./cluster.ts";
import type { WaitOutcome, WaitRequest } from "./discovery.ts";

/** Longest timer that Node keeps, in milliseconds; a poll beyond it ends quietly early. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/**
 * Polls open on one token; beyond it that token's oldest is ended quietly. Room for a cluster of the largest size,
 * 1000, with all the surplus members it may have. A registration answers them all in one go, at some 85 µs each
 * (measured).
 */
const POLLS_PER_TOKEN_MAX = 2000;

export class Waits {
  readonly #max: number;
  /** Oldest first. */
  readonly #open = new Set<Wait>();
  readonly #byToken = new Map<Token, Set<Wait>>();

  /** @param max Polls open at once; beyond it the oldest is ended quietly, and its client asks again. */
  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#open.size;
  }

  /**
   * Waits until somebody ends it.
   * @param limitMs When to call `onTimeout`, which says how the poll ends.
   */
  add(
    request: WaitRequest,
    limitMs: number,
    onTimeout: () => WaitOutcome,
    quiet: () => WaitOutcome,
  ): Promise<WaitOutcome> {
    return new Promise((resolve) => {
      const end = (outcome: WaitOutcome): void => {
        clearTimeout(timer);
        request.signal.removeEventListener("abort", onAbort);
        this.#open.delete(wait);
        const others = this.#byToken.get(request.token);
        others?.delete(wait);
        if (others?.size === 0) this.#byToken.delete(request.token);
        resolve(outcome);
      };
      const onAbort = (): void => end(quiet());
      const timer = setTimeout(() => end(onTimeout()), Math.min(Math.max(limitMs, 0), TIMER_MS_MAX));
      // The service's sockets keep the process alive; a waiting poll alone does not.
      timer.unref();
      request.signal.addEventListener("abort", onAbort);
      const wait: Wait = { request, end };
      this.#open.add(wait);
      const onToken = this.#byToken.get(request.token) ?? new Set();
      this.#byToken.set(request.token, onToken.add(wait));
      if (onToken.size > POLLS_PER_TOKEN_MAX) oldest(onToken)?.end(quiet());
      if (this.#open.size > this.#max) oldest(this.#open)?.end(quiet());
    });
  }

  /** The polls open on a token now; safe to end while walking. */
  on(token: Token): readonly Wait[] {
    const waits = this.#byToken.get(token);
    return waits === undefined ? NONE : [...waits];
  }

  /** Ends all polls. */
  endAll(outcome: WaitOutcome): void {
    for (const wait of this.#open) wait.end(outcome);
  }
}

/** A set keeps the order in which it was filled. */
function oldest(waits: ReadonlySet<Wait>): Wait | undefined {
  return waits.values().next().value;
}

const NONE: readonly Wait[] = [];

export interface Wait {
  readonly request: WaitRequest;
  readonly end: (outcome: WaitOutcome) => void;
}
