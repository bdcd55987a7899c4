/** Names in the DNS: what may be a label, a domain, and which label stands for a token. */
import type { Token } from "./cluster.ts";

/** RFC 1035 §2.3.4: characters of a name without its final dot. */
export const DOMAIN_LENGTH_MAX = 253;

const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const MINTED = /^(?:[0-9a-f]{32}|[0-9a-f]{40})$/;
const CUSTOM_FOLDER = "discovery/";

/** True for a lower-case host label (RFC 1123 §2.1). */
export function isHostLabel(label: string): boolean {
  return LABEL.test(label);
}

/** True for 32 lower-case hex digits, or the 40 that etcd's documents show. */
export function isMintedToken(text: string): text is Token {
  return MINTED.test(text);
}

/**
 * A domain in lower case without final dot, or undefined when it is none: two labels or more, each a host label, the
 * last not all digits.
 */
export function normalDomain(text: string): string | undefined {
  const domain = text.toLowerCase().replace(/\.$/, "");
  const labels = domain.split(".");
  const usable =
    domain.length <= DOMAIN_LENGTH_MAX &&
    labels.length >= 2 &&
    labels.every(isHostLabel) &&
    !/^\d+$/.test(labels.at(-1) ?? "");
  return usable ? domain : undefined;
}

/** True when `domain` is `parent` or below it; both in lower case without final dot. */
export function isWithin(domain: string, parent: string): boolean {
  return domain === parent || domain.endsWith(`.${parent}`);
}

/**
 * The label below a zone that stands for a token: a minted token itself, LABEL of the custom token
 * `discovery/LABEL`. Undefined for what has no name in the DNS: other custom tokens, upper case (the DNS cannot tell
 * it from lower case), and custom names that look like a minted token (they would answer in its place).
 */
export function labelOfToken(token: Token): string | undefined {
  if (MINTED.test(token)) return token;
  const label = token.startsWith(CUSTOM_FOLDER) ? token.slice(CUSTOM_FOLDER.length) : "";
  return isHostLabel(label) && !isMintedToken(label) ? label : undefined;
}

/** The inverse of `labelOfToken`, for a label in any case. */
export function tokenOfLabel(label: string): Token | undefined {
  const lower = label.toLowerCase();
  if (isMintedToken(lower)) return lower;
  return isHostLabel(lower) ? ((CUSTOM_FOLDER + lower) as Token) : undefined;
}
