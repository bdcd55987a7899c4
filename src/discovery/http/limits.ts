/**
 * Bounds on what one client may change, and on how much is read at once.
 *
 * Only what a person or a script repeats is refused with 429: making tokens. A member's registration never is, since
 * a 429 there makes the etcd that got it exit; its reads may be put off with 503, which etcd retries.
 */
import ipaddr from "ipaddr.js";
import { RateLimiterMemory, type RateLimiterRes } from "rate-limiter-flexible";

/** Bytes of a request body. A registration has some hundred; a declared cluster of 100 members some thousand. */
export const BODY_BYTES_MAX = 65_536;

/** Reads being answered at once; above it, reads get 503 with Retry-After. */
export const READS_IN_FLIGHT_MAX = 10_000;

export interface ChangeLimiter {
  /** @returns undefined when the change may happen, else whole seconds until one may again. */
  take(address: string): Promise<number | undefined>;
}

/** @param perSecond Changes of one client in one second; 0: no limit, hence no limiter. */
export function createChangeLimiter(perSecond: number): ChangeLimiter | undefined {
  if (perSecond === 0) return undefined;
  // An entry lives for the second it counts, so the table holds no more than one second's clients.
  const limiter = new RateLimiterMemory({ points: perSecond, duration: 1 });
  return {
    take: (address) =>
      limiter.consume(clientKey(address)).then(
        () => undefined,
        (refusal: RateLimiterRes) => Math.max(1, Math.ceil(refusal.msBeforeNext / 1000)),
      ),
  };
}

/** An IPv6 client owns a whole /64 and can change its address within it at will: the /64 is the client. */
export function clientKey(address: string): string {
  if (!address.includes(":") || !ipaddr.IPv6.isValid(address)) return address;
  return ipaddr.IPv6.parse(address)
    .parts.slice(0, 4)
    .map((part) => part.toString(16))
    .join(":");
}
