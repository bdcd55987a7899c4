/**
 * Answers DNS messages: bytes in, bytes out, no socket. What has been answered before is answered from its wire
 * bytes at once (answers.ts); else the registry is asked and the names are looked up (lookup.ts).
 */
import type { Discovery } from "../discovery/discovery.ts";
import type { RRset } from "./records.ts";
import type { Zone } from "./zone.ts";

/** How the query came: over UDP answers are cut to what the client can take. */
export type Transport = "udp" | "tcp" | "https";

export interface QueryContext {
  readonly transport: Transport;
}

/** undefined: the message deserves no answer (it is not a query, or too short to be one). */
export type Reply = Uint8Array | undefined;

/** What the responder needs of the registry. */
export type ClusterSource = Pick<
  Discovery,
  "index" | "findByLabel" | "findByDomain" | "domainBelow" | "all" | "onChange"
>;

export interface ResponderOptions {
  /** Zones in which every cluster has its names: lower case, without the final dot. */
  readonly zones: readonly string[];
  /** Domains that clusters may own, themselves or below them: zones too. */
  readonly allowedDomains: readonly string[];
  /** Port of the client records. */
  readonly clientPort: number;
  /** Names of the NS records, the first is the SOA's primary; empty: `ns.ZONE`. */
  readonly nameServers: readonly string[];
  /** Addresses published for name servers that lie inside a zone. */
  readonly nameServerAddresses: readonly string[];
  readonly discovery: ClusterSource;
  /** Told of failures while answering (the client gets SERVFAIL). */
  readonly onError: (error: unknown) => void;
  /**
   * Answers a NOTIFY (RFC 1996); it is given the whole message, whose one question is well formed. Without it: NOTIMP.
   */
  readonly onNotify?: (query: Uint8Array, context: QueryContext) => Reply;
}

export interface ResponderStats {
  /** Queries answered from kept wire bytes. */
  readonly hits: number;
  /** Queries for which names were looked up. */
  readonly misses: number;
  /** Wire bytes kept now. */
  readonly bytes: number;
}

export interface Responder {
  /** Longest names first. */
  readonly zones: readonly Zone[];
  /**
   * Never throws on any input. Synchronous where the answer needs no registry. The bytes given back are the caller's.
   * AXFR and IXFR over TCP are refused here: a server that allows transfers handles them before.
   */
  respond(query: Uint8Array, context: QueryContext): Reply | Promise<Reply>;
  /** The zone with exactly this name (any case, no final dot). */
  zoneNamed(name: string): Zone | undefined;
  /** A zone's SOA as of now; the serial is the registry's index (modulo 2^32). */
  soa(zone: Zone): RRset & { readonly type: "SOA" };
  /** Every record of a zone but the SOA, for a transfer (RFC 5936 §2.2 wants the SOA first and last: `soa`). */
  zoneRecords(zone: Zone): AsyncIterable<RRset>;
  readonly stats: ResponderStats;
  /** Stops listening to the registry. */
  close(): void;
}

export declare function createResponder(options: ResponderOptions): Responder;
