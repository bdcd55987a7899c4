/** What a client was told is done, stays done: by a majority's disks at once, and in every state machine at the end. */

import type { Member } from "../member.ts";
import { proposalIn } from "../payload.ts";
import { type Checker, type Scene, Violation } from "./checker.ts";

export class AckedIsDurable implements Checker {
  readonly name = "acked-is-durable";
  private readonly scene: Scene;
  private readonly acked = new Map<number, number>();

  constructor(scene: Scene) {
    this.scene = scene;
  }

  acknowledged(proposal: number, index: number): void {
    const entry = this.scene.history.entryAt(index);
    if (entry === undefined || proposalIn(entry) !== proposal) {
      throw new Violation(
        this.name,
        `proposal ${proposal} was acknowledged at ${index}, and is not committed there`,
      );
    }
    this.acked.set(proposal, index);
  }

  elected(leader: Member): void {
    const last = leader.raft.log.lastIndex();
    for (const [proposal, index] of this.acked) {
      // Votes may arrive late: a leader of a term that is over leads nobody.
      const isOver = (this.scene.history.entryAt(index)?.term ?? 0) > leader.raft.term;
      if (index > last && !isOver) {
        throw new Violation(
          this.name,
          `${leader.id} leads term ${leader.raft.term} with a log that ends at ${last}: proposal ${proposal}, ` +
            `acknowledged at ${index}, is lost`,
        );
      }
    }
  }

  settled(group: readonly Member[]): void {
    const { history } = this.scene;
    for (const [proposal, index] of this.acked) {
      const entry = history.entryAt(index);
      for (const { id, machine } of group) {
        const has = machine.applied >= index && machine.state === history.stateAt(machine.applied);
        if (has && entry !== undefined && proposalIn(entry) === proposal) continue;
        throw new Violation(
          this.name,
          `proposal ${proposal}, acknowledged at ${index}, is not in the state of ${id}`,
        );
      }
    }
  }
}
