/** What every route is given: the service behind it, and the request with its connection. */
import type { HttpBindings } from "@hono/node-server";
import type { Context } from "hono";
import type { Logger } from "../../lib/logger.ts";
import type { Discovery } from "../discovery.ts";
import type { ClientAddresses } from "./client-address.ts";
import type { ChangeLimiter } from "./limits.ts";
import type { HttpMetrics } from "./metrics.ts";
import type { OpenPolls } from "./open-polls.ts";
import type { PublicUrls } from "./public-url.ts";

export type HttpContext = Context<{ Bindings: HttpBindings }>;
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

/** The node sockets under a request; undefined in tests that call the app without any. */
export function connectionOf(c: HttpContext): HttpBindings | undefined {
  // hono hands on whatever env it was called with, which `app.request()` leaves out.
  const env = c.env as Partial<HttpBindings> | undefined;
  return env?.incoming !== undefined && env.outgoing !== undefined ? (env as HttpBindings) : undefined;
}
