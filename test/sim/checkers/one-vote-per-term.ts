/** A vote that was stored is never replaced by another of its term, nor is a term by an earlier one (paper, 5.2). */
import type { HardState } from "../../../src/raft/message.ts";
import type { Member } from "../member.ts";
import { type Checker, Violation } from "./checker.ts";

export class OneVotePerTerm implements Checker {
  readonly name = "one-vote-per-term";
  private readonly states = new Map<bigint, HardState>();

  kept(member: Member, state: HardState): void {
    const before = this.states.get(member.id);
    this.states.set(member.id, state);
    if (before === undefined) return;
    if (state.term < before.term) {
      throw new Violation(this.name, `${member.id} stored term ${state.term} after ${before.term}`);
    }
    if (state.term === before.term && before.vote !== 0n && state.vote !== before.vote) {
      throw new Violation(
        this.name,
        `${member.id} stored a vote for ${state.vote} in term ${state.term}, after one for ${before.vote}`,
      );
    }
  }
}
