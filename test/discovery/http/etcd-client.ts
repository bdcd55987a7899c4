/**
 * etcd's v2 discovery client, played step by step as etcd 3.4 and 3.5 do it: the same requests in the same order, the
 * same reading of answers, the same outcomes. Steps are named S (size), D (directory), P (registration), W (wait).
 */
import { createHash } from "node:crypto";
import { Agent, request as httpRequest, type IncomingHttpHeaders } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

export interface EtcdMember {
  /** `--discovery`, as the person typed it. */
  readonly discoveryUrl: string;
  readonly name: string;
  readonly peerUrls: readonly string[];
  /** First pause before a retry; doubles each time up to 2^7 of it. etcd: 2 s. */
  readonly backoffMs?: number;
  /** Limit of one S, D or P. etcd: 5 s. */
  readonly requestTimeoutMs?: number;
  /** Called with each request as it is sent: `GET /TOKEN?…`. */
  readonly onRequest?: (line: string) => void;
}

export type EtcdOutcome =
  /** Goes on to start with this `--initial-cluster`. */
  | {
      readonly type: "member";
      readonly id: string;
      readonly initialCluster: string;
      readonly clusterId: string;
    }
  /** The cluster is full: what the default fallback makes of the node, with the members' values. */
  | { readonly type: "proxy"; readonly id: string; readonly initialCluster: string }
  /** etcd would exit with this. */
  | { readonly type: "exit"; readonly id: string; readonly message: string };

/** etcd's `client.DefaultRequestTimeout`. */
const REQUEST_TIMEOUT_MS = 5000;
const BACKOFF_DOUBLINGS_MAX = 7;

interface Node {
  readonly key: string;
  readonly value: string;
  readonly createdIndex: number;
  readonly modifiedIndex: number;
}

interface Answer {
  readonly node: Partial<Node> & { readonly nodes?: readonly Node[] };
  /** `X-Etcd-Index`; 0 when there is none. */
  readonly index: number;
}

interface State {
  readonly nodes: readonly Node[];
  readonly size: number;
  readonly index: number;
}

/** Ends the process. */
class Exit extends Error {}
class Full extends Error {
  readonly nodes: readonly Node[];
  readonly size: number;
  constructor(nodes: readonly Node[], size: number) {
    super("discovery: cluster is full");
    this.nodes = nodes;
    this.size = size;
  }
}
/** 5xx and broken connections: retried where etcd retries. */
class Unreachable extends Error {}

/** First 8 bytes of SHA-1 over the sorted peer URLs and the discovery URL, in hex without leading zeros. */
export function etcdMemberId(peerUrls: readonly string[], discoveryUrl: string): string {
  const text = peerUrls.toSorted().join("") + discoveryUrl;
  return createHash("sha1").update(text).digest().readBigUInt64BE().toString(16);
}

/** Runs discovery to its end. */
export async function discover(member: EtcdMember): Promise<EtcdOutcome> {
  const client = new Client(member);
  try {
    return await client.join();
  } catch (error) {
    if (error instanceof Full) {
      return { type: "proxy", id: client.id, initialCluster: await client.joinAsProxy() };
    }
    if (error instanceof Exit || error instanceof Unreachable) {
      return { type: "exit", id: client.id, message: error.message };
    }
    throw error;
  } finally {
    client.close();
  }
}

class Client {
  readonly id: string;
  readonly #member: EtcdMember;
  readonly #url: URL;
  /** The token's path, cleaned, without a final slash. */
  readonly #path: string;
  /** One kept-alive connection, as Go's transport uses it here. */
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  readonly #timeoutMs: number;
  /** Never reset while the process lives. */
  #retries = 0;

  constructor(member: EtcdMember) {
    this.#member = member;
    this.#url = new URL(member.discoveryUrl);
    this.#path = this.#url.pathname.replaceAll(/\/{2,}/g, "/").replace(/\/$/, "");
    this.#timeoutMs = member.requestTimeoutMs ?? REQUEST_TIMEOUT_MS;
    this.id = etcdMemberId(member.peerUrls, member.discoveryUrl);
  }

  async join(): Promise<EtcdOutcome> {
    await this.#check(this.id);
    await this.#register();
    const state = await this.#check(this.id);
    const nodes = await this.#waitForOthers(state);
    const initialCluster = clusterString(nodes, state.size);
    const own = `${this.#member.name}=`;
    if (!initialCluster.split(",").some((pair) => pair.startsWith(own))) {
      throw new Exit("couldn't find local name in the initial cluster configuration");
    }
    return { type: "member", id: this.id, initialCluster, clusterId: clusterId(nodes) };
  }

  /** What `--discovery-fallback=proxy` does after "full": S and D once more, under no id. */
  async joinAsProxy(): Promise<string> {
    try {
      await this.#check("0");
    } catch (error) {
      if (error instanceof Full) return clusterString(error.nodes, error.size);
      throw error;
    }
    throw new Exit("a full cluster has room again");
  }

  close(): void {
    this.#agent.destroy();
  }

  /** S and D. @throws Full when the first `size` are others. */
  async #check(self: string): Promise<State> {
    for (;;) {
      try {
        const answer = await this.#get(`${this.#path}/_config/size`, READ, this.#timeoutMs);
        const size = sizeOf(answer.node.value);
        const directory = await this.#get(this.#directory(), READ, this.#timeoutMs);
        const nodes = (directory.node.nodes ?? [])
          .filter(({ key }) => lastSegment(key) !== "_config")
          .toSorted((a, b) => a.createdIndex - b.createdIndex);
        return checkPlace(nodes, size, self, directory.index);
      } catch (error) {
        if (!(error instanceof Unreachable)) throw error;
        await this.#backOff();
      }
    }
  }

  /** P and W1. */
  async #register(): Promise<void> {
    const { name, peerUrls } = this.#member;
    const value = peerUrls
      .map((url) => `${name}=${url}`)
      .toSorted()
      .join(",");
    const body = new URLSearchParams({ value }).toString();
    const path = `${this.#path}/${this.id}`;
    let created: Answer;
    try {
      created = await this.#send("PUT", path, "prevExist=false", this.#timeoutMs, body);
    } catch (error) {
      if (error instanceof V2Error && error.errorCode === 105)
        throw new Exit("discovery: found duplicate id");
      throw error;
    }
    const index = created.node.createdIndex ?? 0;
    await this.#wait(path, "recursive=false", index);
  }

  /** W2, until `size` are known. */
  async #waitForOthers(first: State): Promise<readonly Node[]> {
    let state = first;
    for (;;) {
      const nodes = state.nodes.slice(0, state.size);
      let next = state.index + 1;
      try {
        while (nodes.length < state.size) {
          const event = await this.#wait(this.#directory(), "recursive=true", next);
          nodes.push(event);
          next = event.modifiedIndex + 1;
        }
        return nodes;
      } catch (error) {
        if (!(error instanceof Unreachable)) throw error;
        await this.#backOff();
        state = await this.#check(this.id);
      }
    }
  }

  /** One event; an empty answer is asked again at once. */
  async #wait(path: string, recursive: string, waitIndex: number): Promise<Node> {
    for (;;) {
      const answer = await this.#get(path, `${recursive}&wait=true&waitIndex=${waitIndex}`, undefined, true);
      if (answer !== undefined) return answer.node as Node;
    }
  }

  #get(path: string, query: string, timeoutMs: number | undefined): Promise<Answer>;
  #get(path: string, query: string, timeoutMs: undefined, mayBeEmpty: true): Promise<Answer | undefined>;
  async #get(
    path: string,
    query: string,
    timeoutMs: number | undefined,
    mayBeEmpty = false,
  ): Promise<Answer | undefined> {
    try {
      return await this.#send("GET", path, query, timeoutMs);
    } catch (error) {
      if (mayBeEmpty && error instanceof EmptyBody) return undefined;
      throw error;
    }
  }

  async #send(
    method: string,
    path: string,
    query: string,
    timeoutMs: number | undefined,
    body?: string,
  ): Promise<Answer> {
    const own = this.#url.search.slice(1);
    const target = `${path}?${own === "" ? query : `${query}&${own}`}`;
    this.#member.onRequest?.(`${method} ${target}`);
    const { status, headers, text } = await this.#exchange(method, target, timeoutMs, body);
    if (status >= 500) throw new Unreachable(`${status}`);
    if (status !== 200 && status !== 201) {
      const error = parse(text);
      throw new V2Error(error.errorCode ?? 0, error.message ?? "", error.cause ?? "", error.index ?? 0);
    }
    if (text === "") throw new EmptyBody("client: response body is empty");
    const { node } = parse(text);
    // Real etcd dereferences a nil pointer here.
    if (node === undefined) throw new Error(`panic: no node in ${text}`);
    const index = headers["x-etcd-index"] ?? "0";
    if (typeof index !== "string" || !/^\d+$/.test(index)) throw new Exit("bad X-Etcd-Index");
    return { node, index: Number(index) };
  }

  #exchange(
    method: string,
    target: string,
    timeoutMs: number | undefined,
    body: string | undefined,
  ): Promise<{ status: number; headers: IncomingHttpHeaders; text: string }> {
    return new Promise((resolve, reject) => {
      const request = httpRequest({
        host: this.#url.hostname,
        port: this.#url.port,
        method,
        path: target,
        agent: this.#agent,
        headers: {
          Host: this.#url.host,
          "User-Agent": "Go-http-client/1.1",
          ...(body === undefined
            ? {}
            : { "Content-Length": body.length, "Content-Type": "application/x-www-form-urlencoded" }),
          "Accept-Encoding": "gzip",
        },
        ...(timeoutMs === undefined ? {} : { signal: AbortSignal.timeout(timeoutMs) }),
      });
      const fail = (error: Error): void => {
        reject(
          error.name === "AbortError" || error.name === "TimeoutError"
            ? new Exit("context deadline exceeded")
            : new Unreachable(error.message),
        );
      };
      request.on("error", fail);
      request.on("response", (response) => {
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => {
          text += chunk;
        });
        response.on("error", fail);
        response.on("end", () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text }),
        );
      });
      request.end(body);
    });
  }

  async #backOff(): Promise<void> {
    const doublings = Math.min(this.#retries++, BACKOFF_DOUBLINGS_MAX);
    await sleep((this.#member.backoffMs ?? 2000) * 2 ** doublings);
  }

  /** The directory keeps its final slash on the wire, other paths are cleaned. */
  #directory(): string {
    return this.#url.pathname.endsWith("/") ? `${this.#path}/` : this.#path;
  }
}

const READ = "quorum=false&recursive=false&sorted=false";

class EmptyBody extends Exit {}

class V2Error extends Exit {
  readonly errorCode: number;
  constructor(errorCode: number, message: string, cause: string, index: number) {
    super(`${errorCode}: ${message} (${cause}) [${index}]`);
    this.errorCode = errorCode;
  }
}

/** What of an answer is read; unknown fields are ignored. */
interface Body {
  readonly node?: Answer["node"];
  readonly errorCode?: number;
  readonly message?: string;
  readonly cause?: string;
  readonly index?: number;
}

function parse(text: string): Body {
  try {
    return JSON.parse(text) as Body;
  } catch {
    throw new Exit(
      "client: response is invalid json. The endpoint is probably not valid etcd cluster endpoint",
    );
  }
}

function sizeOf(value: string | undefined): number {
  if (value === undefined || !/^\d+$/.test(value)) throw new Exit("discovery: size key is bad");
  return Number(value);
}

function checkPlace(nodes: readonly Node[], size: number, self: string, index: number): State {
  for (const [rank, node] of nodes.entries()) {
    if (lastSegment(node.key) === self) break;
    if (rank >= size - 1) throw new Full(nodes, size);
  }
  return { nodes, size, index };
}

function lastSegment(key: string): string {
  return key.slice(key.lastIndexOf("/") + 1);
}

/** The first `size` values as one `--initial-cluster`. @throws Exit for a name or URL that two members have. */
function clusterString(nodes: readonly Node[], size: number): string {
  const values = nodes.slice(0, size).map(({ value }) => value);
  const pairs = values.flatMap((value) => value.split(",")).map((pair) => pair.split("=", 2));
  if (new Set(pairs.map(([name]) => name)).size !== size) throw new Exit("discovery: found duplicate name");
  if (new Set(pairs.map(([, url]) => url)).size !== pairs.length) throw new Exit("has duplicate url");
  return values.join(",");
}

/** First 8 bytes of SHA-1 over the member ids, ascending, 8 bytes big-endian each. */
function clusterId(nodes: readonly Node[]): string {
  const ids = nodes.map(({ key }) => BigInt(`0x${lastSegment(key)}`)).toSorted((a, b) => (a < b ? -1 : 1));
  const hash = createHash("sha1");
  for (const id of ids) {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64BE(id);
    hash.update(bytes);
  }
  return hash.digest().readBigUInt64BE().toString(16);
}
