/** Texts for people: messages, entries and the like in one line each, in the words of etcd's raft. Pure. */
import { RefusedError } from "../lib/errors.ts";
import { asV2, describeChanges, describeConfState } from "./conf.ts";
import { confChangeIn } from "./conf-entry.ts";
import {
  APPEND_THREAD,
  APPLY_THREAD,
  type Entry,
  EntryType,
  type HardState,
  type Message,
  type MessageType,
  NONE,
  type NodeId,
  type Snapshot,
} from "./message.ts";
import type { Role } from "./raft.ts";

const MESSAGE_TYPE_NAMES: Readonly<Record<MessageType, string>> = {
  0: "MsgHup",
  1: "MsgBeat",
  2: "MsgProp",
  3: "MsgApp",
  4: "MsgAppResp",
  5: "MsgVote",
  6: "MsgVoteResp",
  7: "MsgSnap",
  8: "MsgHeartbeat",
  9: "MsgHeartbeatResp",
  10: "MsgUnreachable",
  11: "MsgSnapStatus",
  12: "MsgCheckQuorum",
  13: "MsgTransferLeader",
  14: "MsgTimeoutNow",
  15: "MsgReadIndex",
  16: "MsgReadIndexResp",
  17: "MsgPreVote",
  18: "MsgPreVoteResp",
  19: "MsgStorageAppend",
  20: "MsgStorageAppendResp",
  21: "MsgStorageApply",
  22: "MsgStorageApplyResp",
  23: "MsgForgetLeader",
};

const ENTRY_TYPE_NAMES: Readonly<Record<EntryType, string>> = {
  0: "EntryNormal",
  1: "EntryConfChange",
  2: "EntryConfChangeV2",
};

const ROLE_NAMES: Readonly<Record<Role, string>> = {
  follower: "StateFollower",
  preCandidate: "StatePreCandidate",
  candidate: "StateCandidate",
  leader: "StateLeader",
};

/** An id as etcd writes it: hexadecimal, without zeros in front. */
export function hex(id: NodeId): string {
  return id.toString(16);
}

/** `MsgApp` … */
export function messageTypeName(type: MessageType): string {
  return MESSAGE_TYPE_NAMES[type];
}

/** `StateLeader` … */
export function roleName(role: Role): string {
  return ROLE_NAMES[role];
}

/** `Term:1 Vote:1 Commit:11`; without the vote if there was none. */
export function describeHardState(state: HardState): string {
  const vote = state.vote === NONE ? "" : ` Vote:${state.vote}`;
  return `Term:${state.term}${vote} Commit:${state.commit}`;
}

/** `Index:11 Term:1 ConfState:Voters:[1 2 3] …`. */
export function describeSnapshot({ index, term, confState }: Snapshot): string {
  return `Index:${index} Term:${term} ConfState:${describeConfState(confState)}`;
}

/** `1/11 EntryNormal "data"`: term, index, type, and the data or the changes of the configuration. */
export function describeEntry(entry: Entry): string {
  const content = entry.type === EntryType.normal ? quote(entry.data) : changesText(entry);
  return `${entry.term}/${entry.index} ${ENTRY_TYPE_NAMES[entry.type]}${content === "" ? "" : ` ${content}`}`;
}

/** One line for each entry. */
export function describeEntries(entries: readonly Entry[]): string {
  return entries.map((entry) => `${describeEntry(entry)}\n`).join("");
}

/** `1->2 MsgApp Term:1 Log:1/10 Commit:10 Entries:[1/11 EntryNormal ""]`; several lines where it has parts. */
export function describeMessage(m: Message, indent = ""): string {
  let text =
    `${indent}${targetName(m.from)}->${targetName(m.to)} ${messageTypeName(m.type)} Term:${m.term} ` +
    `Log:${m.logTerm}/${m.index}`;
  if (m.reject) text += ` Rejected (Hint: ${m.rejectHint})`;
  if (m.commit !== 0) text += ` Commit:${m.commit}`;
  if (m.vote !== NONE) text += ` Vote:${m.vote}`;
  const [entry] = m.entries;
  if (m.entries.length > 1) {
    text += ` Entries:[${m.entries.map((each) => `\n${indent}  ${describeEntry(each)}`).join("")}\n${indent}]`;
  } else if (entry !== undefined) {
    text += ` Entries:[${describeEntry(entry)}]`;
  }
  if (m.snapshot !== undefined) text += `\n${indent}  Snapshot: ${describeSnapshot(m.snapshot)}`;
  if (m.responses.length > 0) {
    text += ` Responses:[${m.responses.map((each) => `\n${describeMessage(each, `${indent}  `)}`).join("")}\n${indent}]`;
  }
  return text;
}

function targetName(id: NodeId): string {
  switch (id) {
    case NONE:
      return "None";
    case APPEND_THREAD:
      return "AppendThread";
    case APPLY_THREAD:
      return "ApplyThread";
    default:
      return hex(id);
  }
}

function changesText(entry: Entry): string {
  try {
    const change = confChangeIn(entry);
    return change === undefined ? "" : describeChanges(asV2(change).changes);
  } catch (error) {
    if (error instanceof RefusedError) return error.message;
    throw error;
  }
}

const ESCAPES: Readonly<Record<number, string>> = {
  7: "\\a",
  8: "\\b",
  9: "\\t",
  10: "\\n",
  11: "\\v",
  12: "\\f",
  13: "\\r",
  34: '\\"',
  92: "\\\\",
};

/** Bytes in quotation marks, as Go's `%q` has them; all that is not ASCII by its number. */
function quote(data: Uint8Array): string {
  let text = '"';
  for (const byte of data) {
    const plain =
      byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, "0")}`;
    text += ESCAPES[byte] ?? plain;
  }
  return `${text}"`;
}
