/**
 * `/TOKEN`, `/TOKEN/MEMBER`, `/TOKEN/_config/size` and, on the same handlers, the custom form below `/v2/keys`:
 * etcd's v2 keys as far as its discovery client uses them.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import { RefusedError } from "../../lib/errors.ts";
import type { Cluster } from "../cluster.ts";
import type { Found } from "../discovery.ts";
import { refuseGone } from "../registry.ts";
import type { Tombstone } from "../store.ts";
import type { HttpContext, HttpHandler, HttpServices } from "./context.ts";
import { connectionOf } from "./context.ts";
import { customTokensRefusal, putSize, unpreparedRefusal } from "./custom-keys.ts";
import { whenLost } from "./delivery.ts";
import { booleanParameter, formOf, optionalBoolean, queryOf, queryText, quote } from "./form.ts";
import { customNameProblem, type KeyName, keyNamesOf, pathOf } from "./key-path.ts";
import { READS_IN_FLIGHT_MAX } from "./limits.ts";
import { answerPoll } from "./long-poll.ts";
import { methods } from "./methods.ts";
import { answerStatus, wantsStatus } from "./status.ts";
import { JSON_TYPE, V2Refusal, v2Error } from "./v2-error.ts";
import {
  configNode,
  directoryNode,
  eventBody,
  memberNode,
  sizeNode,
  type V2Action,
  type V2Node,
} from "./v2-node.ts";
import { warningHeader } from "./warning-header.ts";

/** Parameters of etcd's v2 API that would change what a registration means, and are not part of discovery. */
const UNSUPPORTED = ["ttl", "prevValue", "prevIndex", "dir", "refresh"] as const;

/** A live cluster, what of it is asked for, and the index up to which it is known. */
interface Located {
  readonly key: KeyName;
  readonly cluster: Cluster;
  readonly index: number;
}

/** The handler of every path that names a token or something below one. */
export function createTokenRoutes(services: HttpServices): HttpHandler {
  const get = boundedReads(services, explaining(services, read));
  const [set, drop] = [explaining(services, put), explaining(services, remove)];
  return methods({ GET: get, PUT: set, DELETE: drop }, (c, allow) =>
    v2Error("methodNotAllowed", `${c.req.method} is not for this path; allowed: ${allow}`, index(services), {
      Allow: allow,
    }),
  );
}

/** Whoever asks for a custom token that is not there is told how to prepare it: `/new` would make another one. */
function explaining(
  services: HttpServices,
  handler: (services: HttpServices, c: HttpContext) => Promise<Response>,
): (c: HttpContext) => Promise<Response> {
  return async (c) => {
    try {
      return await handler(services, c);
    } catch (error) {
      if (!(error instanceof RefusedError) || error.code !== "token_unknown") throw error;
      const names = namesOf(services, c);
      const key = c.req.method === "PUT" ? names.at(-1) : names[0];
      if (key?.kind !== "custom") throw error;
      throw unpreparedRefusal(key, services.urls.baseOf(c));
    }
  };
}

const index = (services: HttpServices): number => services.discovery.index;

// ---- GET

async function read(services: HttpServices, c: HttpContext): Promise<Response> {
  const parameters = queryOf(c);
  const located = await locate(services, c);
  const { key, cluster } = located;
  if (booleanParameter(parameters, "wait") && c.req.method === "GET") {
    if (key.node.type === "none") throw new V2Refusal("keyNotFound", missing(key));
    return answerPoll(services, c, key, parameters);
  }
  if (key.node.type === "directory" && wantsStatus(c, parameters))
    return answerStatus(cluster, located.index);
  // The index of what was read, not of now: etcd waits from the one after it, and must miss nothing in between.
  return answer(200, "get", nodeOf(key, cluster, booleanParameter(parameters, "sorted")), located.index);
}

function nodeOf(key: KeyName, cluster: Cluster, sorted: boolean): V2Node {
  const { node } = key;
  if (node.type === "directory") return directoryNode(key, cluster, sorted);
  if (node.type === "size") return sizeNode(key, cluster);
  if (node.type === "config") return configNode(key, cluster);
  const member = node.type === "member" ? cluster.members.find(({ id }) => id === node.id) : undefined;
  if (member === undefined) throw new V2Refusal("keyNotFound", missing(key));
  return memberNode(key, member);
}

/** Reads beyond the bound are put off with 503, which etcd answers with a retry; polls wait and are not counted. */
function boundedReads(services: HttpServices, handler: (c: HttpContext) => Promise<Response>): HttpHandler {
  let inFlight = 0;
  return async (c) => {
    if (c.req.raw.url.includes("wait=")) return handler(c);
    if (inFlight >= READS_IN_FLIGHT_MAX) {
      services.metrics.shed();
      return v2Error("unavailable", "too many requests at once; try again", index(services), {
        "Retry-After": "1",
      });
    }
    inFlight++;
    try {
      return await handler(c);
    } finally {
      inFlight--;
    }
  };
}

// ---- PUT

async function put(services: HttpServices, c: HttpContext): Promise<Response> {
  const [key] = namesOf(services, c).toReversed();
  if (key === undefined) return refuseGone(undefined);
  const query = queryOf(c);
  const form = await formOf(c);
  const parameter = (name: string): string | null => form.get(name) ?? query.get(name);
  const unsupported = UNSUPPORTED.find((name) => parameter(name) !== null);
  if (unsupported !== undefined) {
    throw new V2Refusal("invalidField", `${unsupported} is not supported here: a registration is for good`);
  }
  const prevExist = optionalBoolean(form, "prevExist") ?? optionalBoolean(query, "prevExist");
  const value = parameter("value");

  switch (key.node.type) {
    case "size":
      return putSize(services, c, key, value, prevExist);
    case "member":
      return register(services, c, { ...key, node: key.node }, value ?? "", prevExist);
    case "directory":
    case "config":
      throw new V2Refusal("readOnly", `${key.key} is a directory; register below it: PUT …/MEMBERID`);
    case "none":
      throw new V2Refusal(
        "invalidField",
        `${quote(key.node.name)} is no member id: expected 1 to 16 lower-case hex digits`,
      );
    default:
      return key.node satisfies never;
  }
}

type MemberKey = KeyName & { readonly node: { readonly type: "member" } };

async function register(
  services: HttpServices,
  c: HttpContext,
  key: MemberKey,
  value: string,
  prevExist: boolean | undefined,
): Promise<Response> {
  const { discovery, metrics } = services;
  const { id } = key.node;
  if (prevExist === true) {
    const found = await discovery.find(key.token);
    if (found.type !== "live" || !found.cluster.members.some((member) => member.id === id)) {
      if (found.type !== "live") refuseGone(tombstoneIn(found));
      throw new V2Refusal("keyNotFound", missing(key));
    }
  }
  const path = pathOf(c.req.raw.url);
  const registration = await discovery.register({
    token: key.token,
    id,
    value,
    from: services.clients.addressOf(c),
    discoveryUrls: services.urls.candidates(c, path.slice(0, path.lastIndexOf("/")), foreignQuery(c)),
  });
  metrics.registered(registration.role, registration.created);
  // The commit held the event loop: a client that went away meanwhile is seen by the next look at its socket.
  await nextTurn();
  const connection = connectionOf(c);
  if (connection !== undefined) {
    whenLost(connection, () => {
      metrics.answerLost();
      discovery.answerLost(key.token, id, registration.member.createdIndex);
    });
  }
  const node = memberNode(key, registration.member);
  return answer(201, "create", node, registration.index, warningHeader(registration.warnings));
}

/** What the query holds besides etcd's own parameters: a discovery URL with a query of its own adds it everywhere. */
function foreignQuery(c: HttpContext): string {
  const rest = queryText(c.req.raw.url)
    .split("&")
    .filter((part) => part !== "" && !part.startsWith("prevExist="));
  return rest.length === 0 ? "" : `?${rest.join("&")}`;
}

// ---- DELETE

async function remove(services: HttpServices, c: HttpContext): Promise<Response> {
  const { key, cluster } = await locate(services, c);
  const { node } = key;
  if (node.type === "directory") {
    const retired = await services.discovery.retire(key.token);
    // etcd shows a deleted directory without what was in it.
    const before = directoryNode(key, { ...retired.cluster, members: [] }, false);
    return answer(200, "delete", deleted(before, retired.index), retired.index, {}, before);
  }
  if (node.type === "member") {
    const removed = await services.discovery.remove(key.token, node.id);
    const before = memberNode(key, removed.member);
    return answer(200, "delete", deleted(before, removed.index), removed.index, {}, before);
  }
  nodeOf(key, cluster, false);
  throw new V2Refusal("readOnly", "the size of a token cannot be changed; get a new token instead");
}

function deleted(before: V2Node, atIndex: number): V2Node {
  const { key, dir, createdIndex } = before;
  return { key, ...(dir === true ? { dir } : {}), modifiedIndex: atIndex, createdIndex };
}

// ---- finding

function namesOf(services: HttpServices, c: HttpContext): readonly KeyName[] {
  const path = pathOf(c.req.raw.url);
  const names = keyNamesOf(path);
  if (names === undefined) throw new V2Refusal("invalidField", "the path has a % that cannot be decoded");
  if (names[0]?.kind === "custom" && !services.allowCustomTokens) throw customTokensRefusal();
  const problem = names.length === 0 ? customNameProblem(path) : undefined;
  if (problem !== undefined) throw new V2Refusal("invalidField", problem);
  return names;
}

/** @throws RefusedError saying that there is no such token, or since when: every miss has the same shape. */
async function locate(services: HttpServices, c: HttpContext): Promise<Located> {
  let tombstone: Tombstone | undefined;
  for (const key of namesOf(services, c)) {
    const found = await services.discovery.find(key.token);
    if (found.type === "live") return { key, cluster: found.cluster, index: found.index };
    tombstone ??= tombstoneIn(found);
  }
  return refuseGone(tombstone);
}

function tombstoneIn(found: Found): Tombstone | undefined {
  return found.type === "gone" ? found.tombstone : undefined;
}

/** etcd's cause of a missing key is the key. */
function missing(key: KeyName): string {
  const { node } = key;
  return node.type === "member"
    ? `${key.key}/${node.id}`
    : node.type === "none"
      ? `${key.key}/${node.name.slice(0, 80)}`
      : key.key;
}

// ---- answering

function answer(
  status: 200 | 201,
  action: V2Action,
  node: V2Node,
  atIndex: number,
  headers: Readonly<Record<string, string>> = {},
  prevNode?: V2Node,
): Response {
  return new Response(eventBody(action, node, prevNode), {
    status,
    headers: {
      "Content-Type": JSON_TYPE,
      "X-Etcd-Index": String(atIndex),
      "Cache-Control": "no-store",
      ...headers,
    },
  });
}
