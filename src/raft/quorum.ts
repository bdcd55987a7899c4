/**
 * The quorum calculus: what a majority of voters agrees on, and what both majorities of a joint configuration agree
 * on (Raft §5.2, §5.4.2; thesis §4.3). A voter may be anything: an id, or the leader's record of that member.
 * Nothing here allocates: voters are few (etcd advises seven at most), and these functions run for every
 * acknowledgement, so counting support for each candidate is cheaper than sorting a copy.
 */

/** How an election stands: `pending` while the missing votes could still win it. */
export type VoteResult = "pending" | "lost" | "won";

const majorityOf = (voters: number): number => Math.floor(voters / 2) + 1;

/**
 * The largest index that a majority of `voters` has acknowledged; 0 while none has been.
 * @param acked The index a voter has acknowledged; undefined if it was never heard of.
 * @returns Infinity for no voters at all, so that an absent half of a joint configuration decides nothing.
 */
export function majorityCommitted<T>(voters: readonly T[], acked: (voter: T) => number | undefined): number {
  if (voters.length === 0) return Infinity;
  const needed = majorityOf(voters.length);
  let committed = 0;
  for (const candidate of voters) {
    const index = acked(candidate) ?? 0;
    if (index <= committed) continue;
    let support = 0;
    for (const voter of voters) if ((acked(voter) ?? 0) >= index) support++;
    if (support >= needed) committed = index;
  }
  return committed;
}

/** The largest index committed in both halves of a joint configuration (thesis §4.3). */
export function jointCommitted<T>(
  incoming: readonly T[],
  outgoing: readonly T[],
  acked: (voter: T) => number | undefined,
): number {
  return Math.min(majorityCommitted(incoming, acked), majorityCommitted(outgoing, acked));
}

/**
 * How the election among `voters` stands.
 * @param vote True: granted, false: rejected, undefined: not answered yet.
 * @returns `won` for no voters at all, so that an absent half of a joint configuration decides nothing.
 */
export function majorityVote<T>(voters: readonly T[], vote: (voter: T) => boolean | undefined): VoteResult {
  if (voters.length === 0) return "won";
  const needed = majorityOf(voters.length);
  let granted = 0;
  let missing = 0;
  for (const voter of voters) {
    const answer = vote(voter);
    if (answer === undefined) missing++;
    else if (answer) granted++;
  }
  if (granted >= needed) return "won";
  return granted + missing >= needed ? "pending" : "lost";
}

/** How the election in both halves of a joint configuration stands: both must be won, and one lost loses it. */
export function jointVote<T>(
  incoming: readonly T[],
  outgoing: readonly T[],
  vote: (voter: T) => boolean | undefined,
): VoteResult {
  const first = majorityVote(incoming, vote);
  const second = majorityVote(outgoing, vote);
  if (first === second) return first;
  return first === "lost" || second === "lost" ? "lost" : "pending";
}
