/** Writes DNS messages (RFC 1035 §4): questions, records with compressed names, and their counts. */
import type { RRset } from "./records.ts";

export type Section = "answer" | "authority" | "additional";

export interface MessageHeader {
  readonly id: number;
  /** `FLAG` bits. */
  readonly flags: number;
  readonly opcode: number;
  readonly rcode: number;
}

export declare class MessageWriter {
  /** @param bytesMax Nothing is written beyond: `add` says false instead. */
  constructor(header: MessageHeader, bytesMax: number);
  /** Bytes written so far. */
  readonly length: number;
  /** @param name Text without the final dot. @param type Its number. Class is IN. */
  question(name: string, type: number): void;
  /**
   * Adds a whole set to a section; sections must be filled in their order.
   * @returns false, with nothing written, when it does not fit.
   */
  add(section: Section, set: RRset): boolean;
  /** The message, with its counts. */
  finish(): Uint8Array;
}

/** Seconds for which an answer may be kept, by its records' TTLs (RFC 8484 §5.1); 0 when it may not. */
export declare function cacheableSeconds(message: Uint8Array): number;
