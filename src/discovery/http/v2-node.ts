/**
 * etcd's JSON for what a token holds. Field names and order are etcd's; its client reads `node.value`,
 * `node.nodes[]`, `createdIndex` and `modifiedIndex`, and panics on a 200 without a `node`.
 * Source: etcd server/etcdserver/api/v2store/{event,node_extern}.go.
 */
import type { Cluster, Member } from "../cluster.ts";
import type { KeyName } from "./key-path.ts";

export interface V2Node {
  readonly key: string;
  readonly dir?: true;
  readonly value?: string;
  readonly nodes?: readonly V2Node[];
  readonly modifiedIndex: number;
  readonly createdIndex: number;
}

export type V2Action = "get" | "create" | "set" | "delete";

export function memberNode(key: KeyName, member: Member): V2Node {
  return leaf(`${key.key}/${member.id}`, member.value, member.createdIndex);
}

/** The token's directory. Names that begin with `_` are hidden, as in etcd. @param sorted By key, not by rank. */
export function directoryNode(key: KeyName, cluster: Cluster, sorted: boolean): V2Node {
  const nodes = cluster.members.map((member) => memberNode(key, member));
  if (sorted) nodes.sort((a, b) => (a.key < b.key ? -1 : 1));
  const index = cluster.createdIndex;
  return {
    key: key.key,
    dir: true,
    ...(nodes.length > 0 ? { nodes } : {}),
    modifiedIndex: index,
    createdIndex: index,
  };
}

export function sizeNode(key: KeyName, cluster: Cluster): V2Node {
  return leaf(`${key.key}/_config/size`, String(cluster.size), cluster.createdIndex);
}

export function configNode(key: KeyName, cluster: Cluster): V2Node {
  const index = cluster.createdIndex;
  return {
    key: `${key.key}/_config`,
    dir: true,
    nodes: [sizeNode(key, cluster)],
    modifiedIndex: index,
    createdIndex: index,
  };
}

/** One event as etcd writes it. @param prevNode What was there before, of a deletion. */
export function eventBody(action: V2Action, node: V2Node, prevNode?: V2Node): string {
  return JSON.stringify({ action, node, ...(prevNode === undefined ? {} : { prevNode }) });
}

function leaf(key: string, value: string, index: number): V2Node {
  return { key, value, modifiedIndex: index, createdIndex: index };
}
