import {
  jointCommitted,
  jointVote,
  majorityCommitted,
  majorityVote,
  type VoteResult,
} from "../../src/raft/quorum.ts";
import type { Directive, Environment } from "./datadriven.ts";

/**
 * The quorum calculus: `committed` and `vote`, for the voters `cfg`, joint with `cfgj` where it is given (`zero`: with
 * none). `idx` and `votes` are theirs in the order in which voters are first named; `_` is one not heard of.
 */
export const quorumEnvironment: Environment = {
  name: "quorum",
  commands: ["committed", "vote"],
  start: () => (directive) => (directive.command === "vote" ? vote(directive) : committed(directive)),
};

const RESULTS: Readonly<Record<VoteResult, string>> = {
  won: "VoteWon",
  lost: "VoteLost",
  pending: "VotePending",
};

function committed(directive: Directive): string {
  const { incoming, outgoing, voters } = votersOf(directive);
  const indexes = new Map(given(directive, "idx", voters).map(([voter, index]) => [voter, Number(index)]));
  const acked = (voter: bigint): number | undefined => indexes.get(voter);
  const index =
    outgoing === undefined ? majorityCommitted(incoming, acked) : jointCommitted(incoming, outgoing, acked);
  return `${describe(voters, acked)}${index === Infinity ? "∞" : index}`;
}

function vote(directive: Directive): string {
  const { incoming, outgoing, voters } = votersOf(directive);
  const votes = new Map(given(directive, "votes", voters).map(([voter, answer]) => [voter, answer === "y"]));
  const voteOf = (voter: bigint): boolean | undefined => votes.get(voter);
  return RESULTS[
    outgoing === undefined ? majorityVote(incoming, voteOf) : jointVote(incoming, outgoing, voteOf)
  ];
}

interface Voters {
  readonly incoming: readonly bigint[];
  readonly outgoing: readonly bigint[] | undefined;
  /** Of both halves, in the order in which they are named. */
  readonly voters: readonly bigint[];
}

function votersOf(directive: Directive): Voters {
  const listed = (key: string): readonly string[] | undefined =>
    directive.args.find((arg) => arg.key === key)?.values;
  const incoming = (listed("cfg") ?? []).map(BigInt);
  const outgoing = listed("cfgj")
    ?.filter((voter) => voter !== "zero")
    .map(BigInt);
  return { incoming, outgoing, voters: [...new Set([...incoming, ...(outgoing ?? [])])] };
}

/** What `key` says of each voter, without those of which it says nothing. */
function given(
  directive: Directive,
  key: string,
  voters: readonly bigint[],
): [voter: bigint, value: string][] {
  const values = directive.args.find((arg) => arg.key === key)?.values ?? [];
  if (values.length !== voters.length) {
    throw new Error(`${key} has ${values.length} values for ${voters.length} voters`);
  }
  return voters.flatMap((voter, i): [bigint, string][] => {
    const value = values[i] ?? "_";
    return value === "_" ? [] : [[voter, value]];
  });
}

/** A line for each voter with its index, and a bar as long as the number of voters that are behind it. */
function describe(voters: readonly bigint[], acked: (voter: bigint) => number | undefined): string {
  if (voters.length === 0) return "<empty majority quorum>";
  const indexOf = (voter: bigint): number => acked(voter) ?? 0;
  const lines = voters
    .toSorted((a, b) => Number(a - b))
    .map((voter) => {
      const behind = voters.filter((other) => indexOf(other) < indexOf(voter)).length;
      const bar = acked(voter) === undefined ? "?" : `${"x".repeat(behind)}>`;
      const index = String(indexOf(voter)).padStart(5);
      return `${bar.padEnd(voters.length + 1)} ${index}    (id=${voter.toString(16)})\n`;
    });
  return `${" ".repeat(voters.length)}    idx\n${lines.join("")}`;
}
