/** The commit index of a member only grows, and after a restart it is at least what was stored. */
import type { HardState } from "../../../src/raft/message.ts";
import type { Member } from "../member.ts";
import { type Checker, Violation } from "./checker.ts";

export class CommitNeverBack implements Checker {
  readonly name = "commit-never-back";
  private readonly running = new Map<bigint, number>();
  private readonly stored = new Map<bigint, number>();

  stepped(member: Member): void {
    this.check(member, this.running.get(member.id) ?? 0, "knew");
    this.running.set(member.id, member.raft.log.committed);
  }

  kept(member: Member, { commit }: HardState): void {
    const before = this.stored.get(member.id) ?? 0;
    if (commit < before)
      throw new Violation(this.name, `${member.id} stored commit ${commit} after ${before}`);
    this.stored.set(member.id, commit);
  }

  started(member: Member): void {
    this.check(member, this.stored.get(member.id) ?? 0, "had stored");
    this.running.set(member.id, member.raft.log.committed);
  }

  private check(member: Member, before: number, how: string): void {
    const { committed } = member.raft.log;
    if (committed < before) {
      throw new Violation(this.name, `${member.id} has commit index ${committed}, and ${how} ${before}`);
    }
  }
}
