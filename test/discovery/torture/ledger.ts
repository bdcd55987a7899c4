/** What clients were told. Whatever happens to the service, later answers must agree with all of it. */
import type { Listing, ServiceUnderTest } from "./service-under-test.ts";

interface TokenRecord {
  readonly size: number;
  /** Longest listing seen; later ones must begin with it: ranks are never given twice. */
  members: Listing["members"];
  /** Acknowledged registrations: id to createdIndex. */
  readonly acknowledged: Map<string, number>;
  /** Highest index of an answer about it. */
  index: number;
}

export class Ledger {
  readonly #tokens = new Map<string, TokenRecord>();
  /** Every index that a member was shown with, and whose it is. */
  readonly #indexes = new Map<number, string>();
  #highestIndex = 0;

  get tokens(): readonly string[] {
    return [...this.#tokens.keys()];
  }

  get registrations(): number {
    return this.tokens.reduce((sum, token) => sum + this.#record(token).acknowledged.size, 0);
  }

  sizeOf(token: string): number {
    return this.#record(token).size;
  }

  created(token: string, size: number): void {
    must(/^[0-9a-f]{32}$/.test(token), `${token} is no token`);
    must(!this.#tokens.has(token), `token ${token} was given twice`);
    this.#tokens.set(token, { size, members: [], acknowledged: new Map(), index: 0 });
  }

  registered(token: string, id: string, createdIndex: number): void {
    const record = this.#record(token);
    const before = record.acknowledged.get(id);
    must(before === undefined || before === createdIndex, `${id} had index ${before}, now ${createdIndex}`);
    record.acknowledged.set(id, createdIndex);
    this.#claim(token, id, createdIndex);
  }

  /** An answer that listed the token, now. */
  listed(token: string, listing: Listing | undefined): void {
    const record = this.#record(token);
    must(listing !== undefined, `token ${token} was acknowledged and is unknown`);
    const { size, index, members } = listing;
    must(size === record.size, `token ${token} was created for ${record.size} members and has ${size}`);
    must(index >= record.index, `X-Etcd-Index of ${token} went back from ${record.index} to ${index}`);
    record.index = index;
    this.#highestIndex = Math.max(this.#highestIndex, index);
    for (const [rank, member] of members.entries()) {
      must(member.createdIndex <= index, `index ${member.createdIndex} shown under X-Etcd-Index ${index}`);
      const previous = members[rank - 1]?.createdIndex ?? 0;
      must(previous < member.createdIndex, `rank ${rank} of ${token} is older than the one before it`);
      this.#claim(token, member.id, member.createdIndex);
    }
    for (const [rank, member] of record.members.entries()) {
      const now = members[rank];
      must(
        now?.id === member.id && now.createdIndex === member.createdIndex,
        `rank ${rank} of ${token} was ${member.id} at ${member.createdIndex}, now ${now?.id} at ${now?.createdIndex}`,
      );
    }
    record.members = members;
  }

  /** Reads a token and holds what is read against everything acknowledged about it. */
  async verify(service: ServiceUnderTest, token: string): Promise<Listing> {
    const acknowledged = [...this.#record(token).acknowledged];
    const listing = await service.list(token);
    this.listed(token, listing);
    must(listing !== undefined, "");
    for (const [id, createdIndex] of acknowledged) {
      const kept = listing.members.find((member) => member.id === id)?.createdIndex;
      must(
        kept === createdIndex,
        `member ${id} of ${token}, acknowledged at ${createdIndex}, is ${kept ?? "not there"}`,
      );
    }
    return listing;
  }

  /** After a restart: the index of the whole registry is not behind anything that anybody saw. */
  restarted(listing: Listing): void {
    must(
      listing.index >= this.#highestIndex,
      `X-Etcd-Index went back over a restart from ${this.#highestIndex} to ${listing.index}`,
    );
  }

  #record(token: string): TokenRecord {
    const record = this.#tokens.get(token);
    must(record !== undefined, `token ${token} is not in the ledger`);
    return record;
  }

  #claim(token: string, id: string, createdIndex: number): void {
    const holder = `${token}/${id}`;
    const before = this.#indexes.get(createdIndex);
    must(
      before === undefined || before === holder,
      `index ${createdIndex} was given to ${before} and ${holder}`,
    );
    this.#indexes.set(createdIndex, holder);
    this.#highestIndex = Math.max(this.#highestIndex, createdIndex);
  }
}

export function must(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(what);
}
