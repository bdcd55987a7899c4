/**
 * The values that Raft members exchange and keep: messages, entries, hard state, snapshots. Pure.
 *
 * Field names and numbers are those of etcd's `raftpb/raft.proto`, so that a codec has nothing to decide. A message
 * carries every field always, absent ones at zero: all messages have one shape, which keeps the hot path fast.
 */
import { assert } from "../lib/assert.ts";
import type { ConfState } from "./conf.ts";

/** A member's id: an unsigned 64-bit number. */
export type NodeId = bigint;

/** No member: no leader is known, or no vote was cast. */
export const NONE: NodeId = 0n;

/** Stands for the local thread that stores entries, hard states and snapshots (asynchronous storage writes). */
export const APPEND_THREAD: NodeId = 0xffff_ffff_ffff_ffffn;

/** Stands for the local thread that applies committed entries (asynchronous storage writes). */
export const APPLY_THREAD: NodeId = 0xffff_ffff_ffff_fffen;

/** Wire numbers of `raftpb.MessageType`; the last nine never leave the machine, nor do hup, beat and checkQuorum. */
export const MessageType = {
  hup: 0,
  beat: 1,
  prop: 2,
  app: 3,
  appResp: 4,
  vote: 5,
  voteResp: 6,
  snap: 7,
  heartbeat: 8,
  heartbeatResp: 9,
  unreachable: 10,
  snapStatus: 11,
  checkQuorum: 12,
  transferLeader: 13,
  timeoutNow: 14,
  readIndex: 15,
  readIndexResp: 16,
  preVote: 17,
  preVoteResp: 18,
  storageAppend: 19,
  storageAppendResp: 20,
  storageApply: 21,
  storageApplyResp: 22,
  forgetLeader: 23,
} as const;
export type MessageType = (typeof MessageType)[keyof typeof MessageType];

/** Wire numbers of `raftpb.EntryType`. */
export const EntryType = { normal: 0, confChange: 1, confChangeV2: 2 } as const;
export type EntryType = (typeof EntryType)[keyof typeof EntryType];

/**
 * One place in the log. An entry is never changed once it has its term and index: everybody may keep a reference.
 * `data` is empty for the entry with which a leader opens its term, and for a configuration change that was refused.
 */
export interface Entry {
  readonly type: EntryType;
  readonly term: number;
  readonly index: number;
  readonly data: Uint8Array;
}

/** What a member must not forget over a restart (paper, figure 2: persistent state), with the commit index it knew. */
export interface HardState {
  readonly term: number;
  readonly vote: NodeId;
  readonly commit: number;
}

/** The state machine as of an entry, in place of all entries up to it. */
export interface Snapshot {
  readonly index: number;
  readonly term: number;
  readonly confState: ConfState;
  readonly data: Uint8Array;
}

/**
 * One message. What a field means depends on the type:
 * - `logTerm`, `index`: the entry before `entries` (app), the last entry (vote), the last one matched or the one
 *   refused (appResp), the commit index that makes a read safe (readIndexResp).
 * - `rejectHint`, with `logTerm`: where the leader should try next (appResp with `reject`).
 * - `context`: what a heartbeat confirms, or that an election is a wanted transfer.
 * - `vote`, `responses`: storageAppend and storageApply only. The responses are for whoever performs the write: they
 *   are to be delivered, each to its `to`, once the write is durable (append) or done (apply).
 */
export interface Message {
  readonly type: MessageType;
  readonly to: NodeId;
  readonly from: NodeId;
  readonly term: number;
  readonly logTerm: number;
  readonly index: number;
  readonly entries: readonly Entry[];
  readonly commit: number;
  readonly vote: NodeId;
  readonly snapshot: Snapshot | undefined;
  readonly reject: boolean;
  readonly rejectHint: number;
  readonly context: Uint8Array;
  readonly responses: readonly Message[];
}

/** No bytes: the data of an entry, or the context of a message, that has none. */
export const NO_BYTES: Uint8Array = new Uint8Array(0);
export const NO_ENTRIES: readonly Entry[] = [];
export const NO_MESSAGES: readonly Message[] = [];
export const EMPTY_HARD_STATE: HardState = { term: 0, vote: NONE, commit: 0 };

/** What a message says, beyond its envelope. */
export type MessageFields = Partial<Omit<Message, "type" | "from" | "to" | "term">>;

const NO_FIELDS: MessageFields = {};

/**
 * A message, with every field that is not named at zero. All messages of this room are made here, so that they share
 * one hidden class. Term 0 stands for a message of no term: local ones, and requests on their way to a leader.
 */
export function message(
  type: MessageType,
  from: NodeId,
  to: NodeId,
  term: number,
  fields: MessageFields = NO_FIELDS,
): Message {
  return {
    type,
    to,
    from,
    term,
    logTerm: fields.logTerm ?? 0,
    index: fields.index ?? 0,
    entries: fields.entries ?? NO_ENTRIES,
    commit: fields.commit ?? 0,
    vote: fields.vote ?? NONE,
    snapshot: fields.snapshot,
    reject: fields.reject ?? false,
    rejectHint: fields.rejectHint ?? 0,
    context: fields.context ?? NO_BYTES,
    responses: fields.responses ?? NO_MESSAGES,
  };
}

/** An entry that has no place in a log yet: term and index are given to it by the leader. */
export function proposal(data: Uint8Array, type: EntryType = EntryType.normal): Entry {
  return { type, term: 0, index: 0, data };
}

export function sameHardState(a: HardState, b: HardState): boolean {
  return a.term === b.term && a.vote === b.vote && a.commit === b.commit;
}

export function isEmptyHardState(state: HardState): boolean {
  return sameHardState(state, EMPTY_HARD_STATE);
}

/** True for types that make sense only inside one machine: taken from a peer, they would be a forgery. */
export function isLocalType(type: MessageType): boolean {
  switch (type) {
    case MessageType.hup:
    case MessageType.beat:
    case MessageType.unreachable:
    case MessageType.snapStatus:
    case MessageType.checkQuorum:
    case MessageType.storageAppend:
    case MessageType.storageAppendResp:
    case MessageType.storageApply:
    case MessageType.storageApplyResp:
      return true;
    default:
      return false;
  }
}

/** True for answers: they mean something only from a member that could have been asked. */
export function isResponseType(type: MessageType): boolean {
  switch (type) {
    case MessageType.appResp:
    case MessageType.voteResp:
    case MessageType.heartbeatResp:
    case MessageType.unreachable:
    case MessageType.readIndexResp:
    case MessageType.preVoteResp:
    case MessageType.storageAppendResp:
    case MessageType.storageApplyResp:
      return true;
    default:
      return false;
  }
}

/**
 * True if a message can come from a member that follows the rules: an append's entries follow each other and the entry
 * it names, in index and in term, up to the term of its leader; a snapshot is there.
 */
export function isWellFormed(m: Message): boolean {
  if (m.type === MessageType.snap) return m.snapshot !== undefined;
  if (m.type === MessageType.readIndex) return m.entries.length === 1;
  if (m.type === MessageType.prop) return m.entries.length > 0;
  if (m.type !== MessageType.app) return true;
  let { index, logTerm: term } = m;
  for (const entry of m.entries) {
    index += 1;
    if (entry.index !== index || entry.term < term) return false;
    ({ term } = entry);
  }
  return term <= m.term;
}

/** True for the two ids that stand for a thread of this machine. */
export function isLocalThread(id: NodeId): boolean {
  return id === APPEND_THREAD || id === APPLY_THREAD;
}

/** Length in bytes of an unsigned protobuf varint. */
function varintLength(value: number): number {
  let length = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) length += 1;
  return length;
}

/** Bytes that an entry takes in etcd's encoding (`raftpb.Entry.Size`); all limits of this room count so. */
export function entrySize(entry: Entry): number {
  const data = entry.data.length;
  const payload = data === 0 ? 0 : 1 + varintLength(data) + data;
  return 2 + 1 + varintLength(entry.term) + 1 + varintLength(entry.index) + payload;
}

export function entriesSize(entries: readonly Entry[]): number {
  let size = 0;
  for (const entry of entries) size += entrySize(entry);
  return size;
}

/** Bytes of data alone: entries without data cost nothing, so that no limit can refuse them. */
export function payloadSize(entries: readonly Entry[]): number {
  let size = 0;
  for (const entry of entries) size += entry.data.length;
  return size;
}

/** How many of `entries[from, to)` fit into `maxBytes`: at least one, if there is one. */
export function countWithin(entries: readonly Entry[], from: number, to: number, maxBytes: number): number {
  let size = 0;
  for (let at = from; at < to; at += 1) {
    const entry = entries[at];
    assert(entry !== undefined, () => `entry at place ${at} of [${from}, ${to}) is absent`);
    size += entrySize(entry);
    if (size > maxBytes && at > from) return at - from;
  }
  return to - from;
}
