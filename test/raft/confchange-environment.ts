import { RefusedError } from "../../src/lib/errors.ts";
import { type ConfChangeSingle, EMPTY_CONF_STATE, parseChanges } from "../../src/raft/conf.ts";
import { type ConfChangeResult, enterJoint, leaveJoint, simple } from "../../src/raft/confchange.ts";
import { Tracker } from "../../src/raft/tracker.ts";
import { type Directive, type Environment, valueOf } from "./datadriven.ts";

/**
 * Changes of a configuration that begins empty: `simple`, `enter-joint [autoleave=true]` and `leave-joint`, with the
 * changes as input. The log's last index counts the commands, so that a member's `next` shows when it was added.
 */
export const confchangeEnvironment: Environment = {
  name: "confchange",
  commands: ["simple", "enter-joint", "leave-joint"],
  start: () => {
    const tracker = new Tracker(10, 0);
    tracker.adopt(EMPTY_CONF_STATE, new Set(), 0);
    let lastIndex = 0;
    return (directive) => {
      const index = lastIndex++;
      try {
        const { config, added } = change(tracker, directive, parseChanges(directive.input));
        tracker.adopt(config, added, index);
      } catch (error) {
        if (error instanceof RefusedError) return error.message;
        throw error;
      }
      return `${tracker.describeConfig()}\n${tracker.describeMembers()}`;
    };
  },
};

function change(
  tracker: Tracker,
  directive: Directive,
  changes: readonly ConfChangeSingle[],
): ConfChangeResult {
  switch (directive.command) {
    case "simple":
      return simple(tracker.config, changes);
    case "enter-joint":
      return enterJoint(tracker.config, valueOf(directive, "autoleave") === "true", changes);
    case "leave-joint":
      if (changes.length > 0) throw new Error("leave-joint takes no changes");
      return leaveJoint(tracker.config);
    default:
      throw new Error("unknown command");
  }
}
