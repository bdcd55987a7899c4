/**
 * All clusters as they were at one moment, though reading them takes many pages and registrations go on meanwhile:
 * what changes before its page has been passed is remembered as it was. Nothing waits, and memory follows the changes
 * of that time, not the registry's size.
 */
import type { Cluster, Token } from "../discovery/cluster.ts";
import type { ClusterSource } from "./responder.ts";

/** The moment is the first `next()`. Clusters come by createdIndex, those retired meanwhile at the end. */
export async function* snapshotOf(
  discovery: Pick<ClusterSource, "all" | "onChange">,
): AsyncGenerator<Cluster> {
  /** As of the moment; undefined: not there yet. */
  const then = new Map<Token, Cluster | undefined>();
  let passedIndex = 0;
  const unsubscribe = discovery.onChange(({ before, after }) => {
    const changed = before ?? after;
    if (changed === undefined || changed.createdIndex <= passedIndex || then.has(changed.token)) return;
    then.set(changed.token, before);
  });
  try {
    for await (const now of discovery.all()) {
      const cluster = then.has(now.token) ? then.get(now.token) : now;
      then.delete(now.token);
      passedIndex = now.createdIndex;
      if (cluster !== undefined) yield cluster;
    }
    for (const retired of then.values()) if (retired !== undefined) yield retired;
  } finally {
    unsubscribe();
  }
}

/** The same registry, whose `all` is a snapshot. */
export function snapshotting(discovery: ClusterSource): ClusterSource {
  return {
    get index() {
      return discovery.index;
    },
    findByLabel: (label) => discovery.findByLabel(label),
    findByDomain: (domain) => discovery.findByDomain(domain),
    domainBelow: (domain) => discovery.domainBelow(domain),
    all: () => snapshotOf(discovery),
    onChange: (listener) => discovery.onChange(listener),
  };
}
