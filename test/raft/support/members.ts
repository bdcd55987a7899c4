/** Members for tests: made from what is stored, and groups of them whose messages travel at once. */
import { must } from "../../../src/lib/assert.ts";
import { type ConfChange, EMPTY_CONF_STATE } from "../../../src/raft/conf.ts";
import { confChangeIn } from "../../../src/raft/conf-entry.ts";
import { MemoryStorage } from "../../../src/raft/memory-storage.ts";
import {
  type Entry,
  EntryType,
  type HardState,
  type Message,
  type MessageFields,
  MessageType,
  message,
  NO_BYTES,
  type NodeId,
} from "../../../src/raft/message.ts";
import type { ReadState } from "../../../src/raft/raft.ts";
import type { RaftConfig } from "../../../src/raft/raft-config.ts";
import { SILENT } from "../../../src/raft/raft-logger.ts";
import { RawNode } from "../../../src/raft/raw-node.ts";
import type { Ready } from "../../../src/raft/ready.ts";

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
export const text = (data: Uint8Array): string => new TextDecoder().decode(data);

/** Entries from index 1 on, with these terms. */
export function entriesOf(...terms: readonly number[]): Entry[] {
  return terms.map((term, at) => ({ type: EntryType.normal, term, index: at + 1, data: NO_BYTES }));
}

export interface Stored {
  readonly voters?: readonly bigint[];
  readonly learners?: readonly bigint[];
  /** Terms of the entries stored, from index 1 on. */
  readonly terms?: readonly number[];
  readonly hardState?: HardState;
}

export const THREE: readonly bigint[] = [1n, 2n, 3n];
export const FIVE: readonly bigint[] = [1n, 2n, 3n, 4n, 5n];

export function storageOf({ voters = THREE, learners = [], terms = [], hardState }: Stored): MemoryStorage {
  const storage = new MemoryStorage();
  const confState = { ...EMPTY_CONF_STATE, voters, learners };
  storage.applySnapshot({ index: 0, term: 0, confState, data: NO_BYTES });
  storage.append(entriesOf(...terms));
  if (hardState !== undefined) storage.setHardState(hardState);
  return storage;
}

/** Ten ticks to an election, one to a heartbeat, nothing random, no limits. */
export function configOf(
  id: NodeId,
  storage: MemoryStorage,
  overrides: Partial<RaftConfig> = {},
): RaftConfig {
  return {
    id,
    storage,
    electionTicks: 10,
    heartbeatTicks: 1,
    applied: 0,
    asyncStorageWrites: false,
    messageBytesMax: Infinity,
    applyingBytesMax: Infinity,
    uncommittedBytesMax: Infinity,
    inflightMessagesMax: 256,
    inflightBytesMax: 0,
    checkQuorum: false,
    preVote: false,
    readOnly: "safe",
    disableProposalForwarding: false,
    disableConfChangeValidation: false,
    stepDownOnRemoval: false,
    logger: SILENT,
    random: () => 0,
    ...overrides,
  };
}

/** One member with its storage, all of whose wishes are granted at once. */
export class Member {
  readonly storage: MemoryStorage;
  readonly node: RawNode;
  readonly applied: Entry[] = [];
  readonly reads: ReadState[] = [];
  /** Configuration changes as they were applied. */
  readonly changes: ConfChange[] = [];

  constructor(id: NodeId, stored: Stored = {}, overrides: Partial<RaftConfig> = {}) {
    this.storage = storageOf(stored);
    this.node = new RawNode(configOf(id, this.storage, overrides));
  }

  /** Delivers a message of another member. */
  receive(
    type: MessageType,
    from: NodeId,
    term: number,
    fields?: MessageFields,
  ): ReturnType<RawNode["step"]> {
    return this.node.step(message(type, from, this.node.raft.id, term, fields));
  }

  /** Does all there is to do. @returns What is to be sent. */
  work(): Message[] {
    const messages: Message[] = [];
    while (this.node.hasReady()) {
      const ready = this.node.ready();
      this.store(ready);
      messages.push(...ready.messages, ...ready.messagesAfterSync);
      this.node.advance();
    }
    return messages;
  }

  tick(count: number): void {
    for (let left = count; left > 0; left -= 1) this.node.tick();
  }

  /** Makes this member leader by the votes of `voters`, who are not asked. The messages of it are lost. */
  elect(...voters: readonly NodeId[]): this {
    const { raft } = this.node;
    this.node.campaign();
    this.work();
    for (const voter of voters) this.receive(MessageType.voteResp, voter, raft.term);
    this.work();
    return this;
  }

  /** `term/index` of all entries of the log, stored or not. */
  log(): string[] {
    const { log } = this.node.raft;
    const entries = log.entries(log.firstIndex(), Infinity);
    return typeof entries === "string" ? [entries] : entries.map(({ term, index }) => `${term}/${index}`);
  }

  private store(ready: Ready): void {
    if (ready.hardState !== undefined) this.storage.setHardState(ready.hardState);
    if (ready.snapshot !== undefined) this.storage.applySnapshot(ready.snapshot);
    this.storage.append(ready.entries);
    this.reads.push(...ready.readStates);
    for (const entry of ready.committed) {
      this.applied.push(entry);
      const change = confChangeIn(entry);
      if (change === undefined) continue;
      this.changes.push(change);
      this.node.applyConfChange(change);
    }
  }
}

/** Members between whom messages travel at once, unless the network loses them. */
export class Group {
  readonly members: Map<NodeId, Member> = new Map<NodeId, Member>();
  /** Which messages are lost. */
  loses: (m: Message) => boolean = () => false;

  constructor(ids: readonly NodeId[], stored: Stored = {}, overrides: Partial<RaftConfig> = {}) {
    for (const id of ids) this.members.set(id, new Member(id, { voters: ids, ...stored }, overrides));
  }

  get(id: NodeId): Member {
    return must(this.members.get(id), () => `no member ${id}`);
  }

  /** Cuts these members off from all others; nobody is cut off without any. */
  isolate(...ids: readonly NodeId[]): void {
    this.loses = (m) => ids.includes(m.from) !== ids.includes(m.to);
  }

  /** Lets messages travel until there are none. */
  settle(): void {
    for (let isQuiet = false; !isQuiet; ) {
      isQuiet = true;
      for (const member of this.members.values()) {
        for (const m of member.work()) {
          isQuiet = false;
          if (!this.loses(m)) this.members.get(m.to)?.node.step(m);
        }
      }
    }
  }

  elect(id: NodeId): void {
    this.get(id).node.campaign();
    this.settle();
  }

  propose(id: NodeId, ...data: readonly string[]): void {
    this.get(id).node.propose(data.map(bytes));
    this.settle();
  }

  /** Data applied by a member, without empty entries. */
  appliedBy(id: NodeId): string[] {
    return this.get(id)
      .applied.filter((entry) => entry.type === EntryType.normal && entry.data.length > 0)
      .map((entry) => text(entry.data));
  }
}
