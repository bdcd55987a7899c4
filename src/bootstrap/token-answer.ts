/**
 * Reads what a discovery service answered, in the shapes of etcd's v2 API. Pure.
 * Source: etcd `client/v2/keys.go` (unmarshalHTTPResponse), `etcdserver/api/v2error/error.go`.
 */

/** A registered member as the service lists it. */
export interface TokenNode {
  /** The last segment of its key: the member's id in hex. */
  readonly id: string;
  readonly value: string;
  readonly createdIndex: number;
  readonly modifiedIndex: number;
}

export type Answer =
  | {
      readonly type: "node";
      readonly action: string;
      readonly node: TokenNode;
      /** The directory's members; empty for a single key. Hidden keys (`_config`) are left out, as etcd does. */
      readonly children: readonly TokenNode[];
      /** `X-Etcd-Index`: every event up to it is in this answer. */
      readonly index: number | undefined;
    }
  /** A long poll that ended without an event. `afterMs`: how long it lasted. */
  | { readonly type: "quiet"; readonly afterMs: number }
  /** An error in etcd's words. */
  | {
      readonly type: "refused";
      readonly errorCode: number;
      readonly sentence: string;
      readonly cause: string;
    }
  /** Worth another try: overloaded, restarting, unreachable. Whether a change was made is not known. */
  | { readonly type: "unavailable"; readonly reason: string }
  /** Something that is no discovery service answered. */
  | { readonly type: "foreign"; readonly reason: string };

/** @param etcdIndex The `X-Etcd-Index` header, null when absent. */
export function readAnswer(status: number, etcdIndex: string | null, body: string, afterMs: number): Answer {
  if (status >= 500 || status === 429 || status === 408)
    return { type: "unavailable", reason: `it answered ${status}${excerpt(body)}` };
  const json = parseObject(body);
  if (status !== 200 && status !== 201) return readRefusal(status, json, body);
  if (body === "") return { type: "quiet", afterMs };
  const found = json?.["node"];
  const node = readNode(found);
  if (json === undefined || node === undefined)
    return {
      type: "foreign",
      reason: `it answered ${status} without a key of etcd's v2 API${excerpt(body)}`,
    };
  const { nodes } = found as { nodes?: unknown };
  const index = etcdIndex === null ? undefined : Number(etcdIndex);
  if (index !== undefined && !Number.isSafeInteger(index))
    return { type: "foreign", reason: `its X-Etcd-Index is ${JSON.stringify(etcdIndex)}` };
  return {
    type: "node",
    action: typeof json["action"] === "string" ? json["action"] : "",
    node,
    children: Array.isArray(nodes) ? nodes.flatMap(readVisibleChild) : [],
    index,
  };
}

function readRefusal(status: number, json: Record<string, unknown> | undefined, body: string): Answer {
  const { errorCode, message, cause, index } = json ?? {};
  if (typeof errorCode !== "number" || typeof message !== "string")
    return { type: "foreign", reason: `it answered ${status}${excerpt(body)}` };
  const because = typeof cause === "string" ? cause : "";
  const at = typeof index === "number" ? index : 0;
  return {
    type: "refused",
    errorCode,
    sentence: `${errorCode}: ${message} (${because}) [${at}]`,
    cause: because,
  };
}

function readNode(value: unknown): TokenNode | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { key, value: text, createdIndex, modifiedIndex } = value as Record<string, unknown>;
  return {
    id: typeof key === "string" ? (key.split("/").findLast((segment) => segment !== "") ?? "") : "",
    value: typeof text === "string" ? text : "",
    createdIndex: typeof createdIndex === "number" ? createdIndex : 0,
    modifiedIndex: typeof modifiedIndex === "number" ? modifiedIndex : 0,
  };
}

function readVisibleChild(value: unknown): TokenNode[] {
  const node = readNode(value);
  return node === undefined || node.id === "" || node.id.startsWith("_") ? [] : [node];
}

function parseObject(body: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

const EXCERPT_LENGTH = 120;

/** The beginning of a body on one line, to show a person what answered. */
export function excerpt(body: string): string {
  const line = body.replaceAll(/\s+/g, " ").trim();
  if (line === "") return "";
  return `: ${line.length > EXCERPT_LENGTH ? `${line.slice(0, EXCERPT_LENGTH)}…` : line}`;
}
