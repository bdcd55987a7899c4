/** What is unwise about a cluster though it can work: sentences for the person, in the status and in a header. */
import { type Cluster, type Member, votersOf } from "./cluster.ts";
import { isHostLabel, labelOfToken } from "./domain-name.ts";
import { authorityOf, type PeerUrl, parsePeerUrl, staysOnMachine } from "./peer-url.ts";

/** etcd's documentation advises at most seven members: every write waits for a majority of them. */
const SIZE_ADVISED_MAX = 7;

/** All warnings about a cluster as it stands; proxies are not looked at. */
export function warningsOf(cluster: Cluster): readonly string[] {
  const voters = votersOf(cluster).map(withUrls);
  return [
    ...sizeWarnings(cluster.size),
    ...nameWarnings(cluster, voters),
    ...schemeWarnings(voters),
    ...addressWarnings(voters),
    ...discoveryUrlWarnings(voters),
  ];
}

interface Voter {
  readonly member: Member;
  readonly urls: readonly PeerUrl[];
}

function withUrls(member: Member): Voter {
  return { member, urls: member.peerUrls.map(parsePeerUrl) };
}

function quoted(voters: readonly Voter[]): string {
  return voters.map(({ member }) => JSON.stringify(member.name)).join(", ");
}

/** `"a" advertises`, `"a", "b" advertise`. */
function advertise(voters: readonly Voter[]): string {
  return `${quoted(voters)} advertise${voters.length === 1 ? "s" : ""}`;
}

function sizeWarnings(size: number): string[] {
  const failures = Math.floor((size - 1) / 2);
  if (size === 1)
    return ["a cluster of 1 has no fault tolerance: when its only member is down, so is the cluster"];
  if (size % 2 === 0) {
    return [
      `an even size is unwise: ${size} members survive ${failures === 0 ? "no failure" : `${failures} failed`}, no more than ${size - 1} do, and need a majority of ${size / 2 + 1}; prefer ${size - 1} or ${size + 1}`,
    ];
  }
  if (size > SIZE_ADVISED_MAX)
    return [
      `${size} members make every write wait for ${failures + 1} of them; etcd advises at most ${SIZE_ADVISED_MAX}`,
    ];
  return [];
}

function nameWarnings(cluster: Cluster, voters: readonly Voter[]): string[] {
  const warnings: string[] = [];
  if (labelOfToken(cluster.token) === undefined && cluster.domain === undefined)
    warnings.push(
      "this token has no name in the DNS: only minted tokens and discovery/LABEL with a lower-case host label have one",
    );
  const byLower = new Map<string, Voter>();
  for (const voter of voters) {
    const { name } = voter.member;
    const twin = byLower.get(name.toLowerCase());
    if (twin !== undefined)
      warnings.push(
        `the names ${JSON.stringify(twin.member.name)} and ${JSON.stringify(name)} differ only in case: people and the DNS will take them for one`,
      );
    byLower.set(name.toLowerCase(), voter);
    if (name === "default")
      warnings.push(
        'a member is named "default", as etcd names every node without --name: a second one will be refused',
      );
    if (/\s/.test(name))
      warnings.push(`the name ${JSON.stringify(name)} holds white space, which scripts trip over`);
  }
  if (cluster.domain !== undefined) {
    const unnamed = voters.filter(({ member }) => !isHostLabel(member.name.toLowerCase()));
    if (unnamed.length > 0)
      warnings.push(
        unnamed.length === 1
          ? `${quoted(unnamed)} cannot be a host name below ${cluster.domain}: its address record is named by its id`
          : `${quoted(unnamed)} cannot be host names below ${cluster.domain}: their address records are named by their ids`,
      );
  }
  return warnings;
}

function schemeWarnings(voters: readonly Voter[]): string[] {
  const warnings: string[] = [];
  const using = (scheme: string): Voter[] =>
    voters.filter(({ urls }) => urls.some((url) => url.scheme === scheme));
  const [http, https] = [using("http"), using("https")];
  if (http.length > 0 && https.length > 0)
    warnings.push(
      `peer URLs mix http (${quoted(http)}) and https (${quoted(https)}): peer TLS is set up alike on all members or not at all, and SRV records can name only one of the two`,
    );
  const addresses = https.filter(({ urls }) =>
    urls.some((url) => url.scheme === "https" && url.reach !== "name" && url.host !== "localhost"),
  );
  if (addresses.length > 0)
    warnings.push(
      `${advertise(addresses)} plain IP addresses under https: each peer certificate needs its IP address as a subject alternative name`,
    );
  const open = http.filter(({ urls }) => urls.some((url) => url.scheme === "http" && url.reach === "public"));
  if (open.length > 0)
    warnings.push(
      `${advertise(open)} public addresses without TLS: anyone on the way can read and change the data`,
    );
  return warnings;
}

function addressWarnings(voters: readonly Voter[]): string[] {
  const warnings: string[] = [];
  const local = voters.filter(({ urls }) => urls.some(staysOnMachine));
  if (local.length > 0)
    warnings.push(
      `${advertise(local)} loopback or unspecified addresses: this works only while the whole cluster is on one machine`,
    );
  const linkLocal = voters.filter(({ urls }) => urls.some((url) => url.reach === "link-local"));
  if (linkLocal.length > 0)
    warnings.push(`${advertise(linkLocal)} link-local addresses, which only one network segment can reach`);
  const byHost = Map.groupBy(
    voters.filter(({ urls }) => !urls.some(staysOnMachine)),
    ({ urls }) => urls[0]?.host ?? "",
  );
  for (const [host, sharing] of byHost)
    if (sharing.length > 1)
      warnings.push(`${quoted(sharing)} share the host ${host}, and would fail together`);
  const byAuthority = new Map<string, Voter>();
  for (const voter of voters) {
    for (const authority of new Set(voter.urls.map(authorityOf))) {
      const twin = byAuthority.get(authority);
      if (twin !== undefined)
        warnings.push(
          `${quoted([twin, voter])} both advertise ${authority}, one with http and one with https`,
        );
      byAuthority.set(authority, voter);
    }
  }
  return warnings;
}

function discoveryUrlWarnings(voters: readonly Voter[]): string[] {
  const known = voters.find(({ member }) => member.discoveryUrl !== undefined);
  const unknown = voters.filter(({ member }) => member.discoveryUrl === undefined);
  if (known === undefined || unknown.length === 0) return [];
  const [ids, they, nodes] =
    unknown.length === 1
      ? [`the id of ${quoted(unknown)} does`, "it was", "that node was"]
      : [`the ids of ${quoted(unknown)} do`, "they were", "those nodes were"];
  return [
    `${ids} not come from ${known.member.discoveryUrl}, the discovery URL of "${known.member.name}": unless ${they} chosen by hand, ${nodes} started with another spelling, and the cluster will not form`,
  ];
}
