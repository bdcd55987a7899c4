/**
 * Log matching (paper, figure 3): logs that have an entry of the same index and term have the same entries up to it.
 * By induction: each (index, term) is written down with what it holds and the term of the entry before it, and
 * whoever writes that entry again must agree on both.
 */
import { type Entry, EntryType } from "../../../src/raft/message.ts";
import { sameEntry } from "../history.ts";
import type { Member } from "../member.ts";
import { type Checker, Violation } from "./checker.ts";

/** More entries than any log here has. */
const INDEX_MAX = 1_000_000;

interface Known {
  readonly entry: Entry;
  readonly previousTerm: number;
}

export class LogMatching implements Checker {
  readonly name = "log-matching";
  private readonly known = new Map<number, Known>();

  wrote(member: Member, entries: readonly Entry[]): void {
    const first = entries[0];
    if (first === undefined) return;
    let index = first.index;
    let previousTerm = member.raft.log.termOrZero(index - 1);
    for (const entry of entries) {
      if (entry.index !== index) {
        throw new Violation(this.name, `${member.id} wrote entry ${entry.index} where ${index} was due`);
      }
      if (entry.term < previousTerm) {
        throw new Violation(
          this.name,
          `${member.id} wrote entry ${index} of term ${entry.term} after one of term ${previousTerm}`,
        );
      }
      this.compare(member, entry, previousTerm);
      previousTerm = entry.term;
      index++;
    }
  }

  private compare(member: Member, entry: Entry, previousTerm: number): void {
    const key = entry.term * INDEX_MAX + entry.index;
    const known = this.known.get(key);
    if (known === undefined) {
      this.known.set(key, { entry, previousTerm });
      return;
    }
    const isKnown = sameEntry(known.entry, entry);
    if (isKnown && (known.previousTerm === previousTerm || previousTerm === 0)) return;
    const types = [known.entry.type, entry.type].map((type) =>
      type === EntryType.normal ? "data" : "change",
    );
    throw new Violation(
      this.name,
      `${member.id} wrote entry ${entry.index} of term ${entry.term} (${types[1]} [${entry.data.join(" ")}] after term ` +
        `${previousTerm}), another wrote ${types[0]} [${known.entry.data.join(" ")}] after term ${known.previousTerm}`,
    );
  }
}
