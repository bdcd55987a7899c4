/**
 * State machine safety (paper, figure 3): what anybody commits or applies at an index, everybody does; in order, once,
 * and over snapshots too.
 */
import type { Entry, Snapshot } from "../../../src/raft/message.ts";
import { sameMembership } from "../config-model.ts";
import { sameEntry } from "../history.ts";
import type { Member } from "../member.ts";
import { type Checker, type Scene, Violation } from "./checker.ts";

export class StateMachineSafety implements Checker {
  readonly name = "state-machine-safety";
  private readonly scene: Scene;

  constructor(scene: Scene) {
    this.scene = scene;
  }

  committed(member: Member, from: number): void {
    const { history } = this.scene;
    const { log } = member.raft;
    const first = Math.max(from + 1, log.firstIndex());
    if (first > log.committed) return;
    const entries = log.slice(first, log.committed + 1, Infinity);
    if (typeof entries === "string")
      throw new Violation(this.name, `${member.id} cannot read what it commits`);
    for (const entry of entries) {
      const known = history.entryAt(entry.index);
      if (known === undefined) history.commitEntry(entry);
      else if (!sameEntry(known, entry)) {
        throw new Violation(
          this.name,
          `${member.id} commits an entry of term ${entry.term} at ${entry.index}, another one of term ${known.term}`,
        );
      }
    }
  }

  applied(member: Member, entry: Entry): void {
    const { history } = this.scene;
    const { state, membership } = member.machine;
    const known = history.stateAt(entry.index);
    if (known === undefined) {
      history.apply(entry.index, state, membership);
      return;
    }
    const changed = history.membershipAt(entry.index);
    if (known !== state || changed === undefined || !sameMembership(changed, membership)) {
      throw new Violation(this.name, `${member.id} is in another state after ${entry.index} than others`);
    }
  }

  restored(member: Member, snapshot: Snapshot): void {
    const { history } = this.scene;
    const { state, membership } = member.machine;
    const known = history.membershipAt(snapshot.index);
    if (
      history.stateAt(snapshot.index) !== state ||
      known === undefined ||
      !sameMembership(known, membership)
    ) {
      throw new Violation(
        this.name,
        `${member.id} took a snapshot of ${snapshot.index} that is not what others had`,
      );
    }
  }
}
