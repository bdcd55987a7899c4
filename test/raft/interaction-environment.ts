import { RefusedError } from "../../src/lib/errors.ts";
import {
  type ConfChange,
  type ConfChangeTransition,
  confChangeV1,
  confChangeV2,
  EMPTY_CONF_STATE,
  parseChanges,
} from "../../src/raft/conf.ts";
import { describeEntries, describeMessage, messageTypeName, roleName } from "../../src/raft/describe.ts";
import { MessageType, message, NO_BYTES, type NodeId, type Snapshot } from "../../src/raft/message.ts";
import type { RaftConfig } from "../../src/raft/raft-config.ts";
import { type Directive, type Environment, type Execute, valueOf } from "./datadriven.ts";
import { Group, type Member, REFUSALS } from "./interaction/group.ts";
import { Output } from "./interaction/output.ts";

/** One command: prints to the group's output. What it throws as `CommandError` is printed too, whatever the level. */
type Command = (group: Group, directive: Directive) => void;

/** What a command has to say when it could not be done; part of the output, unlike a fault of the script. */
class CommandError extends Error {}

const COMMANDS: Readonly<Record<string, Command>> = {
  _breakpoint: () => undefined,

  /** `add-nodes COUNT voters=(1,2) learners=(3) index=10 content=TEXT` and options of `optionsOf`. */
  "add-nodes": (group, directive) => {
    const snapshot = snapshotOf(directive);
    const isEmpty = snapshot.confState === EMPTY_CONF_STATE && snapshot.index === 0;
    if (!isEmpty && snapshot.index <= 1)
      throw new CommandError("index must be specified as > 1 due to bootstrap");
    for (let left = number(directive, 0); left > 0; left -= 1) group.add(optionsOf(directive), snapshot);
  },

  campaign: (group, directive) => first(group, directive).node.campaign(),

  /** `compact ID INDEX` */
  compact: (group, directive) => {
    const member = first(group, directive);
    reportRefusal(() => member.storage.compact(number(directive, 1)));
    printLog(group, member);
  },

  /** `deliver-msgs ID … drop=(ID, …) type=TYPE` */
  "deliver-msgs": (group, directive) => {
    const type = typeOf(directive);
    let count = 0;
    for (const { key, values } of directive.args) {
      if (values.length === 0) count += group.deliver(BigInt(key), type, false);
      else if (key === "drop") for (const id of values) count += group.deliver(BigInt(id), type, true);
    }
    if (count === 0) group.output.line("no messages");
  },

  "process-ready": (group, directive) =>
    forEach(group, directive, "handling Ready", (member) => group.processReady(member)),

  "process-append-thread": (group, directive) =>
    forEach(group, directive, "processing append thread", (member) => group.processAppendThread(member)),

  "process-apply-thread": (group, directive) =>
    forEach(group, directive, "processing apply thread", (member) => group.processApplyThread(member)),

  "log-level": (group, directive) => void group.output.setLevel(directive.args[0]?.key ?? ""),

  "raft-log": (group, directive) => printLog(group, first(group, directive)),

  /** One line for each member, as it sees itself. */
  "raft-state": (group) => {
    for (const { node } of group.members) {
      const { id, softState, hardState, config } = node.status();
      const isVoter = config.voters.includes(id) || config.votersOutgoing.includes(id);
      group.output.line(
        `${id}: ${roleName(softState.role)} (${isVoter ? "Voter" : "Non-Voter"}) Term:${hardState.term} Lead:${softState.leader}`,
      );
    }
  },

  /** `set-randomized-election-timeout ID timeout=TICKS`: until the member changes its role or term. */
  "set-randomized-election-timeout": (group, directive) => {
    first(group, directive).node.raft.electionTimeout = Number(valueOf(directive, "timeout"));
  },

  /** `stabilize ID … log-level=LEVEL` */
  stabilize: (group, directive) => {
    const level = valueOf(directive, "log-level");
    const before = level === undefined ? undefined : group.output.setLevel(level);
    const members = membersOf(group, directive);
    group.stabilize(members.length > 0 ? members : group.members);
    if (before !== undefined) group.output.setLevel(before);
  },

  /** One line for each member, as its leader sees it. */
  status: (group, directive) => {
    for (const { id, text } of first(group, directive).node.status().members)
      group.output.line(`${id}: ${text}`);
  },

  "tick-election": (group, directive) => {
    const { node, config } = first(group, directive);
    for (let tick = 0; tick < config.electionTicks; tick += 1) node.tick();
  },

  "tick-heartbeat": (group, directive) => {
    const { node, config } = first(group, directive);
    for (let tick = 0; tick < config.heartbeatTicks; tick += 1) node.tick();
  },

  /** `transfer-leadership from=ID to=ID` */
  "transfer-leadership": (group, directive) =>
    group.member(idIn(directive, "from")).node.transferLeader(idIn(directive, "to")),

  "forget-leader": (group, directive) => first(group, directive).node.forgetLeader(),

  /** `send-snapshot FROM TO` */
  "send-snapshot": (group, directive) => {
    const from = first(group, directive);
    const { term } = from.node.status().hardState;
    const snapshot = from.storage.snapshot();
    const m = message(MessageType.snap, from.id, BigInt(number(directive, 1)), term, { snapshot });
    group.send(m);
    group.output.write(describeMessage(m));
  },

  /** `propose ID TEXT` */
  propose: (group, directive) => {
    const data = new TextEncoder().encode(directive.args[1]?.key);
    report(first(group, directive).node.propose([data]));
  },

  /** `propose-conf-change ID v1=true transition=auto|implicit|explicit`, with changes such as `v3 l4 r5` below it. */
  "propose-conf-change": (group, directive) =>
    report(first(group, directive).node.proposeConfChange(changeOf(directive))),

  /** `report-unreachable ON ID` */
  "report-unreachable": (group, directive) =>
    first(group, directive).node.reportUnreachable(BigInt(number(directive, 1))),

  /** `read-index ID CONTEXT` */
  "read-index": (group, directive) =>
    first(group, directive).node.readIndex(new TextEncoder().encode(directive.args[1]?.key)),

  /** `report-snapshot ON ID finished|failed` */
  "report-snapshot": (group, directive) =>
    first(group, directive).node.reportSnapshot(
      BigInt(number(directive, 1)),
      directive.args[2]?.key === "failed" ? "failed" : "finished",
    ),
};

/**
 * Groups of members, message by message. Members are numbered from 1 in the order they are added; `read-index` and
 * `report-snapshot` are commands of ours, all others are the reference's.
 */
export const interactionEnvironment: Environment = {
  name: "interaction",
  commands: Object.keys(COMMANDS),
  start: (): Execute => {
    const output = new Output();
    const group = new Group(output);
    return (directive) => {
      let failure = "";
      try {
        const command = COMMANDS[directive.command];
        if (command === undefined) throw new CommandError("unknown command");
        command(group, directive);
      } catch (error) {
        if (!(error instanceof CommandError)) throw error;
        failure = error.message;
      }
      const printed = output.take() + failure;
      return printed === "" ? "ok" : printed;
    };
  },
};

type Options = Omit<RaftConfig, "id" | "storage" | "logger">;

function optionsOf(directive: Directive): Options {
  const isOn = (key: string): boolean => valueOf(directive, key) === "true";
  return {
    electionTicks: 3,
    heartbeatTicks: 1,
    applied: Number(valueOf(directive, "index") ?? 0),
    asyncStorageWrites: isOn("async-storage-writes"),
    messageBytesMax: Infinity,
    applyingBytesMax: Number(valueOf(directive, "max-committed-size-per-ready") ?? Infinity),
    uncommittedBytesMax: Infinity,
    inflightMessagesMax: Number(valueOf(directive, "inflight") ?? 0x7fff_ffff),
    inflightBytesMax: 0,
    checkQuorum: isOn("checkquorum"),
    preVote: isOn("prevote"),
    readOnly: valueOf(directive, "read-only") === "lease-based" ? "leaseBased" : "safe",
    disableProposalForwarding: false,
    disableConfChangeValidation: isOn("disable-conf-change-validation"),
    stepDownOnRemoval: isOn("step-down-on-removal"),
    random: () => 0,
  };
}

function snapshotOf(directive: Directive): Snapshot {
  const ids = (key: string): bigint[] =>
    directive.args.find((arg) => arg.key === key)?.values.map((id) => BigInt(id)) ?? [];
  const voters = ids("voters");
  const learners = ids("learners");
  const index = Number(valueOf(directive, "index") ?? 0);
  const content = valueOf(directive, "content");
  if (voters.length === 0 && learners.length === 0 && index === 0 && content === undefined) {
    return { index: 0, term: 0, confState: EMPTY_CONF_STATE, data: NO_BYTES };
  }
  const confState = { ...EMPTY_CONF_STATE, voters, learners };
  return { index, term: 1, confState, data: new TextEncoder().encode(content) };
}

function changeOf(directive: Directive): ConfChange {
  const transitions: Readonly<Record<string, ConfChangeTransition>> = {
    auto: "auto",
    implicit: "jointImplicit",
    explicit: "jointExplicit",
  };
  const name = valueOf(directive, "transition") ?? "auto";
  const transition = transitions[name];
  if (transition === undefined) throw new CommandError(`unknown transition ${name}`);
  const changes = parseChanges(directive.input);
  if (valueOf(directive, "v1") !== "true") return confChangeV2(changes, transition);
  const [change] = changes;
  if (change === undefined || changes.length > 1 || transition !== "auto") {
    throw new CommandError("v1 conf change can only have one operation and no transition");
  }
  return confChangeV1(change.type, change.nodeId);
}

function typeOf(directive: Directive): MessageType | undefined {
  const name = valueOf(directive, "type");
  if (name === undefined) return undefined;
  const type = Object.values(MessageType).find((each) => messageTypeName(each) === name);
  if (type === undefined) throw new Error(`unknown message type ${name}`);
  return type;
}

function number(directive: Directive, place: number): number {
  const value = Number(directive.args[place]?.key);
  if (!Number.isSafeInteger(value)) throw new Error(`argument ${place + 1} must be a number`);
  return value;
}

function idIn(directive: Directive, key: string): NodeId {
  return BigInt(valueOf(directive, key) ?? "0");
}

function first(group: Group, directive: Directive): Member {
  return group.member(BigInt(number(directive, 0)));
}

/** The members that the command names, without its options. */
function membersOf(group: Group, directive: Directive): Member[] {
  return directive.args.filter((arg) => arg.values.length === 0).map((arg) => group.member(BigInt(arg.key)));
}

function forEach(group: Group, directive: Directive, what: string, act: (member: Member) => void): void {
  const members = membersOf(group, directive);
  for (const member of members) {
    if (members.length === 1) {
      act(member);
      continue;
    }
    group.output.line(`> ${member.id} ${what}`);
    group.output.indented(() => act(member));
  }
}

function printLog(group: Group, { storage }: Member): void {
  const start = storage.firstIndex();
  const end = storage.lastIndex();
  const entries = storage.entries(start, end + 1, Infinity);
  if (end < start) group.output.write(`log is empty: first index=${start}, last index=${end}`);
  else if (typeof entries !== "string") group.output.write(describeEntries(entries));
}

function report(result: keyof typeof REFUSALS): void {
  const refusal = REFUSALS[result];
  if (refusal !== undefined) throw new CommandError(refusal);
}

function reportRefusal(act: () => void): void {
  try {
    act();
  } catch (error) {
    if (!(error instanceof RefusedError)) throw error;
    throw new CommandError(error.message, { cause: error });
  }
}
