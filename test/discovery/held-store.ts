/** A store whose commits wait until the test lets them go, or fail when it says so; otherwise the one inside. */
import type { Change, Store } from "../../src/discovery/store.ts";

export class HeldStore implements Store {
  readonly #inside: Store;
  readonly #arrivals: (() => void)[] = [];
  /** Batches that the service has handed over, in order. */
  readonly batches: { readonly changes: readonly Change[]; readonly index: number }[] = [];
  /** Commits wait for `release` while this is true. */
  holding = false;
  /** The next commits fail with this. */
  failure: Error | undefined;
  /** How often each token was read. */
  readonly loads: string[] = [];
  /** Commits that are under way at this moment, and the most there ever were. */
  open = 0;
  mostOpen = 0;
  #gates: (() => void)[] = [];

  constructor(inside: Store) {
    this.#inside = inside;
  }

  /** Lets all held commits go. */
  release(): void {
    const gates = this.#gates;
    this.#gates = [];
    for (const gate of gates) gate();
  }

  /** Resolves when the `count`th batch (from 1) has been handed over. */
  async arrived(count: number): Promise<void> {
    while (this.batches.length < count)
      await new Promise<void>((resolve) => {
        this.#arrivals.push(resolve);
      });
  }

  async commit(changes: readonly Change[], index: number): Promise<void> {
    this.batches.push({ changes, index });
    for (const arrival of this.#arrivals.splice(0)) arrival();
    this.open++;
    this.mostOpen = Math.max(this.mostOpen, this.open);
    try {
      if (this.holding)
        await new Promise<void>((resolve) => {
          this.#gates.push(resolve);
        });
      if (this.failure !== undefined) throw this.failure;
      await this.#inside.commit(changes, index);
    } finally {
      this.open--;
    }
  }

  load: Store["load"] = (token) => {
    this.loads.push(token);
    return this.#inside.load(token);
  };

  lastIndex: Store["lastIndex"] = () => this.#inside.lastIndex();
  loadByDomain: Store["loadByDomain"] = (domain) => this.#inside.loadByDomain(domain);
  domainBelow: Store["domainBelow"] = (domain) => this.#inside.domainBelow(domain);
  expired: Store["expired"] = (now, limit) => this.#inside.expired(now, limit);
  forget: Store["forget"] = (now, limit) => this.#inside.forget(now, limit);
  page: Store["page"] = (after, limit) => this.#inside.page(after, limit);
  checkWritable: Store["checkWritable"] = () => this.#inside.checkWritable();
  stats: Store["stats"] = () => this.#inside.stats();
  close: Store["close"] = () => this.#inside.close();
}
