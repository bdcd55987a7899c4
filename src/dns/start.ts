/**
 * Starts the DNS half of the service: a responder over the registry, UDP and TCP servers on every listen address,
 * transfers to secondaries and the NOTIFYs that wake them. The command line and the HTTP server meet DNS only here.
 */
import { networkInterfaces } from "node:os";
import { InvariantError } from "../lib/errors.ts";
import type { Logger } from "../lib/logger.ts";
import { throttledLog } from "../lib/throttled-log.ts";
import { addressesOf, bindTcp, bindUdp, codeOf, showEndpoint } from "./bind.ts";
import { isBelow } from "./name.ts";
import { createNetworks } from "./networks.ts";
import { answerNotify, createNotifier, isLoopback, type Notifier, notifyMessage } from "./notify.ts";
import { FLAG, RCODE } from "./protocol.ts";
import { questionLabels, readQuery } from "./query.ts";
import { ResponseRateLimiter } from "./rate-limit.ts";
import { bareReply } from "./reply.ts";
import {
  type ClusterSource,
  createResponder,
  type QueryContext,
  type Reply,
  type Responder,
  type ResponderStats,
} from "./responder.ts";
import { createTcpServer, type TcpServer } from "./server-tcp.ts";
import { createUdpServer, type UdpServer } from "./server-udp.ts";
import { snapshotting } from "./snapshot.ts";
import { createTransfers } from "./transfer.ts";

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

const UDP: QueryContext = { transport: "udp" };
const TCP: QueryContext = { transport: "tcp" };
const HTTPS: QueryContext = { transport: "https" };

/**
 * @throws EnvironmentError naming --listen-dns and the address, when it is in use or not allowed.
 * @throws UsageError for networks that cannot be read.
 */
export async function startDns(options: DnsOptions): Promise<DnsServer> {
  const { discovery } = options;
  const logger = options.logger.named("dns/start");
  const failed = throttledLog((msg, fields) => logger.error(msg, fields));
  const onError = (error: unknown): void => {
    if (error instanceof InvariantError) throw error;
    failed("failed to answer DNS queries", { error });
  };
  const responder: Responder = createResponder({
    ...options,
    discovery: snapshotting(discovery),
    onNotify: (message) => {
      const query = readQuery(message);
      const ours = responder.zoneNamed(questionLabels(message).join(".")) !== undefined;
      return query === undefined ? undefined : answerNotify(query, message, ours);
    },
  });

  const counts = { udp: 0, tcp: 0, https: 0, rateLimited: 0 };
  const limiter = options.rateLimit > 0 ? new ResponseRateLimiter(options.rateLimit) : undefined;
  const allowed = createNetworks([...options.allowTransfer, ...options.secondaries.map(({ host }) => host)]);
  const transfers = createTransfers({ responder, allowed, logger: options.logger.named("dns/transfer") });

  const respond = (query: Uint8Array, context: QueryContext): Reply | Promise<Reply> => {
    const reply = responder.respond(query, context);
    if (!(reply instanceof Promise)) return reply;
    return reply.catch((error: unknown) => {
      onError(error);
      return failure(query);
    });
  };
  const answerUdp = (query: Buffer, from: string): Reply | Promise<Reply> => {
    counts.udp++;
    if (limiter === undefined || limiter.allow(from, performance.now())) return respond(query, UDP);
    counts.rateLimited++;
    return truncated(query);
  };
  const answerTcp: Parameters<typeof createTcpServer>[0] = (query, from) => {
    counts.tcp++;
    return transfers.answer(query, from) ?? respond(query, TCP);
  };

  const bound: Bound[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(
      bound.flatMap(({ udp, tcp }) => [udp.close(CLOSE_GRACE_MS), tcp.close(CLOSE_GRACE_MS)]),
    );
    responder.close();
  };
  const open = (address: string): { udp: UdpServer; tcp: TcpServer } => ({
    udp: createUdpServer(address, answerUdp),
    tcp: createTcpServer(answerTcp, onError),
  });
  try {
    for (const endpoint of options.listen) bound.push(...(await listen(endpoint, open, onError)));
  } catch (error) {
    await close();
    throw error;
  }
  for (const { host, port } of bound)
    logger.info("serving DNS", { address: showEndpoint(host, port), zones: options.zones });
  warnOfWildcards(bound, logger);
  if (limiter === undefined && !bound.every(({ host }) => isLoopback(host))) {
    logger.warn("answers to forged addresses are not limited: set --dns-rate-limit where strangers can ask");
  }

  const notifier = createNotifier({
    secondaries: options.secondaries,
    sources: bound.map(({ host }) => host),
    write: (name, id) => {
      const zone = responder.zones.find((each) => each.name === name);
      return zone === undefined ? new Uint8Array() : notifyMessage(name, responder.soa(zone), id);
    },
    logger: options.logger.named("dns/notify"),
  });
  const unsubscribe = followChanges(discovery, responder, notifier);

  return {
    addresses: bound.map(({ host, port }) => ({ host, port })),
    get stats() {
      return {
        udpQueries: counts.udp,
        tcpQueries: counts.tcp,
        httpsQueries: counts.https,
        rateLimited: counts.rateLimited,
        transfers: transfers.completed,
        tcpConnections: bound.reduce((sum, { tcp }) => sum + tcp.connections, 0),
        cache: responder.stats,
      };
    },
    answer: (query) => {
      counts.https++;
      return Promise.resolve(respond(query, HTTPS));
    },
    close: async () => {
      unsubscribe();
      notifier.close();
      await close();
    },
  };
}

interface Bound extends Endpoint {
  readonly udp: UdpServer;
  readonly tcp: TcpServer;
}

/** Both servers of one `--listen-dns`, on each address it stands for. */
async function listen(
  endpoint: Endpoint,
  open: (address: string) => { udp: UdpServer; tcp: TcpServer },
  onError: (error: unknown) => void,
): Promise<readonly Bound[]> {
  const addresses = await addressesOf(endpoint.host);
  const bound: Bound[] = [];
  let missing: unknown;
  for (const host of addresses) {
    try {
      bound.push(await listenOn(host, endpoint.port, open, onError));
    } catch (error) {
      // A name may stand for an address of a family that this machine does not have.
      const absent = ["EADDRNOTAVAIL", "EAFNOSUPPORT"].includes(codeOf(error));
      if (absent && addresses.length > 1) {
        missing = error;
        continue;
      }
      await Promise.all(bound.flatMap(({ udp, tcp }) => [udp.close(0), tcp.close(0)]));
      throw error;
    }
  }
  if (bound.length === 0) throw missing;
  return bound;
}

async function listenOn(
  host: string,
  wanted: number,
  open: (address: string) => { udp: UdpServer; tcp: TcpServer },
  onError: (error: unknown) => void,
): Promise<Bound> {
  for (let tries = 1; ; tries++) {
    const { udp, tcp } = open(host);
    try {
      const port = await bindUdp(udp.socket, host, wanted);
      await bindTcp(tcp.server, host, port);
      // Later errors (out of file descriptors at accept) concern one client, not the server.
      udp.socket.on("error", onError);
      tcp.server.on("error", onError);
      return { host, port, udp, tcp };
    } catch (error) {
      await Promise.all([udp.close(0), tcp.close(0)]);
      if (wanted !== 0 || tries === FREE_PORT_TRIES || codeOf(error) !== "EADDRINUSE") throw error;
    }
  }
}

/** To a query whose answer could not be found out. */
function failure(message: Uint8Array): Reply {
  const query = readQuery(message);
  return query === undefined ? undefined : bareReply(query, message, RCODE.SERVFAIL);
}

/** What a client beyond its rate gets: nothing but the advice to come over TCP, where its address is proven. */
function truncated(message: Uint8Array): Reply {
  const query = readQuery(message);
  if (query === undefined) return undefined;
  return query.problem === RCODE.NOERROR
    ? bareReply(query, message, RCODE.NOERROR, FLAG.TC)
    : bareReply(query, message, query.problem);
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
