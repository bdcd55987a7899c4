/** What a cluster starts from, however its members found each other. Pure. */
import { RefusedError } from "../lib/errors.ts";

export interface InitialCluster {
  /** `--initial-cluster`: the registered values, joined with commas in the order that decided who is a member. */
  readonly text: string;
  /** `--initial-cluster-token`: hashed into every id. For a discovery token it is the whole URL as it was given. */
  readonly token: string;
  /** Name to peer URLs, in the order of `text`. */
  readonly members: ReadonlyMap<string, readonly string[]>;
}

/** One member's `NAME=URL[,NAME=URL…]`, sorted as etcd sorts it: ids and texts must not depend on the order given. */
export function memberValue(name: string, peerUrls: readonly string[]): string {
  return peerUrls
    .map((url) => `${name}=${url}`)
    .toSorted()
    .join(",");
}

/**
 * Name and URL pairs of a registered value, split as etcd splits them: at commas, then at the first `=`.
 * Source: etcd `client/pkg/types/urlsmap.go` parse.
 * @throws RefusedError value_malformed, in etcd's words and with the piece that is wrong.
 */
export function readMemberValue(value: string): { readonly name: string; readonly url: string }[] {
  return value.split(",").map((piece) => {
    const at = piece.indexOf("=");
    const [name, url] = at === -1 ? ["", piece] : [piece.slice(0, at), piece.slice(at + 1).trim()];
    if (name === "" || !isPeerUrl(url)) {
      throw new RefusedError(
        "value_malformed",
        `discovery: invalid URL: ${JSON.stringify(piece)} was registered, and NAME=http://HOST:PORT was expected; ` +
          "no member can start from it, so begin again with a new token",
      );
    }
    return { name, url };
  });
}

/**
 * Joins the values of the members (without proxies), in registration order.
 * @throws RefusedError duplicate_name, duplicate_url, value_malformed: what would stop every etcd that reads it.
 */
export function initialCluster(values: readonly string[], token: string): InitialCluster {
  const members = new Map<string, readonly string[]>();
  const owners = new Map<string, string>();
  for (const value of values) {
    const pairs = readMemberValue(value);
    for (const name of new Set(pairs.map((pair) => pair.name))) {
      const urls = pairs.filter((pair) => pair.name === name).map((pair) => pair.url);
      const before = members.get(name);
      if (before !== undefined) throw duplicateName(name, before, urls);
      members.set(name, urls);
      for (const url of urls) {
        const owner = owners.get(url);
        if (owner !== undefined) throw duplicateUrl(url, owner, name);
        owners.set(url, name);
      }
    }
  }
  return { text: values.join(","), token, members };
}

export function duplicateName(
  name: string,
  some: readonly string[],
  others: readonly string[],
): RefusedError {
  return new RefusedError(
    "duplicate_name",
    `discovery: found duplicate name: ${JSON.stringify(name)} is the name of ${some.join(",")} and of ` +
      `${others.join(",")}; give each node a name of its own`,
  );
}

export function duplicateUrl(url: string, some: string, other: string): RefusedError {
  return new RefusedError(
    "duplicate_url",
    `discovery: cluster has duplicate url: ${url} is advertised by ${JSON.stringify(some)} and by ` +
      `${JSON.stringify(other)}; give each node the URL at which the others reach it`,
  );
}

function isPeerUrl(url: string): boolean {
  return /^https?:\/\/[^/?#@\s]+:\d{1,5}$/.test(url) || /^unixs?:\/\/[^\s]+$/.test(url);
}
