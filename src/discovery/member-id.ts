import { sha1 } from "@noble/hashes/legacy.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";
import type { MemberId } from "./cluster.ts";

const ID_BYTES = 8;

/**
 * The id an etcd member computes for itself: the first 8 bytes of SHA-1 over its peer URLs, sorted as strings and
 * joined without separator, followed by the discovery URL exactly as it was given. Hex without leading zeros.
 * Source: etcd `server/etcdserver/api/membership/member.go` computeMemberId.
 */
export function memberIdOf(peerUrls: readonly string[], discoveryUrl: string): MemberId {
  // Byte order, as Go sorts: URLs that passed the gate are ASCII, so UTF-16 order is the same.
  const text = peerUrls.toSorted().join("") + discoveryUrl;
  const hex = bytesToHex(sha1(utf8ToBytes(text)).subarray(0, ID_BYTES));
  return (hex.replace(/^0+/, "") || "0") as MemberId;
}
