/**
 * The discovery service: joins the rules (registry.ts) and a store, and holds none of either. Decisions are made on
 * the newest state, staged or durable; whoever asks sees only what is durable. Every answer, a refusal too, waits
 * until the state it was decided on is durable.
 */
import { customAlphabet } from "nanoid";
import { EnvironmentError, InvariantError } from "../lib/errors.ts";
import { type Logger, silentLogger } from "../lib/logger.ts";
import { throttledLog } from "../lib/throttled-log.ts";
import type { Cluster, MemberId, Token } from "./cluster.ts";
import type {
  ClusterChange,
  CreateRequest,
  Discovery,
  Found,
  RegisterRequest,
  Registration,
  WaitOutcome,
  WaitRequest,
} from "./discovery.ts";
import { labelOfToken, tokenOfLabel } from "./domain-name.ts";
import { Collector } from "./gc.ts";
import { GroupCommit } from "./group-commit.ts";
import { answerFromHistory } from "./history.ts";
import { refuse } from "./refusal.ts";
import {
  createCluster,
  createCustomCluster,
  isCluster,
  isExpired,
  type Kept,
  loseAnswer,
  type Rules,
  refuseGone,
  registerMember,
  removeMember,
  stateAt,
  tombstoneOf,
} from "./registry.ts";
import type { Change, Store, StoreStats } from "./store.ts";
import { tokenHash } from "./token-hash.ts";
import { type Entry, Tokens } from "./tokens.ts";
import { Waits } from "./waits.ts";
import { warningsOf } from "./warnings.ts";

export interface DiscoveryOptions {
  readonly store: Store;
  /** Milliseconds since 1970. Default: the system's clock. */
  readonly now?: () => number;
  /** A fresh token, never given before. Default: 128 bits from the system's secure source. */
  readonly mintToken?: () => Token;
  /** Default: a week. */
  readonly tokenTtlMs?: number;
  /** Default: 100. */
  readonly maxSize?: number;
  /** Domains, with all below them, that clusters may own. Default: none. */
  readonly allowedDomains?: readonly string[];
  /** Long polls open at once; beyond it the oldest is ended quietly. Default: 100,000. */
  readonly maxWaits?: number;
  /** Time between collections of what has expired, in milliseconds; 0: never. Default: 5 minutes. */
  readonly gcIntervalMs?: number;
  readonly logger?: Logger;
}

const WEEK_MS = 7 * 24 * 3_600_000;
/** Clusters read at once when all are walked. */
const PAGE_CLUSTERS = 200;

const mintHex = customAlphabet("0123456789abcdef", 32);

/** @throws EnvironmentError when the store cannot be read. */
export async function createDiscovery(options: DiscoveryOptions): Promise<Discovery> {
  return new DiscoveryService(options, await options.store.lastIndex());
}

class DiscoveryService implements Discovery {
  readonly #store: Store;
  readonly #rules: Rules;
  readonly #now: () => number;
  readonly #mintToken: () => Token;
  readonly #logger: Logger;
  readonly #logFailedBatch: ReturnType<typeof throttledLog>;
  readonly #commits: GroupCommit;
  readonly #waits: Waits;
  readonly #collector: Collector;
  readonly #listeners = new Set<(change: ClusterChange) => void>();
  readonly #tokens: Tokens;
  /** Domains of creations that are not durable yet. */
  readonly #claimedDomains = new Set<string>();
  #closing = false;

  constructor(options: DiscoveryOptions, lastIndex: number) {
    this.#store = options.store;
    this.#rules = {
      maxSize: options.maxSize ?? 100,
      tokenTtlMs: options.tokenTtlMs ?? WEEK_MS,
      allowedDomains: options.allowedDomains ?? [],
    };
    this.#now = options.now ?? Date.now;
    this.#mintToken = options.mintToken ?? (() => mintHex() as Token);
    this.#logger = (options.logger ?? silentLogger).named("discovery/service");
    this.#logFailedBatch = throttledLog((msg, fields) => this.#logger.error(msg, fields));
    this.#tokens = new Tokens((token) => options.store.load(token));
    this.#waits = new Waits(options.maxWaits ?? 100_000);
    this.#commits = new GroupCommit(options.store, lastIndex, {
      committed: (changes) => this.#committed(changes),
      failed: (changes, error) => this.#failed(changes, error),
    });
    this.#collector = new Collector({
      store: options.store,
      now: this.#now,
      intervalMs: options.gcIntervalMs ?? 5 * 60_000,
      logger: options.logger ?? silentLogger,
      retire: (cluster) => this.#retireExpired(cluster),
    });
  }

  get index(): number {
    return this.#commits.durable;
  }

  get waiting(): number {
    return this.#waits.size;
  }

  // ---- creating

  async create(request: CreateRequest): Promise<Cluster> {
    this.#refuseWhenClosing();
    const moment = { now: this.#now(), nextIndex: this.#commits.nextIndex };
    const cluster = createCluster(this.#rules, this.#mintToken(), request, moment);
    if (cluster.domain !== undefined) return this.#createWithDomain(cluster.domain, request);
    await this.#stageNew(cluster);
    return cluster;
  }

  async #createWithDomain(domain: string, request: CreateRequest): Promise<Cluster> {
    const taken = (): never =>
      refuse(
        "domain_taken",
        `another cluster owns the domain ${domain}: delete that one first, or choose another name`,
      );
    if (this.#claimedDomains.has(domain)) return taken();
    this.#claimedDomains.add(domain);
    try {
      if ((await this.#store.loadByDomain(domain)) !== undefined) return taken();
      this.#refuseWhenClosing();
      const moment = { now: this.#now(), nextIndex: this.#commits.nextIndex };
      const cluster = createCluster(this.#rules, this.#mintToken(), request, moment);
      await this.#stageNew(cluster);
      return cluster;
    } finally {
      this.#claimedDomains.delete(domain);
    }
  }

  /** A fresh token needs no entry: nobody can know it before it is acknowledged. */
  #stageNew(cluster: Cluster): Promise<void> {
    const last = cluster.members.at(-1)?.createdIndex ?? cluster.createdIndex;
    return this.#commits.stage({ type: "save", before: undefined, after: cluster }, last);
  }

  createCustom(
    token: Token,
    size: number,
  ): Promise<{ readonly cluster: Cluster; readonly created: boolean }> {
    return this.#decide(token, (entry) => {
      const now = this.#now();
      const state = stateAt(this.#rules, entry.newest, now);
      const existing = isCluster(state) ? state : undefined;
      const cluster = createCustomCluster(this.#rules, token, size, existing, {
        now,
        nextIndex: this.#commits.nextIndex,
      });
      if (cluster === existing) return { cluster, created: false };
      if (isCluster(entry.newest))
        this.#stageRetirement(entry, entry.newest, now, this.#commits.nextIndex - 1);
      this.#stageSave(entry, cluster, cluster.createdIndex);
      return { cluster, created: true };
    });
  }

  // ---- members

  register(request: RegisterRequest): Promise<Registration> {
    return this.#decide(request.token, (entry) => {
      const before = this.#mustBeLive(entry);
      const nextIndex = this.#commits.nextIndex;
      const plan = registerMember(before, request, { now: this.#now(), nextIndex });
      if (plan.cluster !== before)
        this.#stageSave(entry, plan.cluster, plan.created ? nextIndex : nextIndex - 1);
      return {
        ...plan,
        index: Math.max(plan.member.createdIndex, this.index),
        warnings: warningsOf(plan.cluster),
      };
    });
  }

  answerLost(token: Token, id: MemberId, createdIndex: number): void {
    if (this.#closing) return;
    this.#decide(token, (entry) => {
      const before = entry.newest;
      const after = isCluster(before) ? loseAnswer(before, id, createdIndex) : undefined;
      if (after !== undefined) this.#stageSave(entry, after, this.#commits.nextIndex - 1);
    }).catch((error: unknown) => {
      if (error instanceof InvariantError) throw error;
      this.#logger.warn("could not note that an answer was lost", { token: tokenHash(token), id, error });
    });
  }

  remove(token: Token, id: MemberId): ReturnType<Discovery["remove"]> {
    return this.#decide(token, (entry) => {
      const index = this.#commits.nextIndex;
      const { cluster, member } = removeMember(this.#mustBeLive(entry), id, {
        now: this.#now(),
        nextIndex: index,
      });
      this.#stageSave(entry, cluster, index);
      return { member, index };
    });
  }

  retire(token: Token): ReturnType<Discovery["retire"]> {
    return this.#decide(token, (entry) => {
      const cluster = this.#mustBeLive(entry);
      const index = this.#commits.nextIndex;
      this.#stageRetirement(entry, cluster, this.#now(), index);
      return { cluster, index };
    });
  }

  async #retireExpired(cluster: Cluster): Promise<void> {
    await this.#decide(cluster.token, (entry) => {
      const now = this.#now();
      // It may have been retired, and a custom token created again, since the store was read.
      if (isCluster(entry.newest) && isExpired(entry.newest, now))
        this.#stageRetirement(entry, entry.newest, now, this.#commits.nextIndex - 1);
    });
  }

  // ---- reading

  async find(token: Token): Promise<Found> {
    const entry = this.#tokens.resident(token) ?? this.#tokens.adopt(await this.#tokens.load(token));
    return this.#found(entry.durable);
  }

  async findByLabel(label: string): Promise<Cluster | undefined> {
    const token = tokenOfLabel(label);
    if (token === undefined || labelOfToken(token) === undefined) return undefined;
    const found = await this.find(token);
    return found.type === "live" ? found.cluster : undefined;
  }

  async findByDomain(domain: string): Promise<Cluster | undefined> {
    const owner = await this.#store.loadByDomain(domain);
    if (owner === undefined) return undefined;
    const found = await this.find(owner.token);
    return found.type === "live" ? found.cluster : undefined;
  }

  domainBelow(domain: string): Promise<boolean> {
    // A cluster with a domain never expires, so the store's answer is the live one.
    return this.#store.domainBelow(domain);
  }

  async *all(): AsyncIterable<Cluster> {
    let after = 0;
    for (;;) {
      const page = await this.#store.page(after, PAGE_CLUSTERS);
      const now = this.#now();
      for (const cluster of page) if (!isExpired(cluster, now)) yield cluster;
      const last = page.at(-1);
      if (last === undefined) return;
      after = last.createdIndex;
    }
  }

  async wait(request: WaitRequest): Promise<WaitOutcome> {
    const found = await this.find(request.token);
    // From here to the registration of the wait nothing can happen in between: it is one synchronous step.
    if (found.type !== "live")
      return {
        type: "gone",
        tombstone: found.type === "gone" ? found.tombstone : undefined,
        index: found.index,
      };
    const waitIndex = request.waitIndex === 0 ? this.index + 1 : request.waitIndex;
    const pinned = { ...request, waitIndex };
    const answer = this.#answer(found.cluster, pinned);
    if (answer !== undefined) return answer;
    const quiet = (): WaitOutcome => ({ type: "quiet", index: this.index });
    if (this.#closing || request.signal.aborted) return quiet();
    const { cluster } = found;
    const lifeMs =
      cluster.expiresAt === undefined ? Number.POSITIVE_INFINITY : cluster.expiresAt - this.#now();
    const onTimeout = (): WaitOutcome => (isExpired(cluster, this.#now()) ? this.#gone(cluster) : quiet());
    return this.#waits.add(pinned, Math.min(request.timeoutMs, lifeMs), onTimeout, quiet);
  }

  #answer(cluster: Cluster, { id, waitIndex }: WaitRequest): WaitOutcome | undefined {
    const answer = answerFromHistory(cluster, id, waitIndex);
    if (answer.type === "none") return undefined;
    return answer.type === "stale"
      ? answer
      : { type: "event", member: answer.member, cluster, index: this.index };
  }

  #gone(cluster: Cluster): WaitOutcome {
    return { type: "gone", tombstone: tombstoneOf(this.#rules, cluster, this.#now()), index: this.index };
  }

  #found(durable: Kept): Found {
    const { index } = this;
    const state = stateAt(this.#rules, durable, this.#now());
    if (state === undefined) return { type: "unknown", index };
    return isCluster(state)
      ? { type: "live", cluster: state, index }
      : { type: "gone", tombstone: state, index };
  }

  onChange(listener: (change: ClusterChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  checkWritable(): Promise<void> {
    return this.#store.checkWritable();
  }

  stats(): Promise<StoreStats> {
    return this.#store.stats();
  }

  async close(): Promise<void> {
    if (this.#closing) return;
    this.#closing = true;
    await this.#collector.stop();
    // A failed last batch has told those who waited for it; closing goes on.
    await this.#commits.settled().catch(() => {});
    this.#waits.endAll({ type: "quiet", index: this.index });
    await this.#store.close();
  }

  // ---- deciding on the newest state, answering from the durable one

  /**
   * Makes one decision about a token, in one synchronous step on its newest state.
   * @returns once everything it was based on is durable; so does a refusal.
   */
  async #decide<T>(token: Token, decision: (entry: Entry) => T): Promise<T> {
    const entry = this.#tokens.resident(token) ?? this.#tokens.adopt(await this.#tokens.load(token));
    this.#refuseWhenClosing();
    try {
      return decision(entry);
    } finally {
      if (this.#tokens.isStaged(token)) await this.#commits.settled();
    }
  }

  #stageSave(entry: Entry, after: Cluster, lastIndex: number): void {
    const before = isCluster(entry.newest) ? entry.newest : undefined;
    this.#stage(entry, { type: "save", before, after }, after, lastIndex);
  }

  #stageRetirement(entry: Entry, cluster: Cluster, now: number, lastIndex: number): void {
    const tombstone = tombstoneOf(this.#rules, cluster, now);
    this.#stage(entry, { type: "retire", cluster, tombstone }, tombstone, lastIndex);
  }

  #stage(entry: Entry, change: Change, newest: Kept, lastIndex: number): void {
    this.#tokens.stage(entry, newest);
    void this.#commits.stage(change, lastIndex);
  }

  #committed(changes: readonly Change[]): void {
    // First all of the batch becomes visible, then those who watch are told: they may look at any of it.
    const events: ClusterChange[] = [];
    for (const change of changes) {
      const token = change.type === "save" ? change.after.token : change.cluster.token;
      const after = change.type === "save" ? change.after : undefined;
      const before = change.type === "save" ? change.before : change.cluster;
      events.push({ before, after });
      this.#tokens.commit(token, change.type === "save" ? change.after : change.tombstone);
    }
    for (const event of events) {
      this.#tell(event);
      this.#wake(event);
    }
  }

  #failed(changes: readonly Change[], error: Error): void {
    this.#logFailedBatch("a batch of changes could not be stored", { changes: changes.length, error });
    this.#tokens.dropStaged();
  }

  #tell(change: ClusterChange): void {
    for (const listener of this.#listeners) {
      try {
        listener(change);
      } catch (error) {
        if (error instanceof InvariantError) throw error;
        this.#logger.error("a listener failed on a change", { error });
      }
    }
  }

  #wake({ before, after }: ClusterChange): void {
    const token = after?.token ?? before?.token;
    if (token === undefined) return;
    for (const wait of this.#waits.on(token)) {
      if (after !== undefined) {
        const answer = this.#answer(after, wait.request);
        if (answer !== undefined) wait.end(answer);
      } else if (before !== undefined) {
        wait.end(this.#gone(before));
      }
    }
  }

  /** @throws RefusedError token_expired, token_retired, token_unknown. */
  #mustBeLive({ newest }: Entry): Cluster {
    const state = stateAt(this.#rules, newest, this.#now());
    return isCluster(state) ? state : refuseGone(state);
  }

  #refuseWhenClosing(): void {
    if (this.#closing)
      throw new EnvironmentError("stopping", "the service is stopping; ask again in a moment");
  }
}
