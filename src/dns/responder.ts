/**
 * Answers DNS messages: bytes in, bytes out, no socket. What has been answered before is answered from its wire
 * bytes at once (answers.ts); else the registry is asked and the names are looked up (lookup.ts).
 */
import { getRandomValues } from "node:crypto";
import type { Cluster } from "../discovery/cluster.ts";
import type { ClusterChange, Discovery } from "../discovery/discovery.ts";
import { labelOfToken } from "../discovery/domain-name.ts";
import { unreachable } from "../lib/assert.ts";
import { AnswerCache, createScopes, type Scopes, UNCHANGING } from "./answers.ts";
import { clusterNames, clusterRecords } from "./cluster-records.ts";
import { lookup, type Outcome, type Part } from "./lookup.ts";
import { MessageWriter, type Section } from "./message.ts";
import { isBelow, labelAbove, parentOf } from "./name.ts";
import { FLAG, MESSAGE_BYTES_MAX, OPCODE, OPT_BYTES, RCODE, type Rcode, TYPE } from "./protocol.ts";
import { type Query, questionLabels, readQuery, refusalOf, UNUSABLE_LABEL } from "./query.ts";
import type { RRset } from "./records.ts";
import { type Answer, bareReply, replyBytesMax, replyWith } from "./reply.ts";
import { negativeSoaOf, serialOf, soaOf, type Zone, zoneOf, zonesOf } from "./zone.ts";

/** How the query came: over UDP answers are cut to what the client can take. */
export type Transport = "udp" | "tcp" | "https";

export interface QueryContext {
  readonly transport: Transport;
}

/** undefined: the message deserves no answer (it is not a query, or too short to be one). */
export type Reply = Buffer | undefined;

/** What the responder needs of the registry. */
export type ClusterSource = Pick<
  Discovery,
  "index" | "findByLabel" | "findByDomain" | "domainBelow" | "all" | "onChange"
>;

export interface ResponderOptions {
  /** Zones in which every cluster has its names: without the final dot. */
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
  /** Of a process with several responders; one of them must hear of the registry's changes. */
  readonly scopes?: Scopes;
  /** Answers a NOTIFY (RFC 1996) whose one question is well formed. Without it: NOTIMP. */
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
   * Answers any bytes. Synchronous where the answer needs no registry; the promise rejects when the registry cannot be
   * read. The reply is the caller's to keep; the query must not be overwritten until it is there.
   * AXFR and IXFR over TCP are refused here: a server that allows transfers handles them before.
   */
  respond(query: Uint8Array, context: QueryContext): Reply | Promise<Reply>;
  /** The zone with exactly this name (any case, no final dot). */
  zoneNamed(name: string): Zone | undefined;
  /** A zone's SOA as of now; the serial is the registry's index (modulo 2^32). */
  soa(zone: Zone): Extract<RRset, { type: "SOA" }>;
  /**
   * Every record of a zone but the SOA, for a transfer, which sends `soa(zone)`, taken before, first and last (RFC
   * 5936 §2.2). Long sets come in pieces, so that each fits a message. This lists tokens: it is for secondaries only.
   */
  zoneRecords(zone: Zone): AsyncIterable<RRset>;
  readonly stats: ResponderStats;
  /** Stops listening to the registry. */
  close(): void;
}

/** Questions waiting for the registry at one time; more get SERVFAIL at once, and a resolver asks again. */
const PENDING_MAX = 4096;
/** Records of one set that are sure to fit a message of a transfer: each has 330 bytes at most. */
const PIECE_RECORDS = 100;

/** @throws UsageError for a zone, domain or name server that is not a usable name. */
export function createResponder(options: ResponderOptions): Responder {
  return new ZoneResponder(options);
}

class ZoneResponder implements Responder {
  readonly zones: readonly Zone[];
  readonly #options: ResponderOptions;
  readonly #source: ClusterSource;
  readonly #answers: AnswerCache;
  readonly #unsubscribe: () => void;
  #hits = 0;
  #misses = 0;
  #pending = 0;

  constructor(options: ResponderOptions) {
    this.#options = options;
    this.#source = options.discovery;
    this.#answers = new AnswerCache(options.scopes ?? createScopes(randomSeed()));
    this.zones = zonesOf(options);
    this.#unsubscribe = options.discovery.onChange((change) => this.#drop(change));
  }

  respond(message: Uint8Array, context: QueryContext): Reply | Promise<Reply> {
    const query = readQuery(message);
    if (query === undefined) return undefined;
    const refusal = refusalOf(query);
    if (refusal !== RCODE.NOERROR) return bareReply(query, message, refusal);
    if (query.opcode === OPCODE.NOTIFY) {
      const { onNotify } = this.#options;
      return onNotify === undefined ? bareReply(query, message, RCODE.NOTIMP) : onNotify(message, context);
    }
    const bytesMax = replyBytesMax(query, context.transport === "udp");
    if (query.type === TYPE.AXFR || query.type === TYPE.IXFR) {
      return this.#respondTransfer(query, message, bytesMax, context);
    }

    const kept = this.#answers.find(message, query.questionEnd);
    if (kept !== undefined) {
      this.#hits++;
      return replyWith(kept, query, message, bytesMax, serialOf(this.#source.index));
    }
    const name = questionLabels(message).join(".");
    const zone = zoneOf(this.zones, name);
    if (zone === undefined) return bareReply(query, message, RCODE.REFUSED);
    this.#misses++;
    return this.#lookUp(query, message, bytesMax, zone, name);
  }

  zoneNamed(name: string): Zone | undefined {
    const lower = name.toLowerCase();
    return this.zones.find((zone) => zone.name === lower);
  }

  soa(zone: Zone): Extract<RRset, { type: "SOA" }> {
    return soaOf(zone, this.#source.index);
  }

  async *zoneRecords(zone: Zone): AsyncIterable<RRset> {
    yield* zone.records;
    yield* zone.delegations;
    for await (const cluster of this.#source.all()) {
      for (const part of this.#partsIn(zone, cluster)) for (const set of part.records) yield* piecesOf(set);
    }
  }

  get stats(): ResponderStats {
    return { hits: this.#hits, misses: this.#misses, bytes: this.#answers.bytes };
  }

  close(): void {
    this.#unsubscribe();
  }

  /** Over UDP, an IXFR is told the current serial and comes back over TCP (RFC 1995 §2); AXFR does not exist there. */
  #respondTransfer(query: Query, message: Uint8Array, bytesMax: number, context: QueryContext): Reply {
    if (context.transport !== "udp") return bareReply(query, message, RCODE.REFUSED);
    if (query.type === TYPE.AXFR) return bareReply(query, message, RCODE.FORMERR);
    const name = questionLabels(message).join(".");
    const zone = this.zoneNamed(name);
    if (zone === undefined) return bareReply(query, message, RCODE.NOTAUTH);
    const sections = { answer: [soaOf(zone, 0)], authority: [], additional: [] };
    const answer = encode(query, message, RCODE.NOERROR, sections);
    if (answer === undefined) return bareReply(query, message, RCODE.SERVFAIL);
    return replyWith(answer, query, message, bytesMax, serialOf(this.#source.index));
  }

  #lookUp(
    query: Query,
    message: Uint8Array,
    bytesMax: number,
    zone: Zone,
    name: string,
  ): Reply | Promise<Reply> {
    const label = name === zone.name ? undefined : labelAbove(name, zone.name);
    const scope = this.#scopeOf(zone, label);
    const generation = this.#answers.generation(scope);
    const conclude = (outcome: Outcome): Reply => {
      const answer = answerOf(query, message, zone, outcome);
      if (answer === undefined) return bareReply(query, message, RCODE.SERVFAIL);
      this.#answers.keep(answer, query.questionEnd, scope, generation, outcome.type === "nameError");
      return replyWith(answer, query, message, bytesMax, serialOf(this.#source.index));
    };
    if (scope === UNCHANGING) return conclude(lookup(fixedPartOf(zone), name, query.type));
    if (this.#pending >= PENDING_MAX) return bareReply(query, message, RCODE.SERVFAIL);
    this.#pending++;
    return this.#ask(zone, name, label, query.type)
      .then(conclude)
      .finally(() => this.#pending--);
  }

  /** Looks up a name that clusters may have something at. */
  async #ask(zone: Zone, name: string, label: string | undefined, type: number): Promise<Outcome> {
    const domains = zone.holdsDomains ? domainsAround(zone, name) : [];
    const found = await Promise.all([
      zone.holdsTokens && label !== undefined ? this.#source.findByLabel(label) : undefined,
      ...domains.map((domain) => this.#source.findByDomain(domain)),
    ]);
    const parts = found.flatMap((cluster) => (cluster === undefined ? [] : this.#partsIn(zone, cluster)));
    const outcome = lookup(join([fixedPartOf(zone), ...parts]), name, type);
    // Only the registry knows whether a name is there because of a domain somewhere below it.
    if (outcome.type === "nameError" && domains.length > 0 && (await this.#source.domainBelow(name))) {
      return { type: "noData" };
    }
    return outcome;
  }

  /** What a zone holds of a cluster: its names below its token, and those in a domain of its own. */
  #partsIn(zone: Zone, cluster: Cluster): readonly Part[] {
    const site = { taken: zone.taken, clientPort: this.#options.clientPort };
    const parts: Part[] = [];
    const label = zone.holdsTokens ? labelOfToken(cluster.token) : undefined;
    if (label !== undefined) {
      const origin = `${label}.${zone.name}`;
      parts.push({
        records: clusterRecords(cluster, { ...site, origin, labels: "id" }),
        names: clusterNames(origin),
      });
    }
    const { domain } = cluster;
    if (zone.holdsDomains && domain !== undefined && zoneOf(this.zones, domain) === zone) {
      parts.push({
        records: clusterRecords(cluster, { ...site, origin: domain, labels: "name" }),
        names: clusterNames(domain),
      });
    }
    return parts;
  }

  /** A zone of domains is one scope: they are few, and one may show in names of another. */
  #scopeOf(zone: Zone, label: string | undefined): number {
    if (zone.holdsDomains) return this.#answers.scopeOf(zone.name);
    return label === undefined || label === UNUSABLE_LABEL ? UNCHANGING : this.#answers.scopeOf(label);
  }

  #drop({ before, after }: ClusterChange): void {
    for (const cluster of [before, after]) {
      if (cluster === undefined) continue;
      const label = labelOfToken(cluster.token);
      for (const zone of this.zones) {
        const isOwned = cluster.domain !== undefined && zoneOf(this.zones, cluster.domain) === zone;
        if (isOwned || (zone.holdsTokens && label !== undefined))
          this.#answers.drop(this.#scopeOf(zone, label));
      }
    }
  }
}

/** For `createScopes`. */
export function randomSeed(): number {
  return getRandomValues(new Uint32Array(1))[0] ?? 0;
}

/** What a zone holds that no registration changes. The SOA's serial is set when an answer leaves. */
function fixedPartOf(zone: Zone): Part {
  return { records: [soaOf(zone, 0), ...zone.records], names: [...zone.taken] };
}

function join(parts: readonly Part[]): Part {
  return { records: parts.flatMap((part) => part.records), names: parts.flatMap((part) => part.names) };
}

/**
 * The domains whose clusters may have something at a name: itself, its parent (`infra0.DOMAIN`, `_tcp.DOMAIN`) and
 * the one above (`_etcd-server._tcp.DOMAIN`). Never outside the zone.
 */
function domainsAround(zone: Zone, name: string): readonly string[] {
  if (name.includes(UNUSABLE_LABEL)) return [];
  return [name, parentOf(name), parentOf(parentOf(name))].filter(
    (domain) => domain === zone.name || isBelow(domain, zone.name),
  );
}

/** @returns undefined when it is larger than any message can be. */
function answerOf(query: Query, message: Uint8Array, zone: Zone, outcome: Outcome): Answer | undefined {
  switch (outcome.type) {
    case "success":
      return encode(query, message, RCODE.NOERROR, {
        answer: [outcome.answer],
        authority: [],
        additional: outcome.additional,
      });
    case "noData":
      return encode(query, message, RCODE.NOERROR, {
        answer: [],
        authority: [negativeSoaOf(zone)],
        additional: [],
      });
    case "nameError":
      return encode(query, message, RCODE.NXDOMAIN, {
        answer: [],
        authority: [negativeSoaOf(zone)],
        additional: [],
      });
    default:
      return unreachable(outcome);
  }
}

function encode(
  query: Query,
  message: Uint8Array,
  rcode: Rcode,
  sections: Readonly<Record<Section, readonly RRset[]>>,
): Answer | undefined {
  const header = { id: 0, flags: FLAG.QR | FLAG.AA, opcode: OPCODE.QUERY, rcode };
  const writer = new MessageWriter(header, MESSAGE_BYTES_MAX - OPT_BYTES);
  writer.echoQuestion(message, query.questionEnd);
  for (const set of sections.answer) if (!writer.add("answer", set)) return undefined;
  for (const set of sections.authority) if (!writer.add("authority", set)) return undefined;
  const additionalAt = writer.length;
  for (const set of sections.additional) if (!writer.add("additional", set)) break;
  return { wire: Buffer.from(writer.finish()), additionalAt, serialAt: writer.serialAt };
}

function* piecesOf(set: RRset): Iterable<RRset> {
  for (let from = 0; from < set.data.length; from += PIECE_RECORDS) {
    yield { ...set, data: set.data.slice(from, from + PIECE_RECORDS) } as RRset;
  }
}
