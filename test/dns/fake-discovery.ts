/** A registry in memory that applies changes in the order the real one does: index, state, listeners. */
import type { Cluster, Member, MemberId, Token } from "../../src/discovery/cluster.ts";
import type { ClusterChange } from "../../src/discovery/discovery.ts";
import { labelOfToken } from "../../src/discovery/domain-name.ts";
import type { ClusterSource } from "../../src/dns/responder.ts";

export interface Created {
  readonly size: number;
  readonly domain?: string;
  readonly kind?: Cluster["kind"];
}

export class FakeDiscovery implements ClusterSource {
  index: number = 1;
  readonly clusters: Map<string, Cluster> = new Map();
  readonly #listeners = new Set<(change: ClusterChange) => void>();
  /** Reads so far, by what was asked. */
  readonly reads: string[] = [];
  /** When set, reads wait for it after they have read, so that a change can overtake them. */
  gate: Promise<void> | undefined;
  /** When set, reads fail with it. */
  failure: Error | undefined;

  create(token: string, { size, domain, kind = "minted" }: Created): Cluster {
    this.index++;
    const cluster: Cluster = {
      token: token as Token,
      kind,
      size,
      createdIndex: this.index,
      createdAt: 0,
      expiresAt: undefined,
      domain,
      members: [],
      removed: [],
      sealedIndex: undefined,
    };
    return this.#save(cluster);
  }

  /** @param value `NAME=URL[,NAME=URL…]`. */
  register(token: string, value: string, id?: string): Cluster {
    const cluster = this.#live(token);
    this.index++;
    const pairs = value.split(",").map((pair) => pair.split("=", 2));
    const member: Member = {
      id: (id ?? (0xa1 + cluster.members.length).toString(16)) as MemberId,
      value,
      name: pairs[0]?.[0] ?? "",
      peerUrls: pairs.map(([, url]) => url ?? ""),
      createdIndex: this.index,
      registeredAt: 0,
      from: "",
      discoveryUrl: undefined,
      answered: true,
    };
    const members = [...cluster.members, member];
    const seals = members.length === cluster.size;
    return this.#save({ ...cluster, members, sealedIndex: seals ? this.index : cluster.sealedIndex });
  }

  remove(token: string, name: string): Cluster {
    const cluster = this.#live(token);
    this.index++;
    return this.#save({ ...cluster, members: cluster.members.filter((member) => member.name !== name) });
  }

  retire(token: string): void {
    const before = this.#live(token);
    this.index++;
    this.clusters.delete(token);
    this.#tell({ before, after: undefined });
  }

  findByLabel(label: string): Promise<Cluster | undefined> {
    return this.#read(`label ${label}`, () =>
      [...this.clusters.values()].find(({ token }) => labelOfToken(token) === label),
    );
  }

  findByDomain(domain: string): Promise<Cluster | undefined> {
    return this.#read(`domain ${domain}`, () =>
      [...this.clusters.values()].find((cluster) => cluster.domain === domain),
    );
  }

  domainBelow(domain: string): Promise<boolean> {
    return this.#read(`below ${domain}`, () =>
      [...this.clusters.values()].some((cluster) => cluster.domain?.endsWith(`.${domain}`) === true),
    );
  }

  async *all(): AsyncIterable<Cluster> {
    for (const cluster of this.clusters.values()) yield await Promise.resolve(cluster);
  }

  onChange(listener: (change: ClusterChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  get listeners(): number {
    return this.#listeners.size;
  }

  #live(token: string): Cluster {
    const cluster = this.clusters.get(token);
    if (cluster === undefined) throw new Error(`no token ${token}`);
    return cluster;
  }

  #save(after: Cluster): Cluster {
    const before = this.clusters.get(after.token);
    this.clusters.set(after.token, after);
    this.#tell({ before, after });
    return after;
  }

  #tell(change: ClusterChange): void {
    for (const listener of this.#listeners) listener(change);
  }

  async #read<T>(what: string, look: () => T): Promise<T> {
    this.reads.push(what);
    const found = look();
    await this.gate;
    if (this.failure !== undefined) throw this.failure;
    return found;
  }
}
