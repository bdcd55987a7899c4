/**
 * Member and cluster ids as etcd computes them: pure functions of what a cluster was bootstrapped with.
 * Source: etcd `server/etcdserver/api/membership/{member,cluster}.go` (computeMemberId, genID).
 */
import { sha1 } from "@noble/hashes/legacy.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";

const ID_BYTES = 8;

/**
 * A member's 64-bit id: SHA-1 over its peer URLs, sorted as strings and joined without separator, and the cluster
 * token. The name is not hashed.
 * @param clusterToken `--initial-cluster-token`, or the whole discovery URL exactly as it was given, or empty for a
 * member added at run time.
 * @param addedAtSeconds Unix seconds, only of a member added at run time.
 */
export function memberId(peerUrls: readonly string[], clusterToken: string, addedAtSeconds?: number): bigint {
  // Go sorts by bytes. URLs are ASCII after parsing, so the order of UTF-16 units is the same.
  const text = `${peerUrls.toSorted().join("")}${clusterToken}${addedAtSeconds ?? ""}`;
  return firstBytes(sha1(utf8ToBytes(text)));
}

/** The cluster's 64-bit id: SHA-1 over the ids of its first members, ascending, eight bytes big-endian each. */
export function clusterId(memberIds: readonly bigint[]): bigint {
  const bytes = new Uint8Array(memberIds.length * ID_BYTES);
  const view = new DataView(bytes.buffer);
  const ascending = memberIds.toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  for (const [at, id] of ascending.entries()) view.setBigUint64(at * ID_BYTES, id);
  return firstBytes(sha1(bytes));
}

/** An id as etcd writes it everywhere: lower-case hex without leading zeros. */
export function formatId(id: bigint): string {
  return id.toString(16);
}

function firstBytes(hash: Uint8Array): bigint {
  return BigInt(`0x${bytesToHex(hash.subarray(0, ID_BYTES))}`);
}
