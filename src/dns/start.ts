/**
 * Starts the DNS half of the service: a responder over the registry, UDP and TCP servers on every listen address,
 * transfers to secondaries and the NOTIFYs that wake them. The command line and the HTTP server meet DNS only here.
 */
import type { Discovery } from "../discovery/discovery.ts";
import type { Logger } from "../lib/logger.ts";

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
  /** They get a NOTIFY for every change, and may transfer the zones. */
  readonly secondaries: readonly Endpoint[];
  /** Networks (`10.0.0.0/8`, `2001:db8::/32`, or single addresses) that may transfer the zones as well. */
  readonly allowTransfer: readonly string[];
  /** Names of the NS records; empty: `ns.ZONE`. */
  readonly nameServers: readonly string[];
  /** Addresses published for name servers that lie inside a zone. */
  readonly nameServerAddresses: readonly string[];
  readonly discovery: Discovery;
  readonly logger: Logger;
}

export interface DnsServer {
  /** As bound: real ports, in the order of `listen`. */
  readonly addresses: readonly Endpoint[];
  /**
   * Answers one query that came some other way (DNS over HTTPS): no truncation, no rate limit.
   * @param query A DNS message in wire format. @param from Address of the client, for the log only.
   * @returns the answer in wire format; undefined when it deserves none (not a query at all).
   */
  answer(query: Uint8Array, from: string): Promise<Uint8Array | undefined>;
  /** Answers what is in flight and closes every socket. */
  close(): Promise<void>;
}

/** @throws EnvironmentError naming --listen-dns and the address, when it is in use or not allowed. */
export function startDns(options: DnsOptions): Promise<DnsServer> {
  return Promise.reject(new Error(`DNS on ${options.listen.length} addresses is being written`));
}
