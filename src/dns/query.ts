/**
 * Reads queries strictly: everything that decides how a message is answered, before anything looks at names.
 *
 * This stands where dns2's decoder could. dns2 joins labels with dots (a label may hold one), forgets where the
 * question's bytes are (they are echoed as they came), and checks neither QR, opcode, counts, pointers nor OPT.
 */
import { CLASS, FLAG, HEADER_BYTES, OPCODE, RCODE, type Rcode, TYPE } from "./protocol.ts";

/** A message that deserves an answer. */
export interface Query {
  readonly id: number;
  /** The header's second word, as it came. */
  readonly flags: number;
  readonly opcode: number;
  /** Where the question ends, to be echoed up to here; `HEADER_BYTES` when there is none to be echoed. */
  readonly questionEnd: number;
  /** Of the question; 0 without one. */
  readonly type: number;
  readonly class: number;
  /** Whether there was an OPT record: then the answer has one too. */
  readonly edns: boolean;
  /** What the client can take over UDP, as its OPT says; 0 without one. */
  readonly udpBytes: number;
  /** The DO bit of the OPT, which is copied (RFC 3225 §3). */
  readonly dnssecOk: boolean;
  /** NOERROR, or what is wrong with the message itself: FORMERR, NOTIMP, BADVERS. */
  readonly problem: Rcode;
}

const RECORD_FIXED_BYTES = 10;
const LABEL_BYTES_MAX = 63;
const NAME_BYTES_MAX = 255;
/** The two high bits of a length byte mark a pointer (RFC 1035 §4.1.4). */
const POINTER = 0xc0;
/** Where something ends that does not end inside the message. */
export const BROKEN = -1;

/** A big-endian word; bytes beyond the end count as 0, so lengths must be checked before. */
export function uint16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
}

/**
 * @returns undefined for what must not be answered: shorter than a header, or a response (answering those makes two
 * servers answer each other for ever).
 */
export function readQuery(message: Uint8Array): Query | undefined {
  if (message.length < HEADER_BYTES) return undefined;
  const flags = uint16(message, 2);
  if ((flags & FLAG.QR) !== 0) return undefined;
  const opcode = (flags >> 11) & 15;
  const questions = uint16(message, 4);

  let at = HEADER_BYTES;
  let questionEnd = HEADER_BYTES;
  let type = 0;
  let qclass = 0;
  for (let i = 0; i < questions && at !== BROKEN; i++) {
    const fixed = skipName(message, at);
    at = fixed === BROKEN || fixed + 4 > message.length ? BROKEN : fixed + 4;
    if (questions === 1 && at !== BROKEN) {
      type = uint16(message, at - 4);
      qclass = uint16(message, at - 2);
      questionEnd = at;
    }
  }

  // Answers in a query mean nothing (an IXFR's authority does, to its own handler), but the OPT stands behind them.
  let passed = uint16(message, 6) + uint16(message, 8);
  for (; passed > 0 && at !== BROKEN; passed--) at = skipRecord(message, skipName(message, at));

  let opts = 0;
  let optAt = 0;
  let badOpt = false;
  for (let left = uint16(message, 10); left > 0 && at !== BROKEN; left--) {
    const start = at;
    const fixed = skipName(message, start);
    at = skipRecord(message, fixed);
    if (at === BROKEN || uint16(message, fixed) !== TYPE.OPT) continue;
    opts++;
    optAt = fixed;
    // RFC 6891 §6.1.2: one only, and its owner is the root.
    badOpt ||= opts > 1 || fixed !== start + 1 || !optionsFit(message, fixed, at);
  }

  let problem: Rcode = RCODE.NOERROR;
  if (opcode !== OPCODE.QUERY && opcode !== OPCODE.NOTIFY) problem = RCODE.NOTIMP;
  // RFC 9619: a query has one question, no more and no less.
  else if (at === BROKEN || badOpt || questions !== 1) problem = RCODE.FORMERR;
  else if (opts === 1 && message[optAt + 5] !== 0) problem = RCODE.BADVERS;

  return {
    id: uint16(message, 0),
    flags,
    opcode,
    questionEnd,
    type,
    class: qclass,
    edns: opts > 0,
    udpBytes: opts > 0 ? uint16(message, optAt + 2) : 0,
    // Type 2, class 2, extended rcode 1, version 1, then the flags whose first bit is DO.
    dnssecOk: opts > 0 && ((message[optAt + 6] ?? 0) & 0x80) !== 0,
    problem,
  };
}

/** Whether it asks for what this server can look up at all; else with what to refuse it. */
export function refusalOf(query: Query): Rcode {
  if (query.problem !== RCODE.NOERROR) return query.problem;
  if (query.class === CLASS.ANY || query.class === CLASS.NONE || query.type === TYPE.OPT)
    return RCODE.FORMERR;
  return query.class === CLASS.IN ? RCODE.NOERROR : RCODE.REFUSED;
}

/** Stands for a label with a byte that no name of ours has. */
export const UNUSABLE_LABEL = "\0";

/** What each byte of a name of ours stands for, in lower case; nothing for the other bytes. */
const PLAIN: readonly (string | undefined)[] = Array.from({ length: 256 }, (_value, byte) => {
  const character = String.fromCharCode(byte);
  return /[A-Za-z0-9_-]/.test(character) ? character.toLowerCase() : undefined;
});

/**
 * The labels of the question, in lower case; those that no name of ours can have are `UNUSABLE_LABEL` and equal
 * nothing, so that joined by dots all are safe to compare (a label may hold a dot).
 */
export function questionLabels(message: Uint8Array): string[] {
  const labels: string[] = [];
  let at = HEADER_BYTES;
  for (let length = message[at] ?? 0; length !== 0; length = message[at] ?? 0) {
    const end = at + 1 + length;
    let label = "";
    for (at++; at < end; at++) label += PLAIN[message[at] ?? 0] ?? UNUSABLE_LABEL;
    labels.push(label.includes(UNUSABLE_LABEL) ? UNUSABLE_LABEL : label);
  }
  return labels;
}

/**
 * @returns where a name ends in place, or BROKEN: bad label type, too long, past the end, pointer not backwards. The
 * first name has nothing before it to point to, so a question is always literal.
 */
export function skipName(message: Uint8Array, start: number): number {
  let at = start;
  while (at < message.length) {
    const length = message[at] ?? 0;
    if (length === 0) return at + 1 - start <= NAME_BYTES_MAX ? at + 1 : BROKEN;
    if (length >= POINTER) {
      const target = uint16(message, at) & 0x3fff;
      return at + 2 <= message.length && target >= HEADER_BYTES && target < start ? at + 2 : BROKEN;
    }
    if (length > LABEL_BYTES_MAX) return BROKEN;
    at += 1 + length;
  }
  return BROKEN;
}

/** @param fixed Where the record's owner ends, or BROKEN. @returns where the record ends, or BROKEN. */
function skipRecord(message: Uint8Array, fixed: number): number {
  if (fixed === BROKEN || fixed + RECORD_FIXED_BYTES > message.length) return BROKEN;
  const end = fixed + RECORD_FIXED_BYTES + uint16(message, fixed + 8);
  return end <= message.length ? end : BROKEN;
}

/** Whether the options of the OPT record, whose type stands at `fixed`, fill it exactly up to `end`. */
function optionsFit(message: Uint8Array, fixed: number, end: number): boolean {
  let at = fixed + RECORD_FIXED_BYTES;
  while (at + 4 <= end) at += 4 + uint16(message, at + 2);
  return at === end;
}
