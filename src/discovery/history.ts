/**
 * What a long poll is owed. The token's history is its members themselves: complete as long as the token lives, so
 * no read and wait can lose an event between them, not over a restart either.
 */
import type { Cluster, Member, MemberId } from "./cluster.ts";

export type HistoryAnswer =
  | { readonly type: "event"; readonly member: Member }
  /** The client has counted a member that was deleted since. */
  | { readonly type: "stale" }
  /** Nothing yet. */
  | { readonly type: "none" };

/**
 * @param id Only this member's events; undefined: any member's.
 * @param waitIndex The first index wanted: the client has seen everything before it.
 */
export function answerFromHistory(
  cluster: Cluster,
  id: MemberId | undefined,
  waitIndex: number,
): HistoryAnswer {
  const member = cluster.members.find(
    (candidate) => candidate.createdIndex >= waitIndex && (id === undefined || candidate.id === id),
  );
  if (id !== undefined) {
    if (member !== undefined) return { type: "event", member };
    // Whoever waits for its own registration and was deleted would wait for ever.
    const removed = cluster.removed.some((gone) => gone.id === id && gone.removedIndex >= waitIndex);
    return removed ? { type: "stale" } : { type: "none" };
  }
  const counted = cluster.removed.some(
    (gone) => gone.createdIndex < waitIndex && waitIndex <= gone.removedIndex,
  );
  if (counted) return { type: "stale" };
  return member === undefined ? { type: "none" } : { type: "event", member };
}
