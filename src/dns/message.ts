/**
 * Writes DNS messages (RFC 1035 §4): a question, records with compressed names, and their counts.
 *
 * Not dns2 or dns-packet: dns2 compresses SRV targets, which RFC 2782 forbids and etcd 3.4 cannot read, writes
 * broken TXT strings beyond 255 bytes and wrong bytes for IPv4-mapped addresses, and neither can stop at a size.
 */
import ipaddr from "ipaddr.js";
import { assert, unreachable } from "../lib/assert.ts";
import { CLASS, FLAG, HEADER_BYTES, MESSAGE_BYTES_MAX, TYPE } from "./protocol.ts";
import { questionLabels, UNUSABLE_LABEL, uint16 } from "./query.ts";
import type { RRset } from "./records.ts";

export type Section = "answer" | "authority" | "additional";

export interface MessageHeader {
  readonly id: number;
  /** `FLAG` bits. */
  readonly flags: number;
  readonly opcode: number;
  readonly rcode: number;
}

/** Where each section's count stands in the header. */
const COUNT_AT: Readonly<Record<Section, number>> = { answer: 6, authority: 8, additional: 10 };
const SECTIONS: readonly Section[] = ["answer", "authority", "additional"];
const FIRST_BYTES = 1024;
const POINTER = 0xc000;
/** A pointer has 14 bits (RFC 1035 §4.1.4). */
const POINTER_REACH = 0x4000;
const TXT_STRING_BYTES_MAX = 255;

/** Thrown inside `add` and caught there: the set does not fit. */
class Overflow extends Error {}

export class MessageWriter {
  #bytes: Uint8Array;
  readonly #bytesMax: number;
  #at = HEADER_BYTES;
  #section = 0;
  /** Where names (lower case: pointers ignore it) start that later ones may point to. */
  readonly #names = new Map<string, number>();
  /** Those of the set being written, forgotten again when it does not fit. */
  #newNames: string[] = [];
  #serialAt = 0;

  /** @param bytesMax Nothing is written beyond: `add` says false instead. At most 65,535. */
  constructor(header: MessageHeader, bytesMax: number) {
    assert(bytesMax <= MESSAGE_BYTES_MAX, () => `a DNS message of ${bytesMax} bytes has no length prefix`);
    this.#bytesMax = bytesMax;
    this.#bytes = new Uint8Array(Math.min(FIRST_BYTES, bytesMax));
    this.#set16(0, header.id);
    this.#set16(2, header.flags | (header.opcode << 11) | (header.rcode & 15));
  }

  /** Bytes written so far. */
  get length(): number {
    return this.#at;
  }

  /** Where the last SOA's serial stands; 0 when there is none. */
  get serialAt(): number {
    return this.#serialAt;
  }

  /** @param name Text without the final dot. @param type Its number. The class is IN. */
  question(name: string, type: number): void {
    this.#name(name);
    this.#uint16(type);
    this.#uint16(CLASS.IN);
    this.#set16(4, 1);
  }

  /** Writes the question of a query that was read without a problem, as it came but in lower case. */
  echoQuestion(query: Uint8Array, questionEnd: number): void {
    const labels = questionLabels(query);
    let next = HEADER_BYTES;
    const starts = labels.map(() => {
      const start = next;
      next += 1 + (query[start] ?? 0);
      return start;
    });
    // Lengths of labels are below 64, so below the letters; type and class behind the name are copied as they are.
    for (let at = HEADER_BYTES; at < questionEnd; at++) {
      const byte = query[at] ?? 0;
      this.#uint8(byte >= 65 && byte <= 90 && at < questionEnd - 4 ? byte + 32 : byte);
    }
    this.#set16(4, 1);
    // Names of ours can point to the labels at the end, up to the first that no name of ours has.
    for (let i = labels.length - 1; i >= 0 && labels[i] !== UNUSABLE_LABEL; i--) {
      this.#names.set(labels.slice(i).join("."), starts[i] ?? 0);
    }
  }

  /**
   * Adds a whole set to a section; sections are filled in their order.
   * @returns false, with nothing written, when it does not fit.
   */
  add(section: Section, set: RRset): boolean {
    assert(SECTIONS.indexOf(section) >= this.#section, () => `section ${section} comes too late`);
    this.#section = SECTIONS.indexOf(section);
    const start = this.#at;
    this.#newNames = [];
    try {
      this.#records(set);
    } catch (error) {
      if (!(error instanceof Overflow)) throw error;
      this.#at = start;
      for (const name of this.#newNames) this.#names.delete(name);
      return false;
    }
    const countAt = COUNT_AT[section];
    this.#set16(countAt, uint16(this.#bytes, countAt) + set.data.length);
    return true;
  }

  /** The message with its counts; the writer must not be used after. */
  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#at);
  }

  #records(set: RRset): void {
    switch (set.type) {
      case "A":
      case "AAAA":
        for (const address of set.data) this.#record(set, () => this.#address(address));
        break;
      case "NS":
        for (const name of set.data) this.#record(set, () => this.#name(name));
        break;
      case "SRV":
        for (const srv of set.data) {
          this.#record(set, () => {
            this.#uint16(srv.priority);
            this.#uint16(srv.weight);
            this.#uint16(srv.port);
            this.#literalName(srv.target);
          });
        }
        break;
      case "TXT":
        for (const strings of set.data) this.#record(set, () => this.#strings(strings));
        break;
      case "SOA":
        for (const soa of set.data) {
          this.#record(set, () => {
            this.#name(soa.mname);
            this.#name(soa.rname);
            this.#serialAt = this.#at;
            for (const value of [soa.serial, soa.refresh, soa.retry, soa.expire, soa.minimum])
              this.#uint32(value);
          });
        }
        break;
      default:
        unreachable(set);
    }
  }

  #record(set: RRset, writeData: () => void): void {
    this.#name(set.name);
    this.#uint16(TYPE[set.type]);
    this.#uint16(CLASS.IN);
    this.#uint32(set.ttl);
    const lengthAt = this.#at;
    this.#uint16(0);
    writeData();
    this.#set16(lengthAt, this.#at - lengthAt - 2);
  }

  #name(name: string): void {
    let rest = name.toLowerCase();
    let own = name;
    while (own !== "") {
      const known = this.#names.get(rest);
      if (known !== undefined) {
        this.#uint16(POINTER | known);
        return;
      }
      if (this.#at < POINTER_REACH) {
        this.#names.set(rest, this.#at);
        this.#newNames.push(rest);
      }
      const end = own.includes(".") ? own.indexOf(".") : own.length;
      this.#label(own.slice(0, end));
      own = own.slice(end + 1);
      rest = rest.slice(end + 1);
    }
    this.#uint8(0);
  }

  /** Neither points nor is pointed to: some resolvers take no pointer in a target (RFC 2782, RFC 3597 §4). */
  #literalName(name: string): void {
    for (const label of name === "" ? [] : name.split(".")) this.#label(label);
    this.#uint8(0);
  }

  #label(label: string): void {
    assert(
      label.length >= 1 && label.length <= 63,
      () => `a label of ${label.length} bytes: was the name checked?`,
    );
    this.#uint8(label.length);
    for (let i = 0; i < label.length; i++) this.#uint8(label.charCodeAt(i));
  }

  #address(text: string): void {
    for (const byte of ipaddr.parse(text).toByteArray()) this.#uint8(byte);
  }

  #strings(strings: readonly string[]): void {
    for (const text of strings.length === 0 ? [""] : strings) {
      let from = 0;
      do {
        const part = text.slice(from, from + TXT_STRING_BYTES_MAX);
        this.#uint8(part.length);
        for (let i = 0; i < part.length; i++) {
          assert(part.charCodeAt(i) < 0x80, () => `TXT strings are ASCII here: ${JSON.stringify(text)}`);
          this.#uint8(part.charCodeAt(i));
        }
        from += TXT_STRING_BYTES_MAX;
      } while (from < text.length);
    }
  }

  #uint8(value: number): void {
    if (this.#at >= this.#bytes.length) this.#grow();
    this.#bytes[this.#at++] = value;
  }

  #uint16(value: number): void {
    this.#uint8(value >>> 8);
    this.#uint8(value);
  }

  #uint32(value: number): void {
    this.#uint16(value >>> 16);
    this.#uint16(value);
  }

  #set16(at: number, value: number): void {
    this.#bytes[at] = value >>> 8;
    this.#bytes[at + 1] = value;
  }

  #grow(): void {
    if (this.#bytes.length >= this.#bytesMax) throw new Overflow();
    const grown = new Uint8Array(Math.min(2 * this.#bytes.length, this.#bytesMax));
    grown.set(this.#bytes);
    this.#bytes = grown;
  }
}

/**
 * Seconds for which an HTTP cache may keep an answer (RFC 8484 §5.1): the smallest TTL of its answer section, or of
 * the SOA that says how long nothing may be remembered; 0 for errors and empty messages.
 * @param message One of our own answers.
 */
export function cacheableSeconds(message: Uint8Array): number {
  const flags = uint16(message, 2);
  if (message.length < HEADER_BYTES || (flags & FLAG.AA) === 0 || (flags & FLAG.TC) !== 0) return 0;
  const records = uint16(message, 6) || uint16(message, 8);
  let at = HEADER_BYTES;
  for (let left = uint16(message, 4); left > 0; left--) at = nameEnd(message, at) + 4;
  let least = Number.POSITIVE_INFINITY;
  for (let left = records; left > 0; left--) {
    at = nameEnd(message, at);
    least = Math.min(least, uint16(message, at + 4) * 0x1_0000 + uint16(message, at + 6));
    at += 10 + uint16(message, at + 8);
  }
  return Number.isFinite(least) ? least : 0;
}

/** Where a well-formed name ends in place. */
function nameEnd(message: Uint8Array, start: number): number {
  let at = start;
  for (let length = message[at] ?? 0; length !== 0; length = message[at] ?? 0) {
    if (length >= 0xc0) return at + 2;
    at += 1 + length;
  }
  return at + 1;
}
