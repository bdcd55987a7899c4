/**
 * Starts the DNS half of the service: a responder over the registry, UDP and TCP servers on every listen address,
 * transfers to secondaries and the NOTIFYs that wake them. The command line and the HTTP server meet DNS only here.
 */
import { networkInterfaces } from "node:os";
import { must } from "../lib/assert.ts";
import { InvariantError } from "../lib/errors.ts";
import type { Logger } from "../lib/logger.ts";
import { throttledLog } from "../lib/throttled-log.ts";
import { createScopes } from "./answers.ts";
import { addressesOf, bindTcp, bindUdp, codeOf, probeUdp, showEndpoint } from "./bind.ts";
import { isBelow } from "./name.ts";
import { createNetworks } from "./networks.ts";
import { createNotifier, isLoopback, type Notifier, notifyMessage } from "./notify.ts";
import { createRateTable } from "./rate-limit.ts";
import {
  type ClusterSource,
  type QueryContext,
  type Reply,
  type Responder,
  type ResponderStats,
  randomSeed,
} from "./responder.ts";
import { type AnswerStream, createTcpServer, type TcpServer } from "./server-tcp.ts";
import { createUdpServer, type UdpServer } from "./server-udp.ts";
import { createDatagramAnswer, createServingResponder, type Respond, respondAlways } from "./serving.ts";
import { snapshotting } from "./snapshot.ts";
import { createTransfers } from "./transfer.ts";
import { CAN_SHARE_PORTS, startUdpThreads, type UdpThreads, type UdpThreadsOptions } from "./udp-threads.ts";

/** Where a socket is or should be: an IP address (or a name of this machine) and a port. */
export interface Endpoint {
  readonly host: string;
  /** 0: any free port; UDP and TCP get the same one. */
  readonly port: number;
}

export interface DnsOptions {
  /** Each is served over UDP and TCP. */
  readonly listen: readonly Endpoint[];
  /** Zones in which every cluster has its names: lower case, without the final dot. The first is the main one. */
  readonly zones: readonly string[];
  /** Domains that clusters may own, themselves or below them: lower case, without the final dot. */
  readonly allowedDomains: readonly string[];
  /** Port of the client records (`_etcd-client._tcp`). */
  readonly clientPort: number;
  /** UDP answers a second for one client network (IPv4 /24, IPv6 /56); 0 is off. */
  readonly rateLimit: number;
  /** Threads that answer UDP; 0: the one that does everything else. Where ports cannot be shared, 1 at most. */
  readonly udpThreads: number;
  /** IP addresses and ports. They get a NOTIFY for every change, and may transfer the zones. */
  readonly secondaries: readonly Endpoint[];
  /** Networks (`10.0.0.0/8`, `2001:db8::/32`, or single addresses) that may transfer the zones as well. */
  readonly allowTransfer: readonly string[];
  /** Names of the NS records; empty: `ns.ZONE`. */
  readonly nameServers: readonly string[];
  /** Addresses published for name servers that lie inside a zone. */
  readonly nameServerAddresses: readonly string[];
  readonly discovery: ClusterSource;
  readonly logger: Logger;
}

/** What has happened since the start, for metrics; and two gauges. */
export interface DnsStats {
  readonly udpQueries: number;
  readonly tcpQueries: number;
  /** Over HTTPS. */
  readonly httpsQueries: number;
  /** UDP queries that were told to come over TCP by the rate limit. */
  readonly rateLimited: number;
  readonly transfers: number;
  /** Now. */
  readonly tcpConnections: number;
  readonly cache: ResponderStats;
}

export interface DnsServer {
  readonly stats: DnsStats;
  /** As bound: real ports, in the order of `listen`. */
  readonly addresses: readonly Endpoint[];
  /**
   * Answers one query that came some other way (DNS over HTTPS): no truncation, no rate limit.
   * @param query A DNS message in wire format.
   * @returns the answer in wire format; undefined when it deserves none (not a query at all).
   */
  answer(query: Uint8Array): Promise<Reply>;
  /** Answers what is in flight and closes every socket. */
  close(): Promise<void>;
}

/** For queries that wait for the registry, and for TCP clients that have not taken their answers yet. */
const CLOSE_GRACE_MS = 2_000;
/** Ports tried where any will do: the one UDP got may be taken for TCP. */
const FREE_PORT_TRIES = 20;

const TCP: QueryContext = { transport: "tcp" };
const HTTPS: QueryContext = { transport: "https" };

/**
 * @throws EnvironmentError naming --listen-dns and the address, when it is in use or not allowed.
 * @throws UsageError for zones, names and networks that cannot be used.
 */
export async function startDns(options: DnsOptions): Promise<DnsServer> {
  const { discovery, secondaries, zones, allowedDomains, clientPort, nameServers, nameServerAddresses } =
    options;
  const logger = options.logger.named("dns/start");
  const failed = throttledLog((msg, fields) => logger.error(msg, fields));
  const onError = (error: unknown): void => {
    if (error instanceof InvariantError) throw error;
    failed("failed to answer DNS queries", { error });
  };
  const scopes = createScopes(randomSeed());
  const settings = { zones, allowedDomains, clientPort, nameServers, nameServerAddresses, scopes };
  const responder = createServingResponder(settings, snapshotting(discovery));
  const respond = respondAlways(responder, onError);
  const allowed = createNetworks([...options.allowTransfer, ...secondaries.map(({ host }) => host)]);
  const transfers = createTransfers({ responder, allowed, logger: options.logger.named("dns/transfer") });
  const streams = { tcp: 0, https: 0 };
  const answerTcp: AnswerStream = (query, from) => {
    streams.tcp++;
    return transfers.answer(query, from) ?? respond(query, TCP);
  };

  // Closed in reverse order: the responder last.
  const opened: (() => Promise<void>)[] = [() => Promise.resolve(responder.close())];
  const close = async (): Promise<void> => {
    for (const each of opened.toReversed()) await each();
  };
  try {
    const bound: Bound[] = [];
    opened.push(async () => {
      await Promise.all(bound.map(({ tcp }) => tcp.close(CLOSE_GRACE_MS)));
    });
    for (const endpoint of options.listen) {
      bound.push(...(await listenTcp(endpoint, () => createTcpServer(answerTcp, onError))));
    }
    // Later errors (out of file descriptors at accept) concern one client, not the server.
    for (const { tcp } of bound) tcp.server.on("error", onError);
    const rate = { perSecond: options.rateLimit, table: createRateTable(randomSeed()) };
    const udp = await startUdp({
      threads: CAN_SHARE_PORTS ? options.udpThreads : Math.min(options.udpThreads, 1),
      listen: bound.map(({ host, port }) => ({ host, port })),
      settings,
      rate,
      discovery,
      onError,
      closeGraceMs: CLOSE_GRACE_MS,
      inThisThread: { responder, respond },
    });
    opened.push(() => udp.close());

    for (const { host, port } of bound) {
      logger.info("serving DNS", { address: showEndpoint(host, port), zones });
    }
    warnOfWildcards(bound, logger);
    if (options.rateLimit === 0 && !bound.every(({ host }) => isLoopback(host))) {
      logger.warn(
        "answers to forged addresses are not limited: set --dns-rate-limit where strangers can ask",
      );
    }
    const notifier = createNotifier({
      secondaries,
      sources: bound.map(({ host }) => host),
      write: (name, id) => {
        const zone = must(responder.zoneNamed(name), () => `no zone ${name} to tell of`);
        return notifyMessage(name, responder.soa(zone), id);
      },
      logger: options.logger.named("dns/notify"),
    });
    opened.push(() => Promise.resolve(notifier.close()));
    const unsubscribe = followChanges(discovery, responder, notifier);
    opened.push(() => Promise.resolve(unsubscribe()));

    return {
      addresses: bound.map(({ host, port }) => ({ host, port })),
      get stats() {
        return {
          udpQueries: udp.counts.queries,
          tcpQueries: streams.tcp,
          httpsQueries: streams.https,
          rateLimited: udp.counts.rateLimited,
          transfers: transfers.completed,
          tcpConnections: bound.reduce((sum, { tcp }) => sum + tcp.connections, 0),
          cache: sumOf(responder.stats, udp.cache),
        };
      },
      answer: (query) => {
        streams.https++;
        return Promise.resolve(respond(query, HTTPS));
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

interface Bound extends Endpoint {
  readonly tcp: TcpServer;
}

/** TCP of one `--listen-dns`, on each address it stands for, at ports that UDP can have too. */
async function listenTcp(endpoint: Endpoint, open: () => TcpServer): Promise<readonly Bound[]> {
  const addresses = await addressesOf(endpoint.host);
  const bound: Bound[] = [];
  let missing: unknown;
  for (const host of addresses) {
    try {
      bound.push(await listenTcpOn(host, endpoint.port, open));
    } catch (error) {
      // A name may stand for an address of a family that this machine does not have.
      const absent = ["EADDRNOTAVAIL", "EAFNOSUPPORT"].includes(codeOf(error));
      if (absent && addresses.length > 1) {
        missing = error;
        continue;
      }
      await Promise.all(bound.map(({ tcp }) => tcp.close(0)));
      throw error;
    }
  }
  if (bound.length === 0) throw missing;
  return bound;
}

async function listenTcpOn(host: string, wanted: number, open: () => TcpServer): Promise<Bound> {
  for (let tries = 1; ; tries++) {
    const port = await probeUdp(host, wanted);
    const tcp = open();
    try {
      await bindTcp(tcp.server, host, port);
      return { host, port, tcp };
    } catch (error) {
      await tcp.close(0);
      if (wanted !== 0 || tries === FREE_PORT_TRIES || codeOf(error) !== "EADDRINUSE") throw error;
    }
  }
}

interface UdpOptions extends UdpThreadsOptions {
  /** What answers when there are no threads. */
  readonly inThisThread: { readonly responder: Responder; readonly respond: Respond };
}

async function startUdp(options: UdpOptions): Promise<UdpThreads> {
  if (options.threads > 0) return startUdpThreads(options);
  const { listen, rate, onError, closeGraceMs, inThisThread } = options;
  const counts = { queries: 0, rateLimited: 0 };
  const answer = createDatagramAnswer(inThisThread.respond, rate, counts);
  const servers: UdpServer[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(servers.map((server) => server.close(closeGraceMs)));
  };
  try {
    for (const { host, port } of listen) {
      const server = createUdpServer(host, answer);
      servers.push(server);
      await bindUdp(server.socket, host, port);
      server.socket.on("error", onError);
    }
  } catch (error) {
    await close();
    throw error;
  }
  return { counts, cache: { hits: 0, misses: 0, bytes: 0 }, close };
}

function sumOf(a: ResponderStats, b: ResponderStats): ResponderStats {
  return { hits: a.hits + b.hits, misses: a.misses + b.misses, bytes: a.bytes + b.bytes };
}

/** Every change of a cluster is a change of the zones its names are in; at first all of them are news. */
function followChanges(
  discovery: Pick<ClusterSource, "onChange">,
  responder: Pick<Responder, "zones">,
  notifier: Notifier,
): () => void {
  notifier.changed(responder.zones.map(({ name }) => name));
  return discovery.onChange(({ before, after }) => {
    const domain = (after ?? before)?.domain;
    const changed = responder.zones.filter(
      ({ name, holdsTokens }) =>
        holdsTokens || (domain !== undefined && (domain === name || isBelow(domain, name))),
    );
    notifier.changed(changed.map(({ name }) => name));
  });
}

/** On a wildcard address the kernel picks the address that an answer comes from, and resolvers drop a wrong one. */
function warnOfWildcards(bound: readonly Endpoint[], logger: Logger): void {
  for (const { host, port } of bound) {
    if (host !== "0.0.0.0" && host !== "::") continue;
    const family = host === "::" ? "IPv6" : "IPv4";
    const own = Object.values(networkInterfaces())
      .flatMap((addresses) => addresses ?? [])
      .filter((each) => each.family === family && !each.internal && !each.address.startsWith("fe80:"))
      .map(({ address }) => showEndpoint(address, port));
    if (own.length < 2) continue;
    logger.warn(
      "this machine has several addresses, and UDP answers may leave from another one than was asked; name them instead",
      { instead: own.map((address) => `--listen-dns ${address}`).join(" ") },
    );
  }
}
