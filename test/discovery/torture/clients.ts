/** The load: clients that create and register, and members that wait as etcd does. */
import { type Ledger, must } from "./ledger.ts";
import type { Random } from "./random.ts";
import type { ServiceUnderTest } from "./service-under-test.ts";

/** Most clusters that are being filled at one time; older ones are only verified. */
const OPEN_CLUSTERS = 12;

export class Nodes {
  #last = 0;

  /** A node that nobody has seen: its id and value. */
  next(): { readonly id: string; readonly value: string } {
    this.#last++;
    const n = this.#last;
    const address = `10.${(n >> 16) & 255}.${(n >> 8) & 255}.${n & 255}`;
    return { id: n.toString(16), value: `m${n}=http://${address}:2380` };
  }
}

/** Does one random thing. Throws `Died` when the service dies under it. */
export async function actOnce(
  service: ServiceUnderTest,
  ledger: Ledger,
  random: Random,
  nodes: Nodes,
): Promise<void> {
  const open = ledger.tokens.slice(-OPEN_CLUSTERS);
  const token = open[random.below(Math.max(open.length, 1))];
  const what = random.below(10);
  if (token === undefined || what < 3) {
    const size = 1 + random.below(7);
    ledger.created(await service.create(size), size);
  } else if (what < 8) {
    const { id, value } = nodes.next();
    const createdIndex = await service.register(token, id, value);
    must(createdIndex !== undefined, `the first registration of ${id} was refused`);
    ledger.registered(token, id, createdIndex);
    if (!random.chance(0.2)) return;
    // The same again: its success with the same index before the seal (and for proxies), or a refusal.
    const again = await service.register(token, id, value);
    if (again !== undefined) ledger.registered(token, id, again);
  } else {
    ledger.listed(token, await service.list(token));
  }
}

/**
 * A member that has registered and waits for the others, as etcd does: read, then count events from the index of the
 * read on. It lives through restarts of the service without reading again.
 */
export class Waiter {
  readonly token: string;
  readonly #size: number;
  readonly #seen: string[] = [];
  #waitIndex: number | undefined;

  constructor(token: string, size: number) {
    this.token = token;
    this.#size = size;
  }

  get complete(): boolean {
    return this.#seen.length >= this.#size;
  }

  /** Waits on until the cluster is complete. Throws `Died` when the service dies; call it again with the next one. */
  async follow(service: ServiceUnderTest): Promise<void> {
    if (this.#waitIndex === undefined) {
      const listing = await service.list(this.token);
      must(listing !== undefined, `token ${this.token} was acknowledged and is unknown`);
      this.#seen.push(...listing.members.map(({ id }) => id));
      this.#waitIndex = listing.index + 1;
    }
    while (!this.complete) {
      const event = await service.wait(this.token, this.#waitIndex);
      if (event === undefined) continue;
      this.#seen.push(event.id);
      this.#waitIndex = event.createdIndex + 1;
    }
  }

  /** Against the listing of the complete cluster: every member was counted once, in order. */
  check(members: readonly string[]): void {
    const wanted = members.slice(0, this.#size).join(" ");
    const counted = this.#seen.slice(0, this.#size).join(" ");
    must(counted === wanted, `a waiter of ${this.token} counted ${counted}; the members are ${wanted}`);
  }
}
