/**
 * The client of the discovery token protocol: decides what to ask next, pure. The order of questions is etcd's
 * (`server/etcdserver/api/v2discovery/discovery.go`): size, members, register, watch oneself, size and members again,
 * watch the others. Where etcd exits for good on a lost answer or a slow service, this asks again: what a
 * registration did is read back from the list, so asking twice is safe.
 */
import { unreachable } from "../lib/assert.ts";
import { RefusedError } from "../lib/errors.ts";
import { formatId, memberId } from "./identity.ts";
import {
  duplicateName,
  duplicateUrl,
  type InitialCluster,
  initialCluster,
  memberValue,
  readMemberValue,
} from "./initial-cluster.ts";
import type { Answer, TokenNode } from "./token-answer.ts";

export type Ask =
  | { readonly type: "size" }
  | { readonly type: "list" }
  | { readonly type: "register"; readonly id: string; readonly value: string }
  | { readonly type: "watchSelf"; readonly id: string; readonly waitIndex: number }
  | { readonly type: "watchPeers"; readonly waitIndex: number };

export type Step =
  | { readonly type: "ask"; readonly ask: Ask }
  /** Wait, then call `resumed`. `reason` is undefined where there is nothing to tell a person. */
  | { readonly type: "pause"; readonly ms: number; readonly reason: string | undefined }
  /** `before`: this member had registered before this process, and maybe ran already. */
  | { readonly type: "joined"; readonly cluster: InitialCluster; readonly before: boolean }
  | { readonly type: "failed"; readonly error: RefusedError };

export interface JoinRequest {
  /** Exactly as given: it is hashed into every id. */
  readonly tokenUrl: string;
  readonly name: string;
  /** At least one. */
  readonly peerUrls: readonly string[];
}

export interface Progress {
  readonly size: number;
  /** Names of the members registered so far, in order. */
  readonly names: readonly string[];
}

/** Pauses double from the first to the last; a successful answer starts them over. */
const PAUSE_FIRST_MS = 1000;
const PAUSE_LAST_MS = 30_000;
/** A poll that ends sooner without an event is not repeated at once: some services answer so for ever. */
const QUIET_SHORTEST_MS = 1000;

/** etcd `etcdserver/api/v2error/error.go`. */
const KEY_NOT_FOUND = 100;
const NODE_EXISTS = 105;
const RAFT_INTERNAL = 300;
const EVENT_INDEX_CLEARED = 401;

export class TokenJoin {
  readonly #request: JoinRequest;
  readonly #id: string;
  readonly #value: string;
  #asked: Ask = { type: "size" };
  #size: number | undefined;
  #nodes: readonly TokenNode[] = [];
  #listed = false;
  /** The event of our own registration in this process. */
  #registeredIndex: number | undefined;
  /** An attempt to register had no answer: it may have been stored. */
  #mayHaveRegistered = false;
  /** The list showed our registration before this process made one. */
  #before = false;
  #pauses = 0;

  constructor(request: JoinRequest) {
    this.#request = request;
    this.#id = formatId(memberId(request.peerUrls, request.tokenUrl));
    this.#value = memberValue(request.name, request.peerUrls);
  }

  /** Undefined until the service has listed the members. */
  get progress(): Progress | undefined {
    if (this.#size === undefined || !this.#listed) return undefined;
    return {
      size: this.#size,
      names: this.#voters().map((node) => node.value.slice(0, Math.max(0, node.value.indexOf("=")))),
    };
  }

  start(): Step {
    return this.#ask({ type: "size" });
  }

  /** The pause that was asked for is over. */
  resumed(): Step {
    return this.#ask(this.#asked);
  }

  /** @param random In 0..1: spreads the tries of nodes that lost the service at the same moment. */
  answered(answer: Answer, random: number): Step {
    try {
      switch (answer.type) {
        case "unavailable":
          return this.#tryAgain(answer.reason, random);
        case "foreign":
          throw new RefusedError("bad_endpoint", `discovery: bad discovery endpoint: ${answer.reason}`);
        case "refused":
          return this.#refused(answer, random);
        case "quiet":
          return this.#quiet(answer.afterMs, random);
        case "node":
          this.#pauses = 0;
          return this.#told(answer);
        default:
          return unreachable(answer);
      }
    } catch (error) {
      if (error instanceof RefusedError) return { type: "failed", error };
      throw error;
    }
  }

  #ask(ask: Ask): Step {
    this.#asked = ask;
    return { type: "ask", ask };
  }

  /** Everything starts over from the size, as in etcd: the list then says what the lost answers did. */
  #tryAgain(reason: string, random: number): Step {
    if (this.#asked.type === "register") this.#mayHaveRegistered = true;
    this.#asked = { type: "size" };
    const ms = Math.min(PAUSE_LAST_MS, PAUSE_FIRST_MS * 2 ** this.#pauses++);
    return { type: "pause", ms: Math.round(ms * (0.5 + random / 2)), reason };
  }

  #quiet(afterMs: number, random: number): Step {
    if (this.#asked.type !== "watchSelf" && this.#asked.type !== "watchPeers")
      return this.#tryAgain("it sent an empty answer", random);
    if (afterMs >= QUIET_SHORTEST_MS) return this.#ask(this.#asked);
    return { type: "pause", ms: QUIET_SHORTEST_MS, reason: undefined };
  }

  #refused(answer: Answer & { readonly type: "refused" }, random: number): Step {
    const { errorCode, sentence } = answer;
    if (errorCode === KEY_NOT_FOUND) {
      throw new RefusedError(
        "token_unknown",
        `${sentence}: the service does not know this token (any more); get a new one with \`quorate new\` for all ` +
          "members of the cluster",
      );
    }
    // The service could not store it now: its disk is full, its cluster has no leader.
    if (errorCode === RAFT_INTERNAL) return this.#tryAgain(sentence, random);
    if (errorCode === EVENT_INDEX_CLEARED) return this.#ask({ type: "size" });
    if (errorCode !== NODE_EXISTS || this.#asked.type !== "register")
      throw new RefusedError("refused_by_service", sentence);
    // Ours, by an earlier try whose answer was lost: the list has its place.
    if (this.#mayHaveRegistered) return this.#ask({ type: "size" });
    throw duplicateId(this.#id, answer.cause === "" ? sentence : answer.cause);
  }

  #told(answer: Answer & { readonly type: "node" }): Step {
    const asked = this.#asked;
    switch (asked.type) {
      case "size":
        this.#size = readSize(answer.node.value);
        return this.#ask({ type: "list" });
      case "list":
        return this.#list(answer);
      case "register":
        this.#registeredIndex = answer.node.createdIndex;
        return this.#ask({ type: "watchSelf", id: asked.id, waitIndex: this.#registeredIndex });
      case "watchSelf":
        return this.#ask({ type: "size" });
      case "watchPeers":
        return this.#event(answer);
      default:
        return unreachable(asked);
    }
  }

  #list(answer: Answer & { readonly type: "node" }): Step {
    this.#nodes = answer.children.toSorted((a, b) => a.createdIndex - b.createdIndex);
    this.#listed = true;
    const size = this.#size ?? 0;
    const own = this.#nodes.find((node) => node.id === this.#id);
    if (own !== undefined && own.value !== this.#value) throw duplicateId(this.#id, `${own.value} holds it`);
    if (own !== undefined && this.#registeredIndex === undefined && !this.#mayHaveRegistered)
      this.#before = true;
    const voters = this.#voters();
    if (voters.length >= size && (own === undefined || !voters.includes(own))) throw full(size, voters);
    if (voters.length >= size) return this.#joined();
    const listedIndex = answer.index ?? Math.max(0, ...this.#nodes.map((node) => node.modifiedIndex));
    // Listed is registered: some services take a second PUT for one more member.
    if (own === undefined && this.#registeredIndex === undefined) {
      this.#checkFree();
      return this.#ask({ type: "register", id: this.#id, value: this.#value });
    }
    if (own === undefined && listedIndex >= (this.#registeredIndex ?? 0)) {
      throw new RefusedError(
        "member_removed",
        `the registration of ${JSON.stringify(this.#request.name)} was deleted from the token; start again to register anew`,
      );
    }
    return this.#ask({ type: "watchPeers", waitIndex: listedIndex + 1 });
  }

  #event({ action, node }: Answer & { readonly type: "node" }): Step {
    const known = this.#nodes.some((other) => other.id === node.id);
    // A change of what was counted already: read it anew. etcd would count it as one more member.
    if (known || !["set", "create", "update"].includes(action)) return this.#ask({ type: "size" });
    if (node.id !== "" && !node.id.startsWith("_")) this.#nodes = [...this.#nodes, node];
    if (this.#voters().length >= (this.#size ?? 0)) return this.#joined();
    return this.#ask({ type: "watchPeers", waitIndex: node.modifiedIndex + 1 });
  }

  #joined(): Step {
    const values = this.#voters().map((node) => node.value);
    return {
      type: "joined",
      cluster: initialCluster(values, this.#request.tokenUrl),
      before: this.#before,
    };
  }

  #voters(): readonly TokenNode[] {
    return this.#nodes.slice(0, this.#size ?? this.#nodes.length);
  }

  /** Registering what another member has would spoil the token for everyone: better not to. */
  #checkFree(): void {
    for (const node of this.#voters()) {
      for (const { name, url } of readMemberValue(node.value)) {
        if (name === this.#request.name) throw duplicateName(name, [url], this.#request.peerUrls);
        if (this.#request.peerUrls.includes(url)) throw duplicateUrl(url, name, this.#request.name);
      }
    }
  }
}

/** @throws RefusedError size_bad: etcd exits on the same, and crashes on 0. */
function readSize(text: string): number {
  const size = /^\d{1,15}$/.test(text) ? Number(text) : 0;
  if (size > 0) return size;
  throw new RefusedError(
    "size_bad",
    `discovery: size key is bad: ${JSON.stringify(text)}, expected the number of members; get a new token with \`quorate new\``,
  );
}

function full(size: number, voters: readonly TokenNode[]): RefusedError {
  return new RefusedError(
    "cluster_full",
    `discovery: cluster is full: the token is for ${size} ${size === 1 ? "member" : "members"}, and ` +
      `${voters.map((node) => node.value).join(",")} came first; to grow the running cluster use ` +
      "`etcdctl member add`, for another cluster get a new token with `quorate new`",
  );
}

function duplicateId(id: string, cause: string): RefusedError {
  return new RefusedError(
    "duplicate_id",
    `discovery: found duplicate id: ${id} is registered already: ${cause}; a member that lost its data comes back ` +
      "with `etcdctl member remove` and `member add`, and every machine needs peer URLs of its own",
  );
}
