/**
 * Response rate limiting for UDP, where a source address may be forged: each client network has answers that refill
 * every second. Whoever has used his up gets empty truncated answers, no larger than the question, so a forged source
 * gains nothing and a real client goes on over TCP at once. (Dropping instead, as BIND does with every second one,
 * makes Go's resolver wait 5 s.) The method is BIND's and Knot's "RRL".
 *
 * A network is one number, the time at which all its answers are there again, in a table of fixed size that threads
 * share. They do not lock it: two that answer one network in the same instant may give it one answer too many.
 */

/** Networks remembered. Those that have all their answers need no place; two more in one place: one starts over. */
const PLACES = 65_536;
const WINDOW_MS = 1_000;
const FNV_PRIME = 0x0100_0193;

/** In shared memory. */
export interface RateTable {
  /** Random, so that nobody can choose networks that meet in one place. */
  readonly seed: number;
  /** Hash of the network in each place. */
  readonly networks: Uint32Array;
  /** Milliseconds of the clock: when it has all its answers again. */
  readonly fullAt: Float64Array;
}

/** @param places A power of two. */
export function createRateTable(seed: number, places: number = PLACES): RateTable {
  return {
    seed,
    networks: new Uint32Array(new SharedArrayBuffer(places * Uint32Array.BYTES_PER_ELEMENT)),
    fullAt: new Float64Array(new SharedArrayBuffer(places * Float64Array.BYTES_PER_ELEMENT)),
  };
}

export class ResponseRateLimiter {
  readonly #costMs: number;
  readonly #table: RateTable;

  /** @param perSecond Answers a second for each network, 1 or more; as many may come at once after a quiet second. */
  constructor(perSecond: number, table: RateTable) {
    this.#costMs = WINDOW_MS / perSecond;
    this.#table = table;
  }

  /**
   * @param address The client's, as Node gives it. @param nowMs Of one clock for all threads.
   * @returns whether the network may have a whole answer.
   */
  allow(address: string, nowMs: number): boolean {
    const { fullAt, networks } = this.#table;
    const network = hashOf(networkOf(address), this.#table.seed);
    const place = this.#placeOf(network, nowMs);
    const known = networks[place] === network ? (fullAt[place] ?? 0) : 0;
    // Half an answer more than a second: sums of fractions are not exact.
    const latest = nowMs + WINDOW_MS + this.#costMs / 2;
    // Later still can only be when the clock was set back.
    const full = (known > nowMs && known <= latest ? known : nowMs) + this.#costMs;
    if (full > latest) return false;
    networks[place] = network;
    fullAt[place] = full;
    return true;
  }

  /** One of two places: where the network is, else a free one. */
  #placeOf(network: number, nowMs: number): number {
    const { fullAt, networks } = this.#table;
    const mask = networks.length - 1;
    const first = network & mask;
    const second = (network >>> 16) & mask;
    if (networks[first] === network) return first;
    if (networks[second] === network) return second;
    return (fullAt[first] ?? 0) <= nowMs ? first : second;
  }
}

/** FNV-1a, with its best mixed bits moved down. */
function hashOf(text: string, seed: number): number {
  let hash = seed;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), FNV_PRIME);
  return (hash ^ (hash >>> 15)) >>> 0;
}

/**
 * The network that shares its answers: the /24 of an IPv4 address (also inside `::ffff:`), the /56 of an IPv6 one.
 * Those are what one site can freely change its address in.
 */
export function networkOf(address: string): string {
  if (!address.includes(":")) return address.slice(0, address.lastIndexOf("."));
  const dotted = /^::ffff:(\d+\.\d+\.\d+)\.\d+$/i.exec(address);
  if (dotted?.[1] !== undefined) return dotted[1];
  const [head = "", tail] = (address.split("%", 1)[0] ?? "").split("::");
  const before = head === "" ? [] : head.split(":");
  const after = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? 0 : 8 - before.length - after.length;
  const groups = [...before, ...Array.from({ length: zeros }, () => "0"), ...after].slice(0, 4);
  const [a = 0, b = 0, c = 0, d = 0] = groups.map((group) => Number.parseInt(group, 16));
  return `${a}:${b}:${c}:${d >> 8}`;
}
