/**
 * Every reason for which the discovery service says no. The edge (HTTP, command line) maps these to status numbers
 * with a table that does not compile until a new reason has its row.
 */
import { RefusedError } from "../lib/errors.ts";

export const REFUSAL_CODES = [
  // creating a token
  "size_out_of_range",
  "bad_declaration",
  "bad_domain",
  "domain_not_allowed",
  "domain_taken",
  /** A custom token exists with another size. */
  "size_fixed",
  // any request for a token
  "token_unknown",
  "token_expired",
  /** Deleted by whoever held it. */
  "token_retired",
  // a member's registration
  "value_malformed",
  /** The id is taken: by another value, or by the same one in a sealed cluster. */
  "member_exists",
  "name_taken",
  "url_taken",
  /** A loopback or unspecified address in a cluster of several machines. */
  "loopback_url",
  /** The id and value that a defaulted peer URL gives to every machine, from a second machine. */
  "defaulted_url",
  "discovery_url_mismatch",
  "too_many_members",
  // a member's deletion
  "member_unknown",
  "sealed",
  "too_many_removals",
] as const;

export type RefusalCode = (typeof REFUSAL_CODES)[number];

/** @throws RefusedError always. @param sentence What was wrong, with which value, and what to do. */
export function refuse(code: RefusalCode, sentence: string, options?: ErrorOptions): never {
  throw new RefusedError(code, sentence, options);
}

export function isRefusalCode(code: string): code is RefusalCode {
  return (REFUSAL_CODES as readonly string[]).includes(code);
}
