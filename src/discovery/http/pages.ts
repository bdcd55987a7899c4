/** The small pages beside the keys: health, metrics, version, robots, and a word for whoever opens the address. */
import { VERSION } from "../../lib/version.ts";
import type { HttpHandler } from "./context.ts";
import type { HealthCheck } from "./health.ts";
import type { HttpMetrics } from "./metrics.ts";
import { plainError } from "./v2-error.ts";

const PLAIN = { "Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-store" };

/** `OK`, as discovery.etcd.io says it, or 503 with the reason. */
export function health(check: HealthCheck): HttpHandler {
  return async () => {
    const reason = await check();
    return reason === undefined
      ? new Response("OK", { headers: PLAIN })
      : plainError(503, `registrations cannot be stored: ${reason}`);
  };
}

/** One rendering serves all that ask meanwhile: it takes a millisecond, and one packet can hold 1,500 requests. */
export function metricsPage(metrics: HttpMetrics): HttpHandler {
  let rendering: Promise<string> | undefined;
  return async () => {
    rendering ??= metrics.text().finally(() => {
      rendering = undefined;
    });
    return new Response(await rendering, {
      headers: { "Content-Type": metrics.contentType, "Cache-Control": "no-store" },
    });
  };
}

export const version: HttpHandler = () =>
  new Response(JSON.stringify({ quorate: VERSION, node: process.version }), {
    headers: { "Content-Type": "application/json", "Cache-Control": "no-store" },
  });

/** Tokens are secrets: no crawler may follow a link that holds one. */
export const robots: HttpHandler = () =>
  new Response("User-agent: *\nDisallow: /", { headers: { "Content-Type": "text/plain; charset=utf-8" } });

export const home: HttpHandler = () =>
  new Response(
    `quorate ${VERSION}: discovery and bootstrap for etcd clusters

GET /new?size=3     a new token: give its URL to every member, etcd --discovery URL
GET /TOKEN?status   who has registered, who is missing
GET /health         whether registrations can be stored
GET /metrics        for Prometheus
`,
    { headers: PLAIN },
  );
