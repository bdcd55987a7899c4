/**
 * Response rate limiting for UDP, where a source address may be forged: each client network has a bucket of answers
 * that refills every second. Whoever empties it gets empty truncated answers, no larger than the question, so a
 * forged source gains nothing and a real client goes on over TCP at once. (Dropping instead, as BIND does with every
 * second one, makes Go's resolver wait 5 s.) The method is BIND's and Knot's "RRL".
 */

/** Networks remembered; when there are more, the one remembered longest starts over with a full bucket. */
const NETWORKS_MAX = 65_536;

interface Bucket {
  answers: number;
  /** Milliseconds, on the caller's clock. */
  refilledAt: number;
}

export class ResponseRateLimiter {
  readonly #perSecond: number;
  readonly #networksMax: number;
  readonly #buckets = new Map<string, Bucket>();

  /** @param perSecond Answers a second for each network, 1 or more; as many may come at once after a quiet second. */
  constructor(perSecond: number, networksMax: number = NETWORKS_MAX) {
    this.#perSecond = perSecond;
    this.#networksMax = networksMax;
  }

  get networks(): number {
    return this.#buckets.size;
  }

  /**
   * @param address The client's, as Node gives it. @param nowMs From a clock that does not go back.
   * @returns whether the network may have a whole answer.
   */
  allow(address: string, nowMs: number): boolean {
    const network = networkOf(address);
    const bucket = this.#buckets.get(network);
    if (bucket === undefined) {
      if (this.#buckets.size >= this.#networksMax) this.#forgetOldest();
      this.#buckets.set(network, { answers: this.#perSecond - 1, refilledAt: nowMs });
      return true;
    }
    const refill = ((nowMs - bucket.refilledAt) * this.#perSecond) / 1000;
    bucket.answers = Math.min(this.#perSecond, bucket.answers + refill);
    bucket.refilledAt = nowMs;
    if (bucket.answers < 1) return false;
    bucket.answers -= 1;
    return true;
  }

  #forgetOldest(): void {
    for (const network of this.#buckets.keys()) {
      this.#buckets.delete(network);
      return;
    }
  }
}

/**
 * The network that shares a bucket: the /24 of an IPv4 address (also inside `::ffff:`), the /56 of an IPv6 one. Those
 * are what one site can freely change its address in.
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
