/**
 * What a membership change makes of a configuration (thesis §4.1-4.3): from values to values, so that a change is
 * refused before anything has been touched. `Tracker.adopt` puts the result in force.
 */
import { assert, unreachable } from "../lib/assert.ts";
import { RefusedError } from "../lib/errors.ts";
import {
  type ConfChangeSingle,
  type ConfChangeV2,
  type ConfState,
  compareIds,
  isJoint,
  kindOf,
} from "./conf.ts";

/** A configuration after a change. */
export interface ConfChangeResult {
  readonly config: ConfState;
  /** Members added by the change, also those removed and added again within it: their progress starts anew. */
  readonly added: ReadonlySet<bigint>;
}

/**
 * Carries out `change` in the way it asks for.
 * @throws RefusedError where it does not suit `config`; the message is the reference's.
 */
export function changeConfig(config: ConfState, change: ConfChangeV2): ConfChangeResult {
  const kind = kindOf(change);
  switch (kind.type) {
    case "simple":
      return simple(config, change.changes);
    case "enterJoint":
      return enterJoint(config, kind.autoLeave, change.changes);
    case "leaveJoint":
      return leaveJoint(config);
    default:
      return unreachable(kind);
  }
}

/**
 * Changes that add up to at most one voter more or less: any two majorities of the old and the new configuration
 * have a voter in common, so no joint configuration is needed (thesis §4.1).
 * @throws RefusedError
 */
export function simple(config: ConfState, changes: readonly ConfChangeSingle[]): ConfChangeResult {
  if (isJoint(config)) throw refused("can't apply simple config change in joint config");
  const draft = new Draft(config);
  draft.apply(changes);
  if (draft.votersChangedSince(config.voters) > 1) {
    throw refused("more than one voter changed without entering joint config");
  }
  return draft.result(false);
}

/**
 * Keeps the present voters as the outgoing half and applies the changes to the incoming one: C(old,new) of thesis §4.3.
 * @throws RefusedError
 */
export function enterJoint(
  config: ConfState,
  autoLeave: boolean,
  changes: readonly ConfChangeSingle[],
): ConfChangeResult {
  if (isJoint(config)) throw refused("config is already joint");
  if (config.voters.length === 0) throw refused("can't make a zero-voter config joint");
  const draft = new Draft({ ...config, votersOutgoing: config.voters });
  draft.apply(changes);
  return draft.result(autoLeave);
}

/**
 * Drops the outgoing half: C(new) of thesis §4.3. Voters of that half that were to become learners do so now.
 * @throws RefusedError
 */
export function leaveJoint(config: ConfState): ConfChangeResult {
  if (!isJoint(config)) throw refused("can't leave a non-joint config");
  const draft = new Draft({
    ...config,
    votersOutgoing: [],
    learners: [...config.learners, ...config.learnersNext],
    learnersNext: [],
  });
  return draft.result(false);
}

/**
 * A configuration that comes from storage or a snapshot, as the core holds it: lists sorted, rules checked. All its
 * members count as added.
 * @throws RefusedError where no sequence of changes leads to such a configuration.
 */
export function restore(stored: ConfState): ConfChangeResult {
  const draft = new Draft(stored);
  const { config } = draft.result(stored.autoLeave, (holds, message) => {
    if (!holds) throw refused(message());
  });
  const listed = (state: ConfState): number =>
    state.voters.length + state.votersOutgoing.length + state.learners.length + state.learnersNext.length;
  if (listed(config) !== listed(stored)) throw refused("a member is listed twice");
  const members = new Set([...config.voters, ...config.votersOutgoing, ...config.learners]);
  if (members.has(0n)) throw refused("a member has the id 0");
  if (members.size > 0 && config.voters.length === 0) throw refused("removed all voters");
  return { config, added: members };
}

const refused = (message: string): RefusedError => new RefusedError("conf_change_refused", message);

/** A configuration in the making. Changes to voters are always changes to the incoming half. */
class Draft {
  readonly #voters: Set<bigint>;
  readonly #votersOutgoing: Set<bigint>;
  readonly #learners: Set<bigint>;
  readonly #learnersNext: Set<bigint>;
  readonly #added = new Set<bigint>();

  constructor(config: ConfState) {
    this.#voters = new Set(config.voters);
    this.#votersOutgoing = new Set(config.votersOutgoing);
    this.#learners = new Set(config.learners);
    this.#learnersNext = new Set(config.learnersNext);
  }

  apply(changes: readonly ConfChangeSingle[]): void {
    for (const { type, nodeId } of changes) {
      if (nodeId === 0n) continue;
      switch (type) {
        case "addNode":
          this.#makeVoter(nodeId);
          break;
        case "addLearnerNode":
          this.#makeLearner(nodeId);
          break;
        case "removeNode":
          this.#remove(nodeId);
          break;
        case "updateNode":
          break;
      }
    }
    if (this.#voters.size === 0) throw refused("removed all voters");
  }

  votersChangedSince(voters: readonly bigint[]): number {
    const kept = voters.filter((id) => this.#voters.has(id)).length;
    return voters.length - kept + (this.#voters.size - kept);
  }

  /** @param check Called with each rule: an assertion unless the configuration came from outside. */
  result(autoLeave: boolean, check: Check = assert): ConfChangeResult {
    const config: ConfState = {
      voters: sorted(this.#voters),
      votersOutgoing: sorted(this.#votersOutgoing),
      learners: sorted(this.#learners),
      learnersNext: sorted(this.#learnersNext),
      autoLeave,
    };
    for (const id of config.learners) {
      check(!this.#voters.has(id), () => `${id} is both a learner and a voter`);
      check(!this.#votersOutgoing.has(id), () => `${id} is both a learner and an outgoing voter`);
    }
    for (const id of config.learnersNext) {
      check(this.#votersOutgoing.has(id), () => `${id} is to become a learner, but is no outgoing voter`);
      check(!this.#voters.has(id), () => `${id} is to become a learner, but is an incoming voter`);
    }
    check(isJoint(config) || !autoLeave, () => "a configuration that is not joint cannot be left");
    return { config, added: this.#added };
  }

  #makeVoter(id: bigint): void {
    if (!this.#isMember(id)) this.#added.add(id);
    this.#learners.delete(id);
    this.#learnersNext.delete(id);
    this.#voters.add(id);
  }

  /**
   * A voter of the outgoing half cannot be a learner at the same time: every member has one role. It becomes one
   * when the joint configuration is left.
   */
  #makeLearner(id: bigint): void {
    if (!this.#isMember(id)) this.#added.add(id);
    this.#voters.delete(id);
    (this.#votersOutgoing.has(id) ? this.#learnersNext : this.#learners).add(id);
  }

  #remove(id: bigint): void {
    this.#voters.delete(id);
    this.#learners.delete(id);
    this.#learnersNext.delete(id);
  }

  #isMember(id: bigint): boolean {
    return this.#voters.has(id) || this.#votersOutgoing.has(id) || this.#learners.has(id);
  }
}

type Check = (holds: boolean, message: () => string) => void;

const sorted = (ids: ReadonlySet<bigint>): readonly bigint[] => [...ids].toSorted(compareIds);
