/**
 * Every election and every commit has a majority of each half of the leader's configuration behind it, on their disks
 * and not in their words (thesis 4.3). Majorities and configurations are counted by `config-model.ts`.
 */

import { describeConfig } from "../../../src/raft/conf.ts";
import { type HardState, type Message, MessageType } from "../../../src/raft/message.ts";
import { COMPACTED } from "../../../src/raft/storage.ts";
import { confStateOf, isMajority } from "../config-model.ts";
import type { Member } from "../member.ts";
import { type Checker, type Scene, Violation } from "./checker.ts";

/** More terms than any run has. */
const TERM_MAX = 1_000_000;

export class JointMajorities implements Checker {
  readonly name = "joint-majorities";
  private readonly scene: Scene;
  /** Votes that became durable, by voter and term. */
  private readonly votes = new Map<number, bigint>();
  /** Votes that were given away, likewise. */
  private readonly granted = new Map<number, bigint>();

  constructor(scene: Scene) {
    this.scene = scene;
  }

  kept(member: Member, { term, vote }: HardState): void {
    if (vote !== 0n) this.votes.set(Number(member.id) * TERM_MAX + term, vote);
  }

  sent(m: Message): void {
    if (m.type === MessageType.voteResp && !m.reject)
      this.granted.set(Number(m.from) * TERM_MAX + m.term, m.to);
  }

  elected(leader: Member): void {
    const { term } = leader.raft;
    const { membership } = leader.machine;
    const supports = (id: bigint): boolean => {
      const key = Number(id) * TERM_MAX + term;
      if (this.votes.get(key) === leader.id) return true;
      // Who has stored a later term since can give no other vote in this one.
      return this.granted.get(key) === leader.id && this.storedTerm(id) > term;
    };
    if (isMajority(membership, supports)) return;
    throw new Violation(
      this.name,
      `${leader.id} leads term ${term} without stored votes of a majority of ${describeConfig(confStateOf(membership))}`,
    );
  }

  private storedTerm(id: bigint): number {
    return this.scene.members[Number(id) - 1]?.disk.durable.initialState().hardState.term ?? 0;
  }

  committed(member: Member): void {
    const { role, log, term } = member.raft;
    if (role !== "leader") return;
    const index = log.committed;
    if (log.termOrZero(index) !== term) {
      throw new Violation(
        this.name,
        `${member.id} leads term ${term} and committed ${index}, which is of term ${log.termOrZero(index)}`,
      );
    }
    const { membership } = member.machine;
    const has = (id: bigint): boolean => {
      const stored = this.scene.members[Number(id) - 1]?.disk.durable.term(index);
      return stored === term || stored === COMPACTED;
    };
    if (isMajority(membership, has)) return;
    throw new Violation(
      this.name,
      `${member.id} leads term ${term} and committed ${index}, which is not stored by a majority of ` +
        describeConfig(confStateOf(membership)),
    );
  }
}
