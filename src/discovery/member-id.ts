import { formatId, memberId } from "../bootstrap/identity.ts";
import type { MemberId } from "./cluster.ts";

/** The id an etcd member computes for itself when it is started with exactly this discovery URL. */
export function memberIdOf(peerUrls: readonly string[], discoveryUrl: string): MemberId {
  return formatId(memberId(peerUrls, discoveryUrl)) as MemberId;
}
