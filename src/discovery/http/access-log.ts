/** One line a request, at debug level. A path that holds a token is a secret: its hash stands there instead. */
import type { Logger } from "../../lib/logger.ts";
import { tokenHash } from "../token-hash.ts";
import type { ClientAddresses } from "./client-address.ts";
import type { HttpContext } from "./context.ts";
import { keyNamesOf, pathOf } from "./key-path.ts";

/** @param ms Until the answer was ready. */
export type AccessLog = (c: HttpContext, status: number, ms: number) => void;

export function createAccessLog(logger: Logger, clients: ClientAddresses): AccessLog {
  return (c, status, ms) => {
    logger.debug("request", {
      method: c.req.method,
      ...nameOf(pathOf(c.req.raw.url)),
      status,
      "took-ms": Math.round(ms * 1000) / 1000,
      "remote-addr": clients.addressOf(c),
    });
  };
}

/** Pages by their path; everything else may hold a token, well-formed or not. */
function nameOf(path: string): Readonly<Record<string, string>> {
  if (PAGES.has(path)) return { path };
  const name = keyNamesOf(path)?.at(-1);
  return name === undefined
    ? { path: "other" }
    : { "token-hash": tokenHash(name.token), node: name.node.type };
}

const PAGES: ReadonlySet<string> = new Set([
  "/",
  "/new",
  "/health",
  "/metrics",
  "/version",
  "/robots.txt",
  "/dns-query",
]);
