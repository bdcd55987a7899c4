/** What a checker sees of the world, and how it says that something must not be. */
import type { Entry, HardState, Message, Snapshot } from "../../../src/raft/message.ts";
import type { ReadState } from "../../../src/raft/raft.ts";
import type { History } from "../history.ts";
import type { Member } from "../member.ts";

/** The members, and what they have agreed on. */
export interface Scene {
  readonly members: readonly Member[];
  readonly history: History;
}

/** Called as things happen; a checker has those of these that it looks at. */
export interface Checker {
  readonly name: string;
  /** Something happened to a member that is up. */
  stepped?(member: Member): void;
  /** It leads a term since just now. */
  elected?(member: Member): void;
  /** Its commit index moved from `from`. */
  committed?(member: Member, from: number): void;
  /** It hands out these entries to be stored: they are part of its log. */
  wrote?(member: Member, entries: readonly Entry[]): void;
  /** A hard state of it became durable. */
  kept?(member: Member, state: HardState): void;
  /** Somebody sends a message. */
  sent?(m: Message): void;
  /** It has applied an entry, and its state is what it is after it. */
  applied?(member: Member, entry: Entry): void;
  restored?(member: Member, snapshot: Snapshot): void;
  /** It starts after a crash. */
  started?(member: Member): void;
  /** A client was told that its proposal is done. */
  acknowledged?(proposal: number, index: number): void;
  readAsked?(read: number): void;
  readAnswered?(member: Member, read: number, state: ReadState): void;
  /** Faults are over and the group has come to rest; `group` are the members of the final configuration. */
  settled?(group: readonly Member[]): void;
}

export class Violation extends Error {
  readonly checker: string;

  constructor(checker: string, message: string) {
    super(message);
    this.name = "Violation";
    this.checker = checker;
  }
}
