/**
 * A cluster's records at one place of the tree: `TOKEN.ZONE`, or a domain it owns.
 *
 * Exactly one of the http and https server names has records, that of the scheme of the first member: from both, etcd
 * 3.4 takes only the https ones, and 3.5 numbers the two lists from 0 each and takes two machines for one.
 */
import ipaddr from "ipaddr.js";
import { type Cluster, isSealed, type Member, type Scheme, votersOf } from "../discovery/cluster.ts";
import { isHostLabel, isName } from "./name.ts";
import type { RRset, Srv } from "./records.ts";
import { addressSets, FORMING_TTL_SECONDS, STABLE_TTL_SECONDS } from "./zone.ts";

/** Where and how a cluster is published. */
export interface Site {
  /** Its own name: `TOKEN.ZONE` or a domain; lower case. */
  readonly origin: string;
  /** How members that advertise an address are called: by id, or by their names where those can be host names. */
  readonly labels: "id" | "name";
  /** Names of the zone that no member can have, in lower case. */
  readonly taken: ReadonlySet<string>;
  readonly clientPort: number;
}

/** Service names of etcd's clients and peers (etcd `client/pkg/srv/srv.go`). */
const SERVICES = ["_etcd-server", "_etcd-server-ssl", "_etcd-client", "_etcd-client-ssl"] as const;
const SUFFIX: Readonly<Record<Scheme, string>> = { http: "", https: "-ssl" };

/** Host as it was written: `new URL` would change its case, and peers compare URLs as text. */
const PEER_URL = /^(https?):\/\/(?:\[([^\]]+)\]|([^[\]/:?#@]+)):(\d{1,5})\/?$/i;

interface Peer {
  readonly scheme: Scheme;
  readonly port: number;
  /** A name; or the address where the host is one. */
  readonly host: string;
  readonly isAddress: boolean;
}

/** Names that exist from the token's creation, with records or without: asking early is never answered NXDOMAIN. */
export function clusterNames(origin: string): readonly string[] {
  return [origin, ...SERVICES.map((service) => `${service}._tcp.${origin}`)].filter(isName);
}

/** Everything published of a cluster at a site. Voters only: proxies are nobody's peers. */
export function clusterRecords(cluster: Cluster, site: Site): readonly RRset[] {
  const ttl = isSealed(cluster) ? STABLE_TTL_SECONDS : FORMING_TTL_SECONDS;
  const voters = votersOf(cluster);
  const peers = new Map(voters.map((member) => [member, peersOf(member)]));
  const scheme = [...peers.values()].flat()[0]?.scheme;
  const summary: RRset = {
    name: site.origin,
    type: "TXT",
    ttl,
    data: [[`size=${cluster.size}`, `registered=${voters.length}`, `sealed=${isSealed(cluster)}`]],
  };
  if (scheme === undefined) return [summary];

  const labels = labelsOf(voters, peers, site);
  const servers = new Map<string, Srv>();
  const clients = new Map<string, Srv>();
  const addresses: RRset[] = [];
  for (const [member, all] of peers) {
    const published = all.filter((peer) => peer.scheme === scheme);
    const ownName = `${labels.get(member) ?? member.id}.${site.origin}`;
    for (const peer of published) {
      const target = peer.isAddress ? ownName : peer.host;
      if (!isName(target)) continue;
      addSrv(servers, target, peer.port);
      addSrv(clients, target, site.clientPort);
    }
    const own = published.filter((peer) => peer.isAddress).map((peer) => peer.host);
    if (isName(ownName)) addresses.push(...addressSets(ownName, ttl, own));
  }
  const srv = (service: string, set: ReadonlyMap<string, Srv>): RRset[] => {
    const name = `${service}${SUFFIX[scheme]}._tcp.${site.origin}`;
    return set.size > 0 && isName(name) ? [{ name, type: "SRV", ttl, data: [...set.values()] }] : [];
  };
  return [summary, ...srv("_etcd-server", servers), ...srv("_etcd-client", clients), ...addresses];
}

/** One record for each distinct host and port, also where a member has several URLs. */
function addSrv(set: Map<string, Srv>, target: string, port: number): void {
  const key = `${target.toLowerCase()}:${port}`;
  if (!set.has(key)) set.set(key, { priority: 0, weight: 0, port, target });
}

/**
 * The label of each member that needs an address record. A member's name serves where it is a host name that means
 * nobody else: not an id, not a name of the zone, not a host that some member advertises, and not an earlier member's
 * in other letters.
 */
function labelsOf(
  voters: readonly Member[],
  peers: ReadonlyMap<Member, readonly Peer[]>,
  site: Site,
): ReadonlyMap<Member, string> {
  const labels = new Map<Member, string>();
  if (site.labels === "id") return labels;
  const used = new Set([...site.taken, ...voters.map((member) => `${member.id}.${site.origin}`)]);
  for (const peer of [...peers.values()].flat()) if (!peer.isAddress) used.add(peer.host.toLowerCase());
  for (const member of voters) {
    const name = `${member.name}.${site.origin}`.toLowerCase();
    if (!isHostLabel(member.name) || used.has(name)) continue;
    used.add(name);
    labels.set(member, member.name);
  }
  return labels;
}

/** The peer URLs of a member that DNS can express. */
function peersOf(member: Member): readonly Peer[] {
  return member.peerUrls.flatMap((url): Peer[] => {
    const [, scheme, v6, host = "", port] = PEER_URL.exec(url) ?? [];
    if (scheme === undefined) return [];
    const rest = { scheme: scheme.toLowerCase() === "https" ? "https" : "http", port: Number(port) } as const;
    if (rest.port < 1 || rest.port > 65_535) return [];
    if (v6 !== undefined) {
      // An address with a zone (`fe80::1%eth0`) means nothing on another machine.
      if (v6.includes("%") || !ipaddr.IPv6.isValid(v6)) return [];
      return [{ ...rest, host: ipaddr.process(v6).toString(), isAddress: true }];
    }
    if (ipaddr.IPv4.isValidFourPartDecimal(host)) return [{ ...rest, host, isAddress: true }];
    return [{ ...rest, host: host.replace(/\.$/, ""), isAddress: false }];
  });
}
