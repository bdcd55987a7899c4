/**
 * The zones we are authoritative for, and what each holds besides clusters: SOA, NS and the addresses of its name
 * servers. A zone of tokens has every cluster at `TOKEN.ZONE`; an allowed domain holds the clusters that own it or a
 * domain below it.
 */
import ipaddr from "ipaddr.js";
import { UsageError } from "../lib/errors.ts";
import { isBelow, isName, NAME_CHARS_MAX } from "./name.ts";
import type { RRset } from "./records.ts";

export interface Zone {
  /** Lower case, no final dot. */
  readonly name: string;
  /** Every cluster has its names here, at `TOKEN.ZONE`. */
  readonly holdsTokens: boolean;
  /** Clusters may own this domain, or domains below it. */
  readonly holdsDomains: boolean;
  /** NS and the addresses of name servers inside; the SOA changes with every event (`soaOf`). */
  readonly records: readonly RRset[];
  /** NS, and addresses inside, of our zones right below: what a parent has of them (RFC 1034 §4.2.1). */
  readonly delegations: readonly RRset[];
  /** Names that no member may have, in lower case: those of name servers, and of zones below. */
  readonly taken: ReadonlySet<string>;
}

export interface ZoneOptions {
  readonly zones: readonly string[];
  readonly allowedDomains: readonly string[];
  readonly nameServers: readonly string[];
  readonly nameServerAddresses: readonly string[];
}

/** Seconds that NS, SOA and the records of complete clusters may be remembered: they hardly ever change. */
export const STABLE_TTL_SECONDS = 300;
/** Seconds that anything about a cluster that is still forming may be remembered: it changes with each member. */
export const FORMING_TTL_SECONDS = 2;
/**
 * Seconds that an absence may be remembered, both NXDOMAIN and NODATA: the SOA's MINIMUM, one for a whole zone. Small,
 * because a member that asks too early must not be told so again by a resolver once its cluster is there.
 */
export const NEGATIVE_TTL_SECONDS = 2;
/** How often a secondary looks that missed a NOTIFY, tries again, and for how long it serves without us. */
const REFRESH_SECONDS = 60;
const RETRY_SECONDS = 10;
const EXPIRE_SECONDS = 604_800;

/** The longest thing in front of a domain of a cluster, and the longest token that is not custom. */
const SERVICE_CHARS = "_etcd-server-ssl._tcp.".length;
const TOKEN_CHARS = 40;

/** @returns longest names first: the first that fits a name is the one it belongs to. @throws UsageError naming the flag. */
export function zonesOf(options: ZoneOptions): readonly Zone[] {
  const tokens = new Set(
    options.zones.map((zone) =>
      checked("--dns-zone", zone, NAME_CHARS_MAX - SERVICE_CHARS - TOKEN_CHARS - 1),
    ),
  );
  const domains = new Set(
    options.allowedDomains.map((zone) => checked("--dns-allow-domain", zone, NAME_CHARS_MAX - SERVICE_CHARS)),
  );
  const servers = options.nameServers.map((name) => checked("--dns-name-server", name, NAME_CHARS_MAX));
  const addresses = options.nameServerAddresses.map(checkedAddress);
  const names = [...new Set([...tokens, ...domains])].toSorted((a, b) => b.length - a.length);
  const apex = new Map(
    names.map((name) => [name, apexRecords(name, servers.length > 0 ? servers : [`ns.${name}`], addresses)]),
  );
  return names.map((name) => {
    const below = names.filter((other) => isBelow(other, name));
    const records = apex.get(name) ?? [];
    return {
      name,
      holdsTokens: tokens.has(name),
      holdsDomains: domains.has(name),
      records,
      delegations: below
        .filter((child) => !below.some((between) => isBelow(child, between)))
        .flatMap((child) => apex.get(child) ?? []),
      taken: new Set([...records.map((set) => set.name), ...below]),
    };
  });
}

/** The zone a name belongs to; undefined: not ours. @param name Lower case. @param zones As `zonesOf` gives them. */
export function zoneOf(zones: readonly Zone[], name: string): Zone | undefined {
  return zones.find((zone) => name === zone.name || isBelow(name, zone.name));
}

/** @param index Of the registry's last event: grows with every visible change, also over restarts. */
export function soaOf(zone: Zone, index: number): Extract<RRset, { type: "SOA" }> {
  return {
    name: zone.name,
    type: "SOA",
    ttl: STABLE_TTL_SECONDS,
    data: [
      {
        mname: primaryOf(zone),
        rname: `hostmaster.${zone.name}`,
        serial: serialOf(index),
        refresh: REFRESH_SECONDS,
        retry: RETRY_SECONDS,
        expire: EXPIRE_SECONDS,
        minimum: NEGATIVE_TTL_SECONDS,
      },
    ],
  };
}

/** The SOA as negative answers carry it: its TTL is how long they may be remembered (RFC 2308 §3). */
export function negativeSoaOf(zone: Zone): RRset {
  return { ...soaOf(zone, 0), ttl: NEGATIVE_TTL_SECONDS };
}

/** Serials are 32 bits and compared around the circle (RFC 1982), so a steady step forward is always newer. */
export function serialOf(index: number): number {
  return index % 0x1_0000_0000;
}

function primaryOf(zone: Zone): string {
  const ns = zone.records.find((set) => set.type === "NS");
  return ns?.data[0] ?? `ns.${zone.name}`;
}

function apexRecords(name: string, servers: readonly string[], addresses: readonly string[]): RRset[] {
  const inside = servers.filter((server) => server === name || isBelow(server, name));
  return [
    { name, type: "NS", ttl: STABLE_TTL_SECONDS, data: servers },
    ...inside.flatMap((server) => addressSets(server, STABLE_TTL_SECONDS, addresses)),
  ];
}

/** A and AAAA of one name, whichever there are. @param addresses In the text of RFC 5952 or dotted decimal. */
export function addressSets(name: string, ttl: number, addresses: readonly string[]): RRset[] {
  const distinct = [...new Set(addresses)];
  const v4 = distinct.filter((address) => !address.includes(":"));
  const v6 = distinct.filter((address) => address.includes(":"));
  return [
    ...(v4.length > 0 ? [{ name, type: "A", ttl, data: v4 } as const] : []),
    ...(v6.length > 0 ? [{ name, type: "AAAA", ttl, data: v6 } as const] : []),
  ];
}

function checkedAddress(address: string): string {
  const isUsable = ipaddr.IPv4.isValidFourPartDecimal(address) || ipaddr.IPv6.isValid(address);
  if (isUsable && !address.includes("%")) return ipaddr.process(address).toString();
  throw new UsageError(
    `bad value ${JSON.stringify(address)} for --dns-name-server-address: expected an IPv4 or IPv6 address`,
  );
}

function checked(flag: string, name: string, charsMax: number): string {
  const lower = name.toLowerCase().replace(/\.$/, "");
  if (!isName(lower)) {
    throw new UsageError(
      `bad value ${JSON.stringify(name)} for ${flag}: expected a domain name of letters, digits, - and _`,
    );
  }
  if (lower.length > charsMax) {
    throw new UsageError(
      `bad value ${JSON.stringify(name)} for ${flag}: at most ${charsMax} characters leave room for the names inside`,
    );
  }
  return lower;
}
