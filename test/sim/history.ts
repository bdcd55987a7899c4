/** What the group has agreed on so far, as an outsider who sees everything writes it down. */
import type { Entry } from "../../src/raft/message.ts";
import type { Membership } from "./config-model.ts";

/** Where the group's log begins: its first members have a snapshot of this index, blank ones have nothing. */
export const FIRST_INDEX = 5;

/** The state machine of every member: a number that depends on all that was applied, in its order. */
export function applyToState(state: number, entry: Entry): number {
  let next = Math.imul(state ^ entry.index, 0x01000193) ^ Math.imul(entry.term, 0x85ebca6b);
  for (const byte of entry.data) next = Math.imul(next ^ byte, 0x01000193);
  return next | 0;
}

export class History {
  /** Entries by index, as they were committed first, by whomever. */
  private readonly committed: Entry[] = [];
  private readonly states: number[] = [];
  private readonly memberships: Membership[] = [];
  /** The last index at which the membership changed. */
  lastChange: number = FIRST_INDEX;

  constructor(membership: Membership) {
    this.states[FIRST_INDEX] = 0;
    this.memberships[FIRST_INDEX] = membership;
  }

  /** The highest index that is committed anywhere. */
  get commit(): number {
    return Math.max(FIRST_INDEX, this.committed.length - 1);
  }

  entryAt(index: number): Entry | undefined {
    return this.committed[index];
  }

  commitEntry(entry: Entry): void {
    this.committed[entry.index] = entry;
  }

  /** The state after `index`, if anybody has applied it. */
  stateAt(index: number): number | undefined {
    return this.states[index];
  }

  membershipAt(index: number): Membership | undefined {
    return this.memberships[index];
  }

  apply(index: number, state: number, membership: Membership): void {
    if (this.memberships[index - 1] !== membership && index > this.lastChange) this.lastChange = index;
    this.states[index] = state;
    this.memberships[index] = membership;
  }
}

/** Equal to the last byte. */
export function sameEntry(a: Entry, b: Entry): boolean {
  if (a === b) return true;
  return (
    a.index === b.index &&
    a.term === b.term &&
    a.type === b.type &&
    a.data.length === b.data.length &&
    a.data.every((byte, at) => byte === b.data[at])
  );
}
