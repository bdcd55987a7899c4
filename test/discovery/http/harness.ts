/** The real service (rules, group commit, SQLite in a folder of its own) behind the app, with time as the test says. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { HttpBindings } from "@hono/node-server";
import { onTestFinished } from "vitest";
import type { Discovery } from "../../../src/discovery/discovery.ts";
import { type AccessLog, createAccessLog } from "../../../src/discovery/http/access-log.ts";
import { type App, createApp } from "../../../src/discovery/http/app.ts";
import { createClientAddresses } from "../../../src/discovery/http/client-address.ts";
import { createChangeLimiter } from "../../../src/discovery/http/limits.ts";
import { createHttpMetrics } from "../../../src/discovery/http/metrics.ts";
import { createOpenPolls, type OpenPolls } from "../../../src/discovery/http/open-polls.ts";
import { createPublicUrls } from "../../../src/discovery/http/public-url.ts";
import { createDiscovery } from "../../../src/discovery/service.ts";
import { openSqliteStore } from "../../../src/discovery/stores/sqlite.ts";
import { createLogger } from "../../../src/lib/logger.ts";

export interface HarnessOptions {
  readonly publicUrl?: string;
  readonly trustProxy?: readonly string[];
  readonly rateLimit?: number;
  readonly waitTimeoutMs?: number;
  readonly allowCustomTokens?: boolean;
  readonly allowedDomains?: readonly string[];
  readonly maxSize?: number;
  readonly tokenTtlMs?: number;
  /** Stands in for parts of the service, to see what the HTTP side makes of them. */
  readonly wrap?: (discovery: Discovery) => Discovery;
}

export interface Harness {
  readonly app: App;
  readonly discovery: Discovery;
  readonly polls: OpenPolls;
  /** Every log line so far. */
  readonly logged: string[];
  /** The service's clock, in milliseconds since 1970. */
  readonly clock: { now: number };
  /** A new token's URL path, `/TOKEN`. */
  readonly newToken: (query?: string) => Promise<string>;
  readonly put: (path: string, value: string, env?: HttpBindings) => Promise<Response>;
}

/** Everything is closed and removed when the test ends. */
export async function openHarness(options: HarnessOptions = {}): Promise<Harness> {
  const folder = mkdtempSync(join(tmpdir(), "quorate-http-"));
  const clock = { now: Date.UTC(2026, 0, 2, 3, 4, 5) };
  const logged: string[] = [];
  const logger = createLogger("debug", (line) => logged.push(line));
  const service = await createDiscovery({
    store: await openSqliteStore(join(folder, "registry.db")),
    now: () => clock.now,
    gcIntervalMs: 0,
    logger,
    ...(options.allowedDomains === undefined ? {} : { allowedDomains: options.allowedDomains }),
    ...(options.maxSize === undefined ? {} : { maxSize: options.maxSize }),
    ...(options.tokenTtlMs === undefined ? {} : { tokenTtlMs: options.tokenTtlMs }),
  });
  const discovery = options.wrap?.(service) ?? service;
  const clients = createClientAddresses(options.trustProxy ?? []);
  const polls = createOpenPolls();
  const accessLog: AccessLog = createAccessLog(logger, clients);
  const app = createApp({
    services: {
      discovery,
      logger,
      metrics: createHttpMetrics(discovery),
      clients,
      urls: createPublicUrls(options.publicUrl, clients, "http://127.0.0.1:8087"),
      limiter: createChangeLimiter(options.rateLimit ?? 0),
      polls,
      waitTimeoutMs: options.waitTimeoutMs ?? 50_000,
      allowCustomTokens: options.allowCustomTokens ?? true,
    },
    accessLog,
  });
  onTestFinished(async () => {
    polls.endAll();
    await service.close();
    rmSync(folder, { recursive: true, force: true });
  });
  return {
    app,
    discovery,
    polls,
    logged,
    clock,
    async newToken(query = "") {
      const response = await app.request(`http://quorate.test/new${query}`);
      if (response.status !== 200) throw new Error(`/new${query} answered ${response.status}`);
      return new URL(await response.text()).pathname;
    },
    put: async (path, value, env) => app.request(path, { method: "PUT", body: form({ value }) }, env),
  };
}

export function form(values: Readonly<Record<string, string>>): URLSearchParams {
  return new URLSearchParams(values);
}

/** A connection from `address`, as much of one as the app looks at. @param to The server's end of it. */
export function connectionFrom(
  address: string,
  headers: Readonly<Record<string, string>> = {},
  to = "192.0.2.1",
): HttpBindings {
  const socket = { remoteAddress: address, localAddress: to, destroyed: false, readableEnded: false };
  const connection = {
    incoming: { socket, headers },
    outgoing: { closed: false, once: () => undefined, destroy: () => undefined },
  };
  return connection as unknown as HttpBindings;
}

export interface V2Answer {
  readonly action?: string;
  readonly node?: {
    readonly key: string;
    readonly value?: string;
    readonly dir?: boolean;
    readonly nodes?: readonly {
      readonly key: string;
      readonly value: string;
      readonly createdIndex: number;
    }[];
    readonly createdIndex: number;
    readonly modifiedIndex: number;
  };
  readonly prevNode?: { readonly value?: string };
  readonly errorCode?: number;
  readonly message?: string;
  readonly cause?: string;
  readonly index?: number;
}

export async function json(response: Response | Promise<Response>): Promise<V2Answer> {
  return (await (await response).json()) as V2Answer;
}

/** Status and errorCode, and what of the cause the test asks for. */
export async function refusal(
  response: Response | Promise<Response>,
): Promise<{ status: number; errorCode: number | undefined; cause: string }> {
  const { status } = await response;
  const { errorCode, cause } = await json(response);
  return { status, errorCode, cause: cause ?? "" };
}
