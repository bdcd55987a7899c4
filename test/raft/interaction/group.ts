/** Members of a group with their storage and the messages between them, moved step by step. */
import { must } from "../../../src/lib/assert.ts";
import type { ConfState } from "../../../src/raft/conf.ts";
import { confChangeIn } from "../../../src/raft/conf-entry.ts";
import { describeMessage } from "../../../src/raft/describe.ts";
import { MemoryStorage } from "../../../src/raft/memory-storage.ts";
import {
  EMPTY_HARD_STATE,
  type Entry,
  type HardState,
  isEmptyHardState,
  isLocalThread,
  type Message,
  MessageType,
  NO_MESSAGES,
  type NodeId,
  type Snapshot,
} from "../../../src/raft/message.ts";
import type { RaftConfig } from "../../../src/raft/raft-config.ts";
import { type DeliveryResult, RawNode } from "../../../src/raft/raw-node.ts";
import { describeReady } from "../../../src/raft/ready.ts";
import type { Output } from "./output.ts";

/** Gives always the newest snapshot of the state machine, whatever was compacted. */
class HistoryStorage extends MemoryStorage {
  /** The state machine after each entry applied: it appends the data of all entries. */
  readonly history: Snapshot[];

  constructor(first: Snapshot) {
    super();
    this.history = [first];
  }

  override snapshot(): Snapshot {
    return this.newest();
  }

  newest(): Snapshot {
    return must(this.history.at(-1), () => "no snapshot");
  }

  apply(entry: Entry, data: Uint8Array, confState: ConfState | undefined): void {
    const before = this.newest();
    this.history.push({
      index: entry.index,
      term: entry.term,
      confState: confState ?? before.confState,
      data: Uint8Array.of(...before.data, ...data),
    });
  }
}

export interface Member {
  readonly id: NodeId;
  readonly config: RaftConfig;
  readonly node: RawNode;
  readonly storage: HistoryStorage;
  /** What waits for the append thread, and for the apply thread. */
  readonly appendWork: Message[];
  readonly applyWork: Message[];
}

/** What the core says of a message it did not take. */
export const REFUSALS: Readonly<Record<DeliveryResult, string | undefined>> = {
  accepted: undefined,
  dropped: "raft proposal dropped",
  local: "raft: cannot step raft local message",
  stranger: "raft: cannot step as peer not found",
  malformed: "raft: malformed message",
};

export class Group {
  readonly members: Member[] = [];
  readonly output: Output;
  /** Under way between members, in the order they were sent. */
  private messages: Message[] = [];

  constructor(output: Output) {
    this.output = output;
  }

  /** Adds a member that starts from this snapshot; from nothing, where its index is 0. */
  add(config: Omit<RaftConfig, "id" | "storage" | "logger">, snapshot: Snapshot): void {
    const storage = new HistoryStorage(snapshot);
    if (snapshot.index > 0) storage.applySnapshot(snapshot);
    const id = BigInt(this.members.length + 1);
    const complete: RaftConfig = { ...config, id, storage, logger: this.output.logger };
    const node = new RawNode(complete);
    this.members.push({ id, config: complete, node, storage, appendWork: [], applyWork: [] });
  }

  send(message: Message): void {
    this.messages.push(message);
  }

  /** Takes a `Ready` and does all of it; with asynchronous storage writes, only sends its messages. */
  processReady(member: Member): void {
    const { node, config } = member;
    const ready = node.ready();
    this.output.write(describeReady(ready));
    if (!config.asyncStorageWrites) {
      store(member, ready.hardState ?? EMPTY_HARD_STATE, ready.entries, ready.snapshot);
      apply(member, ready.committed);
    }
    for (const message of ready.messages) this.route(member, message);
    for (const message of ready.messagesAfterSync) this.send(message);
    if (!config.asyncStorageWrites) node.advance();
  }

  /** Does the next piece of work of the append thread. */
  processAppendThread(member: Member): void {
    const work = member.appendWork.shift();
    if (work === undefined) {
      this.output.write("no append work to perform");
      return;
    }
    this.announce(work);
    store(member, { term: work.term, vote: work.vote, commit: work.commit }, work.entries, work.snapshot);
    this.respond(work);
  }

  /** Does the next piece of work of the apply thread. */
  processApplyThread(member: Member): void {
    const work = member.applyWork.shift();
    if (work === undefined) {
      this.output.write("no apply work to perform");
      return;
    }
    this.announce(work);
    apply(member, work.entries);
    this.respond(work);
  }

  /** @returns How many messages were delivered to `to`, or dropped. Messages within a machine are never dropped. */
  deliver(to: NodeId, type: MessageType | undefined, drop: boolean): number {
    const isMeant = (m: Message): boolean =>
      m.to === to && (type === undefined || m.type === type) && !(drop && isWithinMachine(m));
    const meant = this.messages.filter(isMeant);
    this.messages = this.messages.filter((m) => !isMeant(m));
    for (const m of meant) {
      this.output.line(`${drop ? "dropped: " : ""}${describeMessage(m)}`);
      if (drop) continue;
      const refusal = REFUSALS[this.member(to).node.step(m)];
      if (refusal !== undefined) this.output.line(refusal);
    }
    return meant.length;
  }

  /** Lets these members do all they can do, and exchange messages, until nothing is left to do. */
  stabilize(members: readonly Member[]): void {
    for (let isDone = false; !isDone; ) {
      isDone = true;
      const act = (member: Member, what: string, action: () => void): void => {
        this.output.line(`> ${member.id} ${what}`);
        this.output.indented(action);
        isDone = false;
      };
      for (const member of members) {
        if (member.node.hasReady()) act(member, "handling Ready", () => this.processReady(member));
      }
      for (const member of members) {
        if (!this.messages.some((m) => m.to === member.id)) continue;
        act(member, "receiving messages", () => void this.deliver(member.id, undefined, false));
      }
      for (const member of members) {
        if (member.appendWork.length === 0) continue;
        act(member, "processing append thread", () => {
          while (member.appendWork.length > 0) this.processAppendThread(member);
        });
      }
      for (const member of members) {
        if (member.applyWork.length === 0) continue;
        act(member, "processing apply thread", () => {
          while (member.applyWork.length > 0) this.processApplyThread(member);
        });
      }
    }
  }

  member(id: NodeId): Member {
    return must(this.members[Number(id) - 1], () => `there is no member ${id}`);
  }

  private route(member: Member, m: Message): void {
    if (m.type === MessageType.storageAppend) member.appendWork.push(m);
    else if (m.type === MessageType.storageApply) member.applyWork.push(m);
    else this.send(m);
  }

  private announce(work: Message): void {
    this.output.line(`Processing:\n${describeMessage({ ...work, responses: NO_MESSAGES })}`);
  }

  private respond(work: Message): void {
    this.output.line("Responses:");
    for (const response of work.responses) {
      this.output.line(describeMessage(response));
      this.send(response);
    }
  }
}

function isWithinMachine(m: Message): boolean {
  return m.from === m.to || isLocalThread(m.from) || isLocalThread(m.to);
}

function store(
  { storage }: Member,
  hardState: HardState,
  entries: readonly Entry[],
  snapshot: Snapshot | undefined,
): void {
  if (!isEmptyHardState(hardState)) storage.setHardState(hardState);
  if (snapshot === undefined) storage.append(entries);
  else if (entries.length === 0) storage.applySnapshot(snapshot);
  else throw new Error("can't apply snapshot and entries at the same time");
}

function apply({ node, storage }: Member, entries: readonly Entry[]): void {
  for (const entry of entries) {
    const change = confChangeIn(entry);
    if (change === undefined) storage.apply(entry, entry.data, undefined);
    else storage.apply(entry, change.context, node.applyConfChange(change));
  }
}
