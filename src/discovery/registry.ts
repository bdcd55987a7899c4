/**
 * The rules of the discovery service. Pure: a cluster, a request, the next index and the time go in; the new cluster
 * comes out, or a RefusedError that says why not. What a rule returns becomes true only when the service has made it
 * durable. The rules in words: docs/protocol.md.
 */
import { assert } from "../lib/assert.ts";
import { RefusedError } from "../lib/errors.ts";
import {
  type Cluster,
  isSealed,
  type Member,
  type MemberId,
  type Role,
  roleOf,
  type Token,
  votersOf,
} from "./cluster.ts";
import { describeMember, type Newcomer, refuseConflicts, sameMachine } from "./conflicts.ts";
import { isHostLabel, isWithin, normalDomain } from "./domain-name.ts";
import { memberIdOf } from "./member-id.ts";
import { type MemberValue, parseMemberValue } from "./member-value.ts";
import { staysOnMachine } from "./peer-url.ts";
import { refuse } from "./refusal.ts";
import type { CreateRequest, Declaration, RegisterRequest } from "./requests.ts";
import type { Tombstone } from "./store.ts";

/** Registrations beyond the size that one token records; further ones are refused with too_many_members. */
export const EXTRAS_MAX = 1000;
/** Deletions before the seal that one token remembers for its waiting members; further ones are refused. */
export const REMOVALS_MAX = 1000;

export interface Rules {
  /** Greatest size of a cluster. */
  readonly maxSize: number;
  /** Milliseconds from creation to expiry; what is gone is remembered for as long again. */
  readonly tokenTtlMs: number;
  /** Domains, with all below them, that clusters may own: lower case, no final dot. */
  readonly allowedDomains: readonly string[];
}

/** The time, and the first index that is free: a rule uses as many from there as it makes events. */
export interface Moment {
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly nextIndex: number;
}

// ---- creating

/**
 * A new cluster under a minted token. Uses one index, and one more for each declared member.
 * @throws RefusedError size_out_of_range, bad_declaration, bad_domain, domain_not_allowed, or what is wrong between
 * two declared members.
 */
export function createCluster(rules: Rules, token: Token, request: CreateRequest, moment: Moment): Cluster {
  checkSize(rules, request.size);
  const domain = request.domain === undefined ? undefined : checkDomain(rules, request.domain);
  const declared = request.declared ?? [];
  const cluster: Cluster = {
    token,
    kind: "minted",
    size: request.size,
    createdIndex: moment.nextIndex,
    createdAt: moment.now,
    expiresAt: domain === undefined ? moment.now + rules.tokenTtlMs : undefined,
    domain,
    members: [],
    removed: [],
    sealedIndex: undefined,
  };
  if (declared.length === 0) return cluster;
  const members = declareMembers(cluster, declared, discoveryUrlOf(request.baseUrl, token), moment.now);
  const sealedIndex = members.length === request.size ? members.at(-1)?.createdIndex : undefined;
  return { ...cluster, members, sealedIndex };
}

/** The URL handed out for a token: `baseUrl` with or without its final slash. */
export function discoveryUrlOf(baseUrl: string, token: Token): string {
  return `${baseUrl.replace(/\/+$/, "")}/${token}`;
}

/**
 * `PUT …/TOKEN/_config/size`: a new cluster under a token that the caller chose. Uses one index.
 * @param existing The live cluster of that token.
 * @returns `existing` itself when it has that size.
 * @throws RefusedError size_out_of_range, size_fixed.
 */
export function createCustomCluster(
  rules: Rules,
  token: Token,
  size: number,
  existing: Cluster | undefined,
  moment: Moment,
): Cluster {
  if (existing !== undefined) {
    if (existing.size === size) return existing;
    refuse(
      "size_fixed",
      `this token was created for ${existing.size} members: its size cannot be changed to ${size}; use another token`,
    );
  }
  checkSize(rules, size);
  return {
    token,
    kind: "custom",
    size,
    createdIndex: moment.nextIndex,
    createdAt: moment.now,
    expiresAt: moment.now + rules.tokenTtlMs,
    domain: undefined,
    members: [],
    removed: [],
    sealedIndex: undefined,
  };
}

function checkSize({ maxSize }: Rules, size: number): void {
  if (Number.isInteger(size) && size >= 1 && size <= maxSize) return;
  refuse(
    "size_out_of_range",
    `a cluster cannot have size ${size}: expected a whole number from 1 to ${maxSize}`,
  );
}

function checkDomain({ allowedDomains }: Rules, text: string): string {
  const domain = normalDomain(text);
  if (domain === undefined)
    return refuse(
      "bad_domain",
      `${JSON.stringify(text)} is not a domain: expected a name such as "example.com"`,
    );
  if (allowedDomains.some((allowed) => isWithin(domain, allowed))) return domain;
  const allowed = allowedDomains.length === 0 ? "none" : allowedDomains.join(", ");
  return refuse(
    "domain_not_allowed",
    `no cluster may own the domain ${domain} here (allowed: ${allowed}); the operator allows domains with --dns-allow-domain`,
  );
}

/** Members named before any node runs, under the ids that etcd will compute when it comes. */
function declareMembers(
  cluster: Cluster,
  declared: readonly Declaration[],
  discoveryUrl: string,
  now: number,
): readonly Member[] {
  if (declared.length > cluster.size)
    refuse(
      "bad_declaration",
      `${declared.length} members were declared for a cluster of ${cluster.size}: declare at most ${cluster.size}`,
    );
  const members: Member[] = [];
  for (const { name, peerUrl } of declared) {
    const value = `${name}=${peerUrl}`;
    const read = readDeclaration(value);
    if (cluster.domain !== undefined && !isHostLabel(name.toLowerCase()))
      refuse(
        "bad_declaration",
        `the declared name ${JSON.stringify(name)} cannot be a host name below ${cluster.domain}: use letters, digits and hyphens`,
      );
    refuseConflicts({ ...read, from: "", discoveryUrl }, members);
    members.push({
      id: memberIdOf([peerUrl], discoveryUrl),
      value,
      name,
      peerUrls: [peerUrl],
      createdIndex: cluster.createdIndex + 1 + members.length,
      registeredAt: now,
      from: "",
      discoveryUrl,
      answered: false,
    });
  }
  return members;
}

function readDeclaration(value: string): MemberValue {
  try {
    const read = parseMemberValue(value);
    if (read.peerUrls.length === 1) return read;
  } catch (error) {
    if (!(error instanceof RefusedError)) throw error;
    return refuse(
      "bad_declaration",
      `the declared member ${JSON.stringify(value)} cannot be used: ${error.message}`,
      {
        cause: error,
      },
    );
  }
  return refuse("bad_declaration", `the declared member ${JSON.stringify(value)} has more than one peer URL`);
}

// ---- registering

export interface RegistrationPlan {
  /** False when the same id and value are there already and their success is repeated: no event. */
  readonly created: boolean;
  /** The cluster afterwards; the very one that came in when there is nothing to keep. */
  readonly cluster: Cluster;
  readonly member: Member;
  readonly rank: number;
  readonly role: Role;
}

/**
 * A member's registration. Uses one index when `created`.
 * @throws RefusedError value_malformed, member_exists, defaulted_url, too_many_members; below the size also name_taken,
 * url_taken, loopback_url, discovery_url_mismatch.
 */
export function registerMember(cluster: Cluster, request: RegisterRequest, moment: Moment): RegistrationPlan {
  const read = parseMemberValue(request.value);
  const rank = cluster.members.findIndex((member) => member.id === request.id);
  const existing = cluster.members[rank];
  return existing === undefined
    ? addMember(cluster, request, read, moment)
    : repeatMember(cluster, request, read, existing, rank);
}

function addMember(
  cluster: Cluster,
  request: RegisterRequest,
  read: MemberValue,
  { now, nextIndex }: Moment,
): RegistrationPlan {
  assert(
    nextIndex > (cluster.members.at(-1)?.createdIndex ?? cluster.createdIndex),
    () => `index ${nextIndex} is not past the cluster's last: the registry's index went back`,
  );
  const rank = cluster.members.length;
  const role = roleOf(cluster, rank);
  if (rank >= cluster.size + EXTRAS_MAX)
    refuse(
      "too_many_members",
      `${rank} nodes have registered for this cluster of ${cluster.size}: no more are recorded; get a new token for a new cluster`,
    );
  const discoveryUrl = discoveryUrlBehind(request, read, cluster);
  if (role === "member") {
    const newcomer: Newcomer = { ...read, from: request.from, discoveryUrl };
    refuseConflicts(newcomer, votersOf(cluster));
  }
  const member: Member = {
    id: request.id,
    value: request.value,
    name: read.name,
    peerUrls: read.peerUrls.map((url) => url.text),
    createdIndex: nextIndex,
    registeredAt: now,
    from: request.from,
    discoveryUrl,
    answered: true,
  };
  const after: Cluster = {
    ...cluster,
    members: [...cluster.members, member],
    sealedIndex: rank + 1 === cluster.size ? nextIndex : cluster.sealedIndex,
  };
  return { created: true, cluster: after, member, rank, role };
}

/** The spelling of the discovery URL that gives this id, among those the request may have used and the others did. */
function discoveryUrlBehind(
  request: RegisterRequest,
  read: MemberValue,
  cluster: Cluster,
): string | undefined {
  const urls = read.peerUrls.map((url) => url.text);
  const known = votersOf(cluster).flatMap((member) => member.discoveryUrl ?? []);
  const candidates = new Set([...request.discoveryUrls, ...known]);
  return [...candidates].find((candidate) => memberIdOf(urls, candidate) === request.id);
}

function repeatMember(
  cluster: Cluster,
  request: RegisterRequest,
  read: MemberValue,
  existing: Member,
  rank: number,
): RegistrationPlan {
  const role = roleOf(cluster, rank);
  if (existing.value !== request.value)
    refuse(
      "member_exists",
      `the id ${request.id} is held by ${describeMember(existing)} with the value ${JSON.stringify(existing.value)}; etcd computes ids from the peer URLs, so check --initial-advertise-peer-urls`,
    );
  const elsewhere = existing.from !== "" && !sameMachine(existing.from, request.from);
  if (elsewhere && role === "member" && read.peerUrls.every(staysOnMachine))
    refuse(
      "defaulted_url",
      `${JSON.stringify(read.name)} (from ${request.from}) and ${describeMember(existing)} both advertise ${existing.peerUrls.join(" and ")}, as every node without --initial-advertise-peer-urls does: etcd takes them for one member; set that flag, and --name, on each`,
    );
  const plan = { created: false, rank, role } as const;
  if (existing.answered) {
    if (isSealed(cluster) && role === "member")
      refuse(
        "member_exists",
        `${describeMember(existing)} is part of a complete cluster, and its registration was answered: a member that lost its data must not join twice as itself; remove it with \`etcdctl member remove\`, then add it again with --initial-cluster-state existing`,
      );
    return { ...plan, cluster, member: existing };
  }
  // From now on an answer counts as delivered, unless its connection is seen to break too.
  const member: Member = {
    ...existing,
    answered: true,
    from: existing.from === "" ? request.from : existing.from,
  };
  return { ...plan, cluster: replaceMember(cluster, member), member };
}

function replaceMember(cluster: Cluster, member: Member): Cluster {
  return {
    ...cluster,
    members: cluster.members.map((old) => (old.id === member.id ? member : old)),
  };
}

/**
 * Notes that the answer to a registration never arrived: the member may register once more, also after the seal.
 * @param createdIndex Of the registration meant: a later one under the same id is left alone.
 * @returns undefined when there is nothing to note.
 */
export function loseAnswer(cluster: Cluster, id: MemberId, createdIndex: number): Cluster | undefined {
  const member = cluster.members.find(
    (candidate) => candidate.id === id && candidate.createdIndex === createdIndex && candidate.answered,
  );
  return member && replaceMember(cluster, { ...member, answered: false });
}

// ---- leaving

/**
 * Deletes a member of an incomplete cluster. Uses one index.
 * @throws RefusedError member_unknown, sealed, too_many_removals.
 */
export function removeMember(
  cluster: Cluster,
  id: MemberId,
  { nextIndex }: Moment,
): { readonly cluster: Cluster; readonly member: Member } {
  const member = cluster.members.find((candidate) => candidate.id === id);
  if (member === undefined)
    return refuse(
      "member_unknown",
      `this cluster has no member ${id}: it has ${cluster.members.length} registered`,
    );
  if (isSealed(cluster))
    refuse(
      "sealed",
      `the cluster has its ${cluster.size} members and is running on its own: ${describeMember(member)} cannot be deleted here, use \`etcdctl member remove\``,
    );
  if (cluster.removed.length >= REMOVALS_MAX)
    refuse("too_many_removals", `${REMOVALS_MAX} members were deleted from this token: get a new token`);
  const removed = { id, createdIndex: member.createdIndex, removedIndex: nextIndex };
  return {
    member,
    cluster: {
      ...cluster,
      members: cluster.members.filter((candidate) => candidate !== member),
      removed: [...cluster.removed, removed],
    },
  };
}

/** True from the very millisecond of its expiry. */
export function isExpired(cluster: Cluster, now: number): boolean {
  return cluster.expiresAt !== undefined && now >= cluster.expiresAt;
}

/** What is kept of a token: a cluster, what is left of one, or nothing. */
export type Kept = Cluster | Tombstone | undefined;

export function isCluster(kept: Kept): kept is Cluster {
  return kept !== undefined && "members" in kept;
}

/**
 * What a token stands for now, collected or not: an expired cluster is its tombstone already, and a tombstone past
 * its time is nothing.
 */
export function stateAt(rules: Rules, kept: Kept, now: number): Kept {
  const state = isCluster(kept) && isExpired(kept, now) ? tombstoneOf(rules, kept, now) : kept;
  return state !== undefined && !isCluster(state) && now >= state.forgetAt ? undefined : state;
}

/** What remains of a cluster that has expired, or is deleted now. */
export function tombstoneOf(rules: Rules, { token, expiresAt }: Cluster, now: number): Tombstone {
  const expired = expiresAt !== undefined && now >= expiresAt;
  const at = expired ? expiresAt : now;
  return { token, reason: expired ? "expired" : "deleted", at, forgetAt: at + rules.tokenTtlMs };
}

/** @throws RefusedError token_expired, token_retired or token_unknown. */
export function refuseGone(tombstone: Tombstone | undefined): never {
  if (tombstone === undefined)
    return refuse(
      "token_unknown",
      'no such token: it was never created here, or expired long ago; get a new one: curl "SERVER/new?size=3"',
    );
  const when = new Date(tombstone.at).toISOString();
  return tombstone.reason === "expired"
    ? refuse("token_expired", `this token expired at ${when}; get a new one: curl "SERVER/new?size=3"`)
    : refuse("token_retired", `this token was deleted at ${when}; get a new one: curl "SERVER/new?size=3"`);
}
