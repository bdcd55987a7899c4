/** What every route is given: the service behind it, and the request with its connection. */
import type { Http2Bindings, HttpBindings } from "@hono/node-server";
import type { Context } from "hono";
import type { Logger } from "../../lib/logger.ts";
import type { Discovery } from "../discovery.ts";
import type { ClientAddresses } from "./client-address.ts";
import type { ChangeLimiter } from "./limits.ts";
import type { HttpMetrics } from "./metrics.ts";
import type { OpenPolls } from "./open-polls.ts";
import type { PublicUrls } from "./public-url.ts";

/** A request and its answer as node has them: over HTTP/1.1, or one stream of an HTTP/2 connection. */
export type Connection = HttpBindings | Http2Bindings;

export type HttpContext = Context<{ Bindings: Connection }>;
export type HttpHandler = (c: HttpContext) => Response | Promise<Response>;

export interface HttpServices {
  readonly discovery: Discovery;
  readonly logger: Logger;
  readonly metrics: HttpMetrics;
  readonly clients: ClientAddresses;
  readonly urls: PublicUrls;
  /** undefined: no limit. */
  readonly limiter: ChangeLimiter | undefined;
  readonly polls: OpenPolls;
  /** A quiet long poll ends after this. */
  readonly waitTimeoutMs: number;
  readonly allowCustomTokens: boolean;
}

/** What is under a request; undefined in tests that call the app without any. */
export function connectionOf(c: HttpContext): Connection | undefined {
  // hono hands on whatever env it was called with, which `app.request()` leaves out.
  const env = c.env as Partial<Connection> | undefined;
  return env?.incoming !== undefined && env.outgoing !== undefined ? (env as Connection) : undefined;
}
