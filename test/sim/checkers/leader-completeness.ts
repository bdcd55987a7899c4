/** Leader completeness (paper, figure 3): what is committed is in the log of every leader of a later term. */
import { COMPACTED } from "../../../src/raft/storage.ts";
import type { Member } from "../member.ts";
import { type Checker, type Scene, Violation } from "./checker.ts";

export class LeaderCompleteness implements Checker {
  readonly name = "leader-completeness";
  private readonly scene: Scene;

  constructor(scene: Scene) {
    this.scene = scene;
  }

  elected(leader: Member): void {
    this.compare(leader, leader.raft.log.firstIndex());
  }

  /** Somebody has committed more: who leads a later term must have had it when elected. */
  committed(member: Member, from: number): void {
    for (const other of this.scene.members) {
      if (
        other !== member &&
        other.isUp &&
        other.raft.role === "leader" &&
        other.raft.term > member.raft.term
      ) {
        this.compare(other, Math.max(from + 1, other.raft.log.firstIndex()));
      }
    }
  }

  private compare(leader: Member, first: number): void {
    const { history } = this.scene;
    const { term, log } = leader.raft;
    for (let index = first; index <= history.commit; index++) {
      const entry = history.entryAt(index);
      if (entry === undefined || entry.term > term) continue;
      const own = log.term(index);
      if (own === entry.term || own === COMPACTED) continue;
      throw new Violation(
        this.name,
        `${leader.id} leads term ${term} with ${own} at ${index}, where an entry of term ${entry.term} is committed`,
      );
    }
  }
}
