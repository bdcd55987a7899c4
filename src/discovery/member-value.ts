/**
 * The value under a member's key: `NAME=URL[,NAME=URL…]`, one name, its peer URLs. Every other member joins these
 * with commas and parses the whole (etcd `pkg/types/urlsmap.go`), so one bad value stops them all.
 */
import { canonicalUrl, type PeerUrl, parsePeerUrl } from "./peer-url.ts";
import { refuse } from "./refusal.ts";

/** In characters; a longer value is refused. Room for MEMBER_URLS_MAX long host names. */
export const VALUE_LENGTH_MAX = 8192;
/** Peer URLs of one member; more are refused. etcd members have one, rarely two. */
export const MEMBER_URLS_MAX = 16;
/** In characters; a longer name is refused. A host name has at most 253. */
export const NAME_LENGTH_MAX = 255;

export interface MemberValue {
  readonly name: string;
  /** In the order written; at least one. */
  readonly peerUrls: readonly PeerUrl[];
}

const EXPECTED = 'expected NAME=URL[,NAME=URL…], such as "infra0=http://10.0.1.10:2380"';

/** @throws RefusedError value_malformed with a sentence that says what is wrong and what was expected. */
export function parseMemberValue(value: string): MemberValue {
  if (value === "") return wrong(`the member's value is empty: ${EXPECTED}`);
  if (value.length > VALUE_LENGTH_MAX)
    return wrong(`the member's value is ${value.length} characters long, more than ${VALUE_LENGTH_MAX}`);
  const pairs = value.split(",").map(splitPair);
  if (pairs.length > MEMBER_URLS_MAX)
    return wrong(`the member's value holds ${pairs.length} peer URLs, more than ${MEMBER_URLS_MAX}`);
  const name = checkName(pairs[0]?.name ?? "");
  const seen = new Map<string, string>();
  const peerUrls: PeerUrl[] = [];
  for (const pair of pairs) {
    if (pair.name !== name)
      return wrong(
        `the member's value holds two names, ${JSON.stringify(name)} and ${JSON.stringify(pair.name)}: a member registers only itself`,
      );
    const url = parsePeerUrl(pair.url);
    const canonical = canonicalUrl(url);
    const twin = seen.get(canonical);
    if (twin !== undefined)
      return wrong(
        `the member's value holds the same peer URL twice, ${twin} and ${pair.url}: etcd refuses a cluster with duplicate URLs`,
      );
    seen.set(canonical, pair.url);
    peerUrls.push(url);
  }
  return { name, peerUrls };
}

function splitPair(pair: string): { readonly name: string; readonly url: string } {
  const at = pair.indexOf("=");
  if (at === -1) return wrong(`${JSON.stringify(pair)} in the member's value has no "=": ${EXPECTED}`);
  return { name: pair.slice(0, at), url: pair.slice(at + 1) };
}

function checkName(name: string): string {
  if (name === "") return wrong(`the member's value has no name before the "=": ${EXPECTED}`);
  if (name.length > NAME_LENGTH_MAX)
    return wrong(`the member's name is ${name.length} characters long, more than ${NAME_LENGTH_MAX}`);
  // Line breaks and the like would forge lines in logs and environment files; etcd itself takes any name.
  if (/\p{C}/u.test(name))
    return wrong(`the member's name ${JSON.stringify(name)} holds control or invisible characters`);
  // What takes the place of bytes that could not be decoded: the node would not find its own name among the members.
  if (name.includes("\uFFFD"))
    return wrong(`the member's name ${JSON.stringify(name)} holds bytes that are not UTF-8`);
  return name;
}

function wrong(sentence: string): never {
  return refuse("value_malformed", sentence);
}
