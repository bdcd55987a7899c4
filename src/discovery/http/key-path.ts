/**
 * From a request's path to the node it names: `/TOKEN/…` of a minted token, `/v2/keys/ANY/PATH/…` of a custom one.
 * Pure text work; whether the node exists is asked elsewhere.
 */
import type { MemberId, Token } from "../cluster.ts";
import { isMintedToken } from "../domain-name.ts";

/** Characters of a custom token, slashes included. */
export const CUSTOM_TOKEN_LENGTH_MAX = 255;

/** Where etcd v2 keeps its keys; node keys in answers are relative to it. */
const KEYS_ROOT = "/v2/keys/";

const MEMBER_ID = /^[0-9a-f]{1,16}$/;
const CONTROL = /\p{Cc}/u;

export type NodeName =
  | { readonly type: "directory" }
  | { readonly type: "member"; readonly id: MemberId }
  | { readonly type: "config" }
  | { readonly type: "size" }
  /** Below a token, but nothing that can be there. */
  | { readonly type: "none"; readonly name: string };

export interface KeyName {
  readonly token: Token;
  readonly kind: "minted" | "custom";
  /** etcd's key of the token's directory, with its leading slash. */
  readonly key: string;
  readonly node: NodeName;
}

/** The path collapsed as routes match it: no double slash, no final one (`//TOKEN//` is `/TOKEN`). */
export function collapseSlashes(path: string): string {
  let clean = path.includes("//") ? path.replaceAll(/\/{2,}/g, "/") : path;
  if (clean.length > 1 && clean.endsWith("/")) clean = clean.slice(0, -1);
  return clean;
}

/** The path of an absolute URL, as `collapseSlashes` leaves it, still percent-encoded. */
export function pathOf(url: string): string {
  const start = url.indexOf("/", 8);
  let end = url.indexOf("?", start);
  if (end === -1) end = url.length;
  const hash = url.indexOf("#", start);
  if (hash !== -1 && hash < end) end = hash;
  return collapseSlashes(url.slice(start, end));
}

/**
 * What a path may name, most likely first; none when it can name nothing.
 * A custom path is ambiguous: `discovery/abc` is a token of that name, or member `abc` of token `discovery`.
 * @param path Collapsed and percent-encoded.
 * @returns undefined when the percent-encoding is broken.
 */
export function keyNamesOf(path: string): readonly KeyName[] | undefined {
  const decoded = decode(path);
  if (decoded === undefined) return undefined;
  if (CONTROL.test(decoded)) return [];
  return decoded.startsWith(KEYS_ROOT) ? customNames(decoded.slice(KEYS_ROOT.length)) : mintedNames(decoded);
}

function mintedNames(path: string): readonly KeyName[] {
  const [token = "", ...rest] = path.slice(1).split("/");
  if (!isMintedToken(token)) return [];
  return [{ token, kind: "minted", key: `/${token}`, node: nodeOf(rest) }];
}

function customNames(path: string): readonly KeyName[] {
  const segments = path.split("/");
  const name = (count: number): readonly KeyName[] => {
    const token = segments.slice(0, count).join("/");
    // A minted token has one place, and its members' ids hash the URL of that place.
    if (count < 1 || token.length > CUSTOM_TOKEN_LENGTH_MAX || isMintedToken(token)) return [];
    return [{ token: token as Token, kind: "custom", key: `/${token}`, node: nodeOf(segments.slice(count)) }];
  };
  const config = segments.indexOf("_config");
  if (config !== -1) return name(config);
  return [...name(segments.length), ...name(segments.length - 1)];
}

/** @returns why a path that names nothing cannot be a custom token's; undefined when that is not what it meant. */
export function customNameProblem(path: string): string | undefined {
  const decoded = decode(path);
  if (decoded?.startsWith(KEYS_ROOT) !== true) return undefined;
  const segments = decoded.slice(KEYS_ROOT.length).split("/");
  const config = segments.indexOf("_config");
  if (config === 0) return "the token has no name; expected /v2/keys/NAME/_config/size";
  const token = segments.slice(0, config === -1 ? undefined : config).join("/");
  return token.length > CUSTOM_TOKEN_LENGTH_MAX
    ? `the token's name is too long; it may have ${CUSTOM_TOKEN_LENGTH_MAX} characters`
    : undefined;
}

function nodeOf(rest: readonly string[]): NodeName {
  const [first, second] = rest;
  if (first === undefined) return { type: "directory" };
  if (first === "_config" && rest.length === 1) return { type: "config" };
  if (first === "_config" && second === "size" && rest.length === 2) return { type: "size" };
  if (rest.length === 1 && MEMBER_ID.test(first)) return { type: "member", id: first as MemberId };
  return { type: "none", name: rest.join("/") };
}

function decode(path: string): string | undefined {
  if (!path.includes("%")) return path;
  try {
    return collapseSlashes(decodeURIComponent(path));
  } catch {
    return undefined;
  }
}
