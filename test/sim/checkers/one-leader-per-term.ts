/** Election safety (paper, figure 3): at most one leader in a term, over all restarts. */
import type { Member } from "../member.ts";
import { type Checker, Violation } from "./checker.ts";

export class OneLeaderPerTerm implements Checker {
  readonly name = "one-leader-per-term";
  private readonly leaders = new Map<number, bigint>();

  elected(member: Member): void {
    const { term } = member.raft;
    const other = this.leaders.get(term);
    if (other !== undefined && other !== member.id) {
      throw new Violation(this.name, `both ${other} and ${member.id} lead term ${term}`);
    }
    this.leaders.set(term, member.id);
  }
}
