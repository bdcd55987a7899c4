/** What the core wants done: the value that `RawNode.ready` gives. Pure. */
import {
  describeEntries,
  describeHardState,
  describeMessage,
  describeSnapshot,
  roleName,
} from "./describe.ts";
import type { Entry, HardState, Message, NodeId, Snapshot } from "./message.ts";
import type { ReadState, Role } from "./raft.ts";

/** Who leads, and what this member is: of interest to people and clients, and never stored. */
export interface SoftState {
  readonly leader: NodeId;
  readonly role: Role;
}

/**
 * What the caller owes the core, in the order of the fields, answered by `advance`. With asynchronous storage writes,
 * `hardState`, `entries`, `snapshot` and `committed` are for information: what is to be done about them stands in
 * storageAppend and storageApply messages among `messages`, and there is no `advance`.
 */
export interface Ready {
  /** Undefined: unchanged. */
  readonly softState: SoftState | undefined;
  readonly readStates: readonly ReadState[];
  /** May leave while what follows is being written. */
  readonly messages: readonly Message[];
  /** To be written together with `entries`, and not after them. Undefined: unchanged. */
  readonly hardState: HardState | undefined;
  /** To be written: an entry replaces the stored one of its index, and all stored after it go. */
  readonly entries: readonly Entry[];
  /** To be written, in place of the whole log and the state machine. Never together with `entries` it would replace. */
  readonly snapshot: Snapshot | undefined;
  /**
   * True if `hardState` and `entries` must be durable before going on; else the next time will do. A snapshot must be
   * in any case.
   */
  readonly mustSync: boolean;
  /** To be sent once this and all earlier writes are durable: votes and acknowledgements. */
  readonly messagesAfterSync: readonly Message[];
  /** To be applied, once each and in this order. */
  readonly committed: readonly Entry[];
}

/** Several lines, as etcd's scripts show it. */
export function describeReady(ready: Ready): string {
  const { softState, hardState, readStates, entries, snapshot, committed } = ready;
  let text = "";
  if (softState !== undefined) text += `Lead:${softState.leader} State:${roleName(softState.role)}\n`;
  if (hardState !== undefined) text += `HardState ${describeHardState(hardState)}\n`;
  if (readStates.length > 0) {
    const states = readStates.map(({ index, context }) => `{${index} [${context.join(" ")}]}`);
    text += `ReadStates [${states.join(" ")}]\n`;
  }
  if (entries.length > 0) text += `Entries:\n${describeEntries(entries)}`;
  if (snapshot !== undefined) text += `Snapshot ${describeSnapshot(snapshot)}\n`;
  if (committed.length > 0) text += `CommittedEntries:\n${describeEntries(committed)}`;
  const messages = [...ready.messages, ...ready.messagesAfterSync];
  if (messages.length > 0) text += `Messages:\n${messages.map((m) => `${describeMessage(m)}\n`).join("")}`;
  return text === "" ? "<empty Ready>" : `Ready MustSync=${ready.mustSync}:\n${text}`;
}
