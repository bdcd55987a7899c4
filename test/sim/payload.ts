/** Numbers of proposals and reads, as the bytes that the core carries around. */
import { type Entry, EntryType } from "../../src/raft/message.ts";

/** @param padding Bytes beyond the number: entries have different sizes. */
export function payload(number: number, padding = 0): Uint8Array {
  const data = new Uint8Array(4 + padding);
  new DataView(data.buffer).setUint32(0, number);
  return data;
}

export function numberIn(data: Uint8Array): number {
  return new DataView(data.buffer, data.byteOffset, data.byteLength).getUint32(0);
}

/** The number of the proposal that an entry holds; undefined for entries that are nobody's. */
export function proposalIn(entry: Entry): number | undefined {
  return entry.type === EntryType.normal && entry.data.length >= 4 ? numberIn(entry.data) : undefined;
}
