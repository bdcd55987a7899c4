/** A registry in memory for the DNS servers' tests: what `Discovery` promises them, without rules or disk. */
import type { Cluster, Member, MemberId, Token } from "../../../src/discovery/cluster.ts";
import type { ClusterChange } from "../../../src/discovery/discovery.ts";
import type { ClusterSource } from "../../../src/dns/responder.ts";

export class MemoryRegistry implements ClusterSource {
  index = 1;
  /** Called in `all` before each cluster: tests change the registry under a reader. */
  beforeEach: (next: Cluster) => void = () => {};
  /** Set to make every question to the registry fail. */
  broken: Error | undefined;
  readonly #clusters = new Map<Token, Cluster>();
  readonly #listeners = new Set<(change: ClusterChange) => void>();

  create(token: string, size: number, domain?: string): Cluster {
    this.index++;
    const cluster: Cluster = {
      token: token as Token,
      kind: token.includes("/") ? "custom" : "minted",
      size,
      createdIndex: this.index,
      createdAt: 0,
      expiresAt: undefined,
      domain,
      members: [],
      removed: [],
      sealedIndex: undefined,
    };
    return this.#change(undefined, cluster);
  }

  /** @param peerUrl Also decides the member's id, by its position. */
  register(token: string, name: string, peerUrl: string): Cluster {
    const before = this.#clusters.get(token as Token);
    if (before === undefined) throw new Error(`no cluster ${token}`);
    this.index++;
    const member: Member = {
      id: (before.members.length + 1).toString(16).padStart(16, "0") as MemberId,
      value: `${name}=${peerUrl}`,
      name,
      peerUrls: [peerUrl],
      createdIndex: this.index,
      registeredAt: 0,
      from: "",
      discoveryUrl: undefined,
      answered: true,
    };
    const members = [...before.members, member];
    const sealedIndex = before.sealedIndex ?? (members.length === before.size ? this.index : undefined);
    return this.#change(before, { ...before, members, sealedIndex });
  }

  retire(token: string): void {
    const before = this.#clusters.get(token as Token);
    this.index++;
    this.#clusters.delete(token as Token);
    for (const listener of this.#listeners) listener({ before, after: undefined });
  }

  /** A complete cluster at 10.0.1.10, .11 … named infra0, infra1 …, as etcd's documents have it. */
  textbook(token: string, size: number, domain?: string): Cluster {
    let cluster = this.create(token, size, domain);
    for (let i = 0; i < size; i++)
      cluster = this.register(token, `infra${i}`, `http://10.0.1.${10 + i}:2380`);
    return cluster;
  }

  findByLabel(label: string): Promise<Cluster | undefined> {
    return this.#answer(
      () => this.#clusters.get(label as Token) ?? this.#clusters.get(`discovery/${label}` as Token),
    );
  }

  findByDomain(domain: string): Promise<Cluster | undefined> {
    return this.#answer(() => [...this.#clusters.values()].find((cluster) => cluster.domain === domain));
  }

  domainBelow(domain: string): Promise<boolean> {
    const isBelow = (cluster: Cluster): boolean => cluster.domain?.endsWith(`.${domain}`) ?? false;
    return this.#answer(() => [...this.#clusters.values()].some(isBelow));
  }

  /** Reads one cluster at a time, so that whatever changes between two of them is seen. */
  async *all(): AsyncIterable<Cluster> {
    let passed = 0;
    for (;;) {
      const ahead = (): Cluster | undefined =>
        [...this.#clusters.values()]
          .filter((cluster) => cluster.createdIndex > passed)
          .toSorted((a, b) => a.createdIndex - b.createdIndex)[0];
      const next = ahead();
      if (next === undefined) return;
      this.beforeEach(next);
      const read = await this.#answer(ahead);
      if (read === undefined) return;
      passed = read.createdIndex;
      yield read;
    }
  }

  onChange(listener: (change: ClusterChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  get listeners(): number {
    return this.#listeners.size;
  }

  #answer<T>(find: () => T): Promise<T> {
    return this.broken === undefined ? Promise.resolve(find()) : Promise.reject(this.broken);
  }

  #change(before: Cluster | undefined, after: Cluster): Cluster {
    this.#clusters.set(after.token, after);
    for (const listener of this.#listeners) listener({ before, after });
    return after;
  }
}
