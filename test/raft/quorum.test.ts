import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  jointCommitted,
  jointVote,
  majorityCommitted,
  majorityVote,
  type VoteResult,
} from "../../src/raft/quorum.ts";
import { quorumEnvironment } from "./quorum-environment.ts";
import { testScripts } from "./script-tests.ts";

testScripts(quorumEnvironment);

/** Up to seven voters out of nine, so that the halves of a joint configuration overlap often. */
const voters = fc.uniqueArray(fc.integer({ min: 1, max: 9 }), { maxLength: 7 });
/** What each of the nine has acknowledged, or that it was not heard of. */
const indexes = fc.array(fc.option(fc.integer({ min: 0, max: 12 }), { nil: undefined }), {
  minLength: 10,
  maxLength: 10,
});
const votes = fc.array(fc.option(fc.boolean(), { nil: undefined }), { minLength: 10, maxLength: 10 });

const isMajority = (count: number, of: readonly number[]): boolean => count * 2 > of.length;

/** Figure 2, leaders: the largest N with a majority of matchIndex >= N, found by trying every N. */
function committedByCount(of: readonly number[], acked: readonly (number | undefined)[]): number {
  for (let n = 12; n > 0; n--) {
    if (isMajority(of.filter((voter) => (acked[voter] ?? 0) >= n).length, of)) return n;
  }
  return 0;
}

/** Every way in which the missing votes could still come in, counted. */
function outcomesByCount(
  halves: readonly (readonly number[])[],
  cast: readonly (boolean | undefined)[],
): VoteResult {
  const missing = [...new Set(halves.flat())].filter((voter) => cast[voter] === undefined);
  const wins = (granted: (voter: number) => boolean): boolean =>
    halves.every((half) => half.length === 0 || isMajority(half.filter(granted).length, half));
  if (wins((voter) => cast[voter] === true)) return "won";
  for (let given = 1; given < 2 ** missing.length; given++) {
    const late = new Set(missing.filter((_, bit) => (given & (1 << bit)) !== 0));
    if (wins((voter) => cast[voter] ?? late.has(voter))) return "pending";
  }
  return "lost";
}

describe("against a brute-force count", () => {
  test("what a majority has committed", () => {
    fc.assert(
      fc.property(voters, indexes, (of, acked) => {
        const committed = majorityCommitted(of, (voter) => acked[voter]);
        expect(committed).toBe(of.length === 0 ? Infinity : committedByCount(of, acked));
      }),
      { numRuns: 2000 },
    );
  });

  test("what both halves of a joint configuration have committed", () => {
    fc.assert(
      fc.property(voters, voters, indexes, (incoming, outgoing, acked) => {
        fc.pre(incoming.length > 0);
        const committed = jointCommitted(incoming, outgoing, (voter) => acked[voter]);
        const halves = [incoming, outgoing].filter((half) => half.length > 0);
        expect(committed).toBe(Math.min(...halves.map((half) => committedByCount(half, acked))));
      }),
      { numRuns: 2000 },
    );
  });

  test("how an election stands, with one majority and with two", () => {
    fc.assert(
      fc.property(voters, voters, votes, (incoming, outgoing, cast) => {
        const vote = (voter: number): boolean | undefined => cast[voter];
        expect(majorityVote(incoming, vote)).toBe(outcomesByCount([incoming], cast));
        expect(jointVote(incoming, outgoing, vote)).toBe(outcomesByCount([incoming, outgoing], cast));
      }),
      { numRuns: 1000 },
    );
  });
});

describe("two halves", () => {
  test("neither half comes first, and a half joint with itself or with none is that half", () => {
    fc.assert(
      fc.property(voters, voters, indexes, votes, (a, b, acked, cast) => {
        const index = (voter: number): number | undefined => acked[voter];
        const vote = (voter: number): boolean | undefined => cast[voter];
        expect(jointCommitted(a, b, index)).toBe(jointCommitted(b, a, index));
        expect(jointVote(a, b, vote)).toBe(jointVote(b, a, vote));
        for (const other of [a, []]) {
          expect(jointCommitted(a, other, index)).toBe(majorityCommitted(a, index));
          expect(jointVote(a, other, vote)).toBe(majorityVote(a, vote));
        }
      }),
    );
  });

  // §5.4.1: what is committed is on a majority, and every majority that elects a leader meets it.
  test("an index that is committed stays so while acknowledgements only grow", () => {
    fc.assert(
      fc.property(voters, indexes, voters, (of, acked, heard) => {
        const more = acked.map((index, voter) => (heard.includes(voter) ? (index ?? 0) + 1 : index));
        const before = majorityCommitted(of, (voter) => acked[voter]);
        expect(majorityCommitted(of, (voter) => more[voter])).toBeGreaterThanOrEqual(before);
      }),
    );
  });
});
