/**
 * The one table from what was refused to what an etcd v2 client is told. etcd prints `message (cause) [index]` when
 * it exits, so `cause` is the sentence for the person.
 * Source: etcd server/etcdserver/api/v2error/error.go for numbers and messages.
 */
import { isRefusalCode, type RefusalCode } from "../refusal.ts";

export type V2ErrorName =
  | "keyNotFound"
  | "alreadyExists"
  | "conflict"
  | "readOnly"
  | "invalidField"
  | "invalidForm"
  | "bodyTooLarge"
  | "methodNotAllowed"
  | "tooManyRequests"
  | "notStored"
  | "unavailable";

/** Name to HTTP status, etcd errorCode and etcd's message. */
const V2_ERRORS: Readonly<Record<V2ErrorName, { status: number; errorCode: number; message: string }>> = {
  keyNotFound: { status: 404, errorCode: 100, message: "Key not found" },
  alreadyExists: { status: 412, errorCode: 105, message: "Key already exists" },
  conflict: { status: 409, errorCode: 105, message: "Key already exists" },
  readOnly: { status: 403, errorCode: 107, message: "Root is read only" },
  invalidField: { status: 400, errorCode: 209, message: "Invalid field" },
  invalidForm: { status: 400, errorCode: 210, message: "Invalid POST form" },
  bodyTooLarge: { status: 413, errorCode: 210, message: "Invalid POST form" },
  // etcd has no number for these two: 0 is what its client makes of an error without one.
  methodNotAllowed: { status: 405, errorCode: 0, message: "Method Not Allowed" },
  tooManyRequests: { status: 429, errorCode: 0, message: "Too Many Requests" },
  /** A registration that could not be stored: a 5xx would make etcd exit without printing why. */
  notStored: { status: 403, errorCode: 300, message: "Raft Internal Error" },
  /** A read that could not be answered now: etcd asks again after its back-off. */
  unavailable: { status: 503, errorCode: 300, message: "Raft Internal Error" },
};

/** Every refusal of the rules to its answer; a new one does not compile until it has its row. */
const BY_CODE: Readonly<Record<RefusalCode, V2ErrorName>> = {
  size_out_of_range: "invalidField",
  bad_declaration: "invalidField",
  bad_domain: "invalidField",
  domain_not_allowed: "readOnly",
  domain_taken: "conflict",
  size_fixed: "readOnly",
  token_unknown: "keyNotFound",
  token_expired: "keyNotFound",
  token_retired: "keyNotFound",
  value_malformed: "invalidField",
  member_exists: "alreadyExists",
  name_taken: "invalidField",
  url_taken: "invalidField",
  loopback_url: "invalidField",
  defaulted_url: "invalidField",
  discovery_url_mismatch: "invalidField",
  too_many_members: "readOnly",
  member_unknown: "keyNotFound",
  sealed: "readOnly",
  too_many_removals: "readOnly",
};

/** A code from outside the rules is a parameter that cannot be read. */
export function errorNameOf(code: string): V2ErrorName {
  return isRefusalCode(code) ? BY_CODE[code] : "invalidField";
}

export function statusOf(name: V2ErrorName): number {
  return V2_ERRORS[name].status;
}

export const JSON_TYPE = "application/json";

/** The answer's body: etcd's JSON. */
export function v2ErrorBody(name: V2ErrorName, cause: string, index: number): string {
  const { errorCode, message } = V2_ERRORS[name];
  return JSON.stringify({ errorCode, message, cause, index });
}

/** @param extra More headers, such as Allow or Retry-After. */
export function v2Error(
  name: V2ErrorName,
  cause: string,
  index: number,
  extra: Readonly<Record<string, string>> = {},
): Response {
  return new Response(v2ErrorBody(name, cause, index), {
    status: statusOf(name),
    headers: {
      "Content-Type": JSON_TYPE,
      "X-Etcd-Index": String(index),
      "Cache-Control": "no-store",
      ...extra,
    },
  });
}

/** An error in the words of a person rather than etcd's: for `/new` and everything that is no key. */
export function plainError(
  status: number,
  sentence: string,
  extra: Readonly<Record<string, string>> = {},
): Response {
  return new Response(`${sentence}\n`, {
    status,
    headers: {
      "Content-Type": "text/plain; charset=utf-8",
      "X-Content-Type-Options": "nosniff",
      "Cache-Control": "no-store",
      ...extra,
    },
  });
}

/** Thrown by handlers below a token; `app.ts` turns it into the answer. */
export class V2Refusal extends Error {
  readonly reason: V2ErrorName;
  readonly headers: Readonly<Record<string, string>>;

  constructor(reason: V2ErrorName, cause: string, headers: Readonly<Record<string, string>> = {}) {
    super(cause);
    this.name = "V2Refusal";
    this.reason = reason;
    this.headers = headers;
  }
}
