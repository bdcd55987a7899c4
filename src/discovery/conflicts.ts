/**
 * What can never work between two members of one cluster, so that it is refused where it arrives, naming both nodes,
 * and not found out when the whole cluster is there and every member exits.
 */
import type { Member } from "./cluster.ts";
import { canonicalUrl, type PeerUrl, parsePeerUrl, staysOnMachine } from "./peer-url.ts";
import { refuse } from "./refusal.ts";

/** What the newcomer says about itself. */
export interface Newcomer {
  readonly name: string;
  readonly peerUrls: readonly PeerUrl[];
  /** Normalised address of the client; empty when declared. */
  readonly from: string;
  /** The discovery URL its id was computed from, where known. */
  readonly discoveryUrl: string | undefined;
}

/** @throws RefusedError name_taken, url_taken, loopback_url or discovery_url_mismatch. */
export function refuseConflicts(newcomer: Newcomer, members: readonly Member[]): void {
  for (const member of members) {
    refuseName(newcomer, member);
    const urls = member.peerUrls.map(parsePeerUrl);
    refuseUrls(newcomer, member, urls);
    refuseLoopback(newcomer, member, urls);
    refuseSpelling(newcomer, member);
  }
}

/** True when two addresses are known to be one machine's: the same one, or both loopback. */
export function sameMachine(a: string, b: string): boolean {
  return a === b || (isLoopbackAddress(a) && isLoopbackAddress(b));
}

/** `member "infra0" (id 3f…, registered from 10.0.1.10)`. */
export function describeMember(member: Member): string {
  const origin = member.from === "" ? "declared at creation" : `registered from ${member.from}`;
  return `member ${JSON.stringify(member.name)} (id ${member.id}, ${origin})`;
}

function isLoopbackAddress(address: string): boolean {
  return address === "::1" || address.startsWith("127.");
}

/** `"infra1" (from 10.0.1.11)`. */
function describeNewcomer({ name, from }: Newcomer): string {
  return JSON.stringify(name) + (from === "" ? " (declared)" : ` (from ${from})`);
}

function refuseName(newcomer: Newcomer, member: Member): void {
  if (newcomer.name !== member.name) return;
  refuse(
    "name_taken",
    `${describeNewcomer(newcomer)} cannot register: ${describeMember(member)} with ${member.peerUrls.join(" and ")} has that name already; etcd stops on duplicate names, so give every node a --name of its own`,
  );
}

function refuseUrls(newcomer: Newcomer, member: Member, theirs: readonly PeerUrl[]): void {
  const taken = new Set(theirs.map(canonicalUrl));
  const clash = newcomer.peerUrls.find((url) => taken.has(canonicalUrl(url)));
  if (clash === undefined) return;
  refuse(
    "url_taken",
    `${describeNewcomer(newcomer)} cannot register with peer URL ${clash.text}: ${describeMember(member)} advertises it already; etcd stops on duplicate URLs, so check --initial-advertise-peer-urls of both`,
  );
}

/**
 * A loopback address is fine while everything may be on one machine. It is not once another member advertises an
 * address (a name proves nothing: it may resolve to loopback), or registered from another machine.
 */
function refuseLoopback(newcomer: Newcomer, member: Member, theirs: readonly PeerUrl[]): void {
  const ours = newcomer.peerUrls.find(staysOnMachine);
  const other = theirs.find(staysOnMachine);
  if (ours === undefined && other === undefined) return;
  const known = newcomer.from !== "" && member.from !== "";
  const apart = known && !sameMachine(newcomer.from, member.from);
  const reachable = ours === undefined ? newcomer.peerUrls.find(isRealAddress) : theirs.find(isRealAddress);
  if (!apart && (reachable === undefined || (ours !== undefined && other !== undefined))) return;
  if (ours !== undefined) {
    const reason = reachable === undefined ? "is on another machine" : `advertises ${reachable.text}`;
    refuse(
      "loopback_url",
      `${describeNewcomer(newcomer)} cannot register with peer URL ${ours.text}, which only its own machine can reach, while ${describeMember(member)} ${reason}; set --initial-advertise-peer-urls to an address that the other members can reach`,
    );
  }
  const cure =
    newcomer.from === ""
      ? "declare it with an address that the others can reach"
      : "delete that member, set its --initial-advertise-peer-urls to an address that the others can reach, and register it again";
  refuse(
    "loopback_url",
    `${describeNewcomer(newcomer)} cannot register: ${describeMember(member)} advertises ${other?.text}, which only its own machine can reach; ${cure}`,
  );
}

function isRealAddress(url: PeerUrl): boolean {
  return url.reach !== "name" && !staysOnMachine(url);
}

/** Ids hash the discovery URL: two spellings of it make two clusters that refuse each other for ever. */
function refuseSpelling(newcomer: Newcomer, member: Member): void {
  if (newcomer.discoveryUrl === undefined || member.discoveryUrl === undefined) return;
  if (newcomer.discoveryUrl === member.discoveryUrl) return;
  refuse(
    "discovery_url_mismatch",
    `${describeNewcomer(newcomer)} was started with the discovery URL ${newcomer.discoveryUrl}, but ${describeMember(member)} with ${member.discoveryUrl}; etcd hashes the URL into its ids, so every member needs exactly the same spelling`,
  );
}
