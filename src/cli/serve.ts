/** `quorate serve`: the discovery service. Joins registry, HTTP and DNS, and stops them in order. */
import { join } from "node:path";
import { describeServeFlags, readServeOptions, SERVE_FLAGS, type ServeOptions } from "../config/serve.ts";
import type { Discovery } from "../discovery/discovery.ts";
import { createAccessLog } from "../discovery/http/access-log.ts";
import { createApp } from "../discovery/http/app.ts";
import { createClientAddresses } from "../discovery/http/client-address.ts";
import { createDnsQuery } from "../discovery/http/doh.ts";
import { createChangeLimiter } from "../discovery/http/limits.ts";
import { createHttpMetrics } from "../discovery/http/metrics.ts";
import { createOpenPolls } from "../discovery/http/open-polls.ts";
import { createPublicUrls } from "../discovery/http/public-url.ts";
import { type HttpServer, hostText, startHttp } from "../discovery/http/server.ts";
import { openTls, type TlsSource } from "../discovery/http/tls.ts";
import { createDiscovery } from "../discovery/service.ts";
import { openSqliteStore } from "../discovery/stores/sqlite.ts";
import { type DnsServer, startDns } from "../dns/start.ts";
import { createLogger, type Logger } from "../lib/logger.ts";
import { VERSION } from "../lib/version.ts";
import type { Command } from "./run.ts";
import { stopSignal } from "./stop-signal.ts";

/** What is in flight when the service is told to stop has this long to end. */
const SHUTDOWN_DEADLINE_MS = 10_000;

const REGISTRY_FILE = "registry.db";

/** A running service. */
export interface Serving {
  /** As bound, as URLs. */
  readonly httpAddresses: readonly string[];
  /** As bound, `HOST:PORT`. */
  readonly dnsAddresses: readonly string[];
  /** Answers what is in flight and closes everything. */
  close(): Promise<void>;
}

export const serve: Command = {
  flags: SERVE_FLAGS,
  async run(argv, warnings) {
    const options = readServeOptions(argv, process.env);
    if (options === undefined) {
      process.stdout.write(`${HELP}\n${describeServeFlags()}\n`);
      return 0;
    }
    const logger = createLogger(options.logLevel).named("cli/serve");
    for (const warning of warnings) logger.warn(warning);
    // Before anything is open: what is told to stop while it starts stops in good order too.
    const stopping = stopSignal((second) => {
      logger.warn("stopped at once by a second signal", { signal: second });
      process.exit(1);
    });
    const serving = await startServing(options, logger);
    const signal = await stopping;
    logger.info("stopping: answering what is in flight", { signal, "deadline-ms": SHUTDOWN_DEADLINE_MS });
    await serving.close();
    logger.info("stopped");
    return 0;
  },
};

/**
 * Starts everything, or nothing.
 * @throws EnvironmentError for a folder, file, port or certificate that cannot be used.
 */
export async function startServing(options: ServeOptions, logger: Logger): Promise<Serving> {
  // Closed in reverse order: the last that was opened stops first.
  const opened: (() => Promise<void>)[] = [];
  const closeAll = async (): Promise<void> => {
    for (const close of opened.toReversed()) await close();
  };
  try {
    const tls = options.tls === undefined ? undefined : openTls(options.tls, logger.named("http/tls"));
    if (tls !== undefined) opened.push(() => Promise.resolve(tls.close()));
    const discovery = await openDiscovery(options, logger);
    opened.push(() => discovery.close());
    const dns = await openDns(options, discovery, logger);
    if (dns !== undefined) opened.push(() => dns.close());
    const http = await openHttp(options, discovery, tls, dns, logger);
    opened.push(() => http.close(SHUTDOWN_DEADLINE_MS));

    const dnsAddresses = (dns?.addresses ?? []).map(({ host, port }) => `${hostText(host)}:${port}`);
    logger.info("ready to serve discovery requests", {
      version: VERSION,
      "listen-http": http.addresses,
      "listen-dns": dnsAddresses,
      "dns-zones": dns === undefined ? [] : options.dnsZones,
      registry: join(options.data, REGISTRY_FILE),
      try: `curl '${options.publicUrl ?? reachable(http.addresses[0] ?? "")}/new?size=3'`,
    });
    return { httpAddresses: http.addresses, dnsAddresses, close: closeAll };
  } catch (error) {
    await closeAll();
    throw error;
  }
}

async function openDiscovery(options: ServeOptions, logger: Logger): Promise<Discovery> {
  const store = await openSqliteStore(join(options.data, REGISTRY_FILE), logger);
  return createDiscovery({
    store,
    maxSize: options.maxSize,
    tokenTtlMs: options.tokenTtlMs,
    gcIntervalMs: options.gcIntervalMs,
    allowedDomains: options.dnsAllowedDomains,
    logger: logger.named("discovery"),
  });
}

async function openDns(
  options: ServeOptions,
  discovery: Discovery,
  logger: Logger,
): Promise<DnsServer | undefined> {
  if (options.listenDns.length === 0) return undefined;
  return startDns({
    listen: options.listenDns,
    zones: options.dnsZones,
    allowedDomains: options.dnsAllowedDomains,
    clientPort: options.dnsClientPort,
    rateLimit: options.dnsRateLimit,
    udpThreads: options.dnsThreads,
    secondaries: options.dnsSecondaries,
    allowTransfer: options.dnsAllowTransfer,
    nameServers: options.dnsNameServers,
    nameServerAddresses: options.dnsNameServerAddresses,
    discovery,
    logger: logger.named("dns"),
  });
}

async function openHttp(
  options: ServeOptions,
  discovery: Discovery,
  tls: TlsSource | undefined,
  dns: DnsServer | undefined,
  logger: Logger,
): Promise<HttpServer> {
  const [first] = options.listenHttp;
  const clients = createClientAddresses(options.trustProxy);
  const polls = createOpenPolls();
  const app = createApp({
    services: {
      discovery,
      logger: logger.named("http"),
      metrics: createHttpMetrics(discovery, dns === undefined ? undefined : () => dns.stats),
      clients,
      urls: createPublicUrls(
        options.publicUrl,
        clients,
        `${first?.scheme ?? "http"}://${hostText(first?.host ?? "127.0.0.1")}:${first?.port ?? 0}`,
      ),
      limiter: createChangeLimiter(options.rateLimit),
      polls,
      waitTimeoutMs: options.waitTimeoutMs,
      allowCustomTokens: options.allowCustomTokens,
    },
    dnsQuery:
      dns === undefined ? undefined : createDnsQuery(async (query) => copyOf(await dns.answer(query))),
    accessLog: options.logLevel === "debug" ? createAccessLog(logger.named("http"), clients) : undefined,
  });
  return startHttp({
    app,
    listen: options.listenHttp,
    tls,
    polls,
    waitTimeoutMs: options.waitTimeoutMs,
    index: () => discovery.index,
    logger: logger.named("http"),
  });
}

/** The DNS server keeps its answers and may share their memory; a response's body is its own. */
function copyOf(message: Uint8Array | undefined): Uint8Array<ArrayBuffer> | undefined {
  return message === undefined ? undefined : new Uint8Array(message);
}

/** An address to try from this machine: `0.0.0.0` and `[::]` are listened on but not connected to. */
function reachable(url: string): string {
  return url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//127.0.0.1:");
}

const HELP = `quorate serve: the discovery service

Usage: quorate serve [FLAGS]
`;
