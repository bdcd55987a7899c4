/** Joins the routes into one application. It knows no socket: `app.request("/new")` works in a test. */
import { Hono } from "hono";
import type { AccessLog } from "./access-log.ts";
import type { Connection, HttpContext, HttpHandler, HttpServices } from "./context.ts";
import { plainFailure, tokenFailure } from "./failure.ts";
import { answerHeadAsGet } from "./head.ts";
import { createHealthCheck } from "./health.ts";
import { pathOf } from "./key-path.ts";
import { type MethodTable, methods } from "./methods.ts";
import type { Endpoint } from "./metrics.ts";
import { createNew } from "./new.ts";
import { health, home, metricsPage, robots, version } from "./pages.ts";
import { createTokenRoutes } from "./token.ts";
import { plainError } from "./v2-error.ts";

export type App = Hono<{ Bindings: Connection }>;

export interface AppOptions {
  readonly services: HttpServices;
  /** Answers DNS over HTTPS at `/dns-query`; undefined: no DNS is served. */
  readonly dnsQuery?: HttpHandler | undefined;
  /** Called for every request that was answered; undefined: no access log. */
  readonly accessLog?: AccessLog | undefined;
}

export function createApp({ services, dnsQuery, accessLog }: AppOptions): App {
  const { discovery, metrics } = services;
  const app: App = new Hono<{ Bindings: Connection }>({ getPath: (request) => pathOf(request.url) });

  const keep = answerHeadAsGet(app);

  const observed = (endpoint: Endpoint, handler: HttpHandler): HttpHandler => {
    return async (c) => {
      const startedAt = performance.now();
      let response: Response;
      try {
        response = await handler(c);
      } catch (error) {
        response = endpoint === "token" ? tokenFailure(services, c, error) : plainFailure(services, error);
      }
      const isPoll = endpoint === "token" && c.req.raw.url.includes("wait=true");
      metrics.answered(endpoint, c.req.method, response.status, isPoll ? undefined : startedAt);
      accessLog?.(c, response.status, performance.now() - startedAt);
      return keep(c, response);
    };
  };
  const quiet = (handler: HttpHandler): HttpHandler => {
    return async (c) => keep(c, await handler(c));
  };
  const page = (table: MethodTable, options?: { head: boolean }): HttpHandler =>
    methods(table, refuseMethod, options);

  const create = createNew(services);
  app.all("/new", observed("new", page({ GET: create, PUT: create, POST: create }, { head: false })));
  app.all("/health", observed("health", page({ GET: health(createHealthCheck(discovery)) })));
  app.all("/metrics", quiet(page({ GET: metricsPage(metrics) })));
  app.all("/version", quiet(page({ GET: version })));
  app.all("/robots.txt", quiet(page({ GET: robots })));
  app.all("/", quiet(page({ GET: home })));
  if (dnsQuery !== undefined) app.all("/dns-query", quiet(page({ GET: dnsQuery, POST: dnsQuery })));

  // Every other path is a key, or a miss that etcd must be able to read. Not a `*` route: that would match the
  // pages too, and send each of them through hono's middleware chain.
  app.notFound(observed("token", createTokenRoutes(services)));
  app.onError((error, c) => tokenFailure(services, c, error));
  return app;
}

function refuseMethod(c: HttpContext, allow: string): Response {
  return plainError(405, `${c.req.method} is not for this path; allowed: ${allow}`, { Allow: allow });
}
