import { createHash } from "node:crypto";
import type { Token } from "./cluster.ts";

/** A short hash that stands for a token in logs: a token is a capability and must not appear there itself. */
export function tokenHash(token: Token): string {
  return createHash("sha256").update(token).digest("hex").slice(0, 12);
}
