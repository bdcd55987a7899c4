/** Finds the answer to a question among the records of a part of the tree (RFC 1034 §4.3.2, RFC 4592 §2.2.2). */
import { isBelow } from "./name.ts";
import { TYPE } from "./protocol.ts";
import type { RRset } from "./records.ts";

/** All that exists at and around a name. */
export interface Part {
  readonly records: readonly RRset[];
  /** Names that exist even without records, in lower case. */
  readonly names: readonly string[];
}

export type Outcome =
  | { readonly type: "success"; readonly answer: RRset; readonly additional: readonly RRset[] }
  /** The name exists, or one below it does, but no such record. */
  | { readonly type: "noData" }
  | { readonly type: "nameError" };

/**
 * @param name In lower case.
 * @param type A type's number; ANY finds one set, which need not be all (RFC 8482 §4.1).
 */
export function lookup(part: Part, name: string, type: number): Outcome {
  const here = part.records.filter((set) => set.name.toLowerCase() === name);
  const answer = type === TYPE.ANY ? here[0] : here.find((set) => TYPE[set.type] === type);
  if (answer !== undefined) {
    return {
      type: "success",
      answer,
      additional: type === TYPE.ANY ? [] : addressesFor(answer, part.records),
    };
  }
  const exists =
    here.length > 0 ||
    part.names.some((other) => other === name || isBelow(other, name)) ||
    part.records.some((set) => isBelow(set.name.toLowerCase(), name));
  return { type: exists ? "noData" : "nameError" };
}

/** A and AAAA of the names that an answer points to, where they are known here (RFC 1035 §3.3.11, RFC 2782). */
function addressesFor(answer: RRset, records: readonly RRset[]): RRset[] {
  const targets = new Set(
    answer.type === "SRV"
      ? answer.data.map((srv) => srv.target.toLowerCase())
      : answer.type === "NS"
        ? answer.data.map((name) => name.toLowerCase())
        : [],
  );
  if (targets.size === 0) return [];
  return records.filter(
    (set) => (set.type === "A" || set.type === "AAAA") && targets.has(set.name.toLowerCase()),
  );
}
