/**
 * The face of the discovery service: what HTTP, DNS and the command line ask of it. Implemented by service.ts, which
 * joins the rules (registry.ts) and a store. Everything it returns is durable already.
 */
import type { Cluster, Member, MemberId, Role, Token } from "./cluster.ts";
import type { CreateRequest, RegisterRequest } from "./requests.ts";
import type { StoreStats, Tombstone } from "./store.ts";

export type { CreateRequest, Declaration, RegisterRequest } from "./requests.ts";

export interface Registration {
  /** False when the same id and value were there already and their success is repeated. */
  readonly created: boolean;
  readonly member: Member;
  readonly rank: number;
  readonly role: Role;
  readonly cluster: Cluster;
  readonly index: number;
  /** Sentences for the person: what is unwise though possible. */
  readonly warnings: readonly string[];
}

export type Found =
  | { readonly type: "live"; readonly cluster: Cluster; readonly index: number }
  | { readonly type: "gone"; readonly tombstone: Tombstone; readonly index: number }
  | { readonly type: "unknown"; readonly index: number };

export interface WaitRequest {
  readonly token: Token;
  /** Wait for this member's creation; undefined: for any member's. */
  readonly id: MemberId | undefined;
  /** The first event wanted; 0: the next one from now. */
  readonly waitIndex: number;
  readonly timeoutMs: number;
  /** Aborted when the client has gone. */
  readonly signal: AbortSignal;
}

export type WaitOutcome =
  | { readonly type: "event"; readonly member: Member; readonly cluster: Cluster; readonly index: number }
  /** Nothing happened in time, or the service is stopping: an empty 200, and the client asks again. */
  | { readonly type: "quiet"; readonly index: number }
  /** The client has counted a member that is deleted since: break the connection, so that it reads anew. */
  | { readonly type: "stale" }
  | { readonly type: "gone"; readonly tombstone: Tombstone | undefined; readonly index: number };

/** One cluster changed; both undefined never occurs. Called before the change is acknowledged to anyone. */
export interface ClusterChange {
  readonly before: Cluster | undefined;
  readonly after: Cluster | undefined;
}

export interface Discovery {
  /** The last durable event's index. */
  readonly index: number;
  /** @throws RefusedError size_out_of_range, domain_not_allowed, domain_taken, bad_declaration … */
  create(request: CreateRequest): Promise<Cluster>;
  /** `PUT …/TOKEN/_config/size` of the custom form. The same size again is a success; another is refused. */
  createCustom(token: Token, size: number): Promise<{ readonly cluster: Cluster; readonly created: boolean }>;
  find(token: Token): Promise<Found>;
  /** @throws RefusedError token_unknown, member_exists, value_malformed, name_taken, url_taken … */
  register(request: RegisterRequest): Promise<Registration>;
  /** The connection broke before the answer to this registration was delivered. */
  answerLost(token: Token, id: MemberId, createdIndex: number): void;
  /** Deletes a member of an incomplete cluster. @throws RefusedError token_unknown, member_unknown, sealed. */
  remove(token: Token, id: MemberId): Promise<{ readonly member: Member; readonly index: number }>;
  /** Retires a whole token before its time. @throws RefusedError token_unknown. */
  retire(token: Token): Promise<{ readonly cluster: Cluster; readonly index: number }>;
  wait(request: WaitRequest): Promise<WaitOutcome>;
  /** Number of polls waiting now. */
  readonly waiting: number;
  /** The live cluster a DNS label stands for: a minted token, or LABEL of the custom token `discovery/LABEL`. */
  findByLabel(label: string): Promise<Cluster | undefined>;
  findByDomain(domain: string): Promise<Cluster | undefined>;
  /** Whether a live cluster owns a domain below this one (lower case, no final dot): then the name itself exists. */
  domainBelow(domain: string): Promise<boolean>;
  /** All live clusters, page by page. */
  all(): AsyncIterable<Cluster>;
  /**
   * The listener is called when `find` and its like already answer with the change, and nobody was told of it yet.
   * @returns a function that ends the subscription.
   */
  onChange(listener: (change: ClusterChange) => void): () => void;
  /** @throws EnvironmentError when registrations could not be stored now. */
  checkWritable(): Promise<void>;
  stats(): Promise<StoreStats>;
  /** Answers what is in flight, ends the waits quietly, closes the store. */
  close(): Promise<void>;
}
