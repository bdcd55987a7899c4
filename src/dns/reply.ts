/**
 * Turns what is known into the bytes for one client: its id, its question as it came, its flags, an OPT record where
 * it sent one, and no more than it can take.
 */
import {
  FLAG,
  HEADER_BYTES,
  MESSAGE_BYTES_MAX,
  OPT_BYTES,
  TYPE,
  UDP_BYTES_CLASSIC,
  UDP_BYTES_MAX,
} from "./protocol.ts";
import { type Query, uint16 } from "./query.ts";

/** A whole answer, fit for whoever asks the same: without OPT, with id 0 and the question in lower case. */
export interface Answer {
  readonly wire: Buffer;
  /** Where the additional section starts: the first to go when there is no room. */
  readonly additionalAt: number;
  /** Where an SOA's serial stands, to be brought up to date; 0 without one. */
  readonly serialAt: number;
}

/** The opcode and RD are copied into every reply (RFC 1035 §4.1.1). */
const COPIED_FLAGS = 0x7800 | FLAG.RD;

/** How large a reply may be. Sizes below 512 count as 512 (RFC 6891 §6.2.3); none leaves in fragments. */
export function replyBytesMax(query: Query, overUdp: boolean): number {
  if (!overUdp) return MESSAGE_BYTES_MAX;
  return Math.min(Math.max(query.udpBytes, UDP_BYTES_CLASSIC), UDP_BYTES_MAX);
}

/** A reply without records. @param rcode Also extended ones, where there was an OPT. @param flags `FLAG` bits besides QR. */
export function bareReply(query: Query, message: Uint8Array, rcode: number, flags = 0): Buffer {
  const end = query.questionEnd;
  const reply = Buffer.allocUnsafe(end + (query.edns ? OPT_BYTES : 0));
  reply.set(message.subarray(0, end));
  writeFlags(reply, FLAG.QR | flags | (query.flags & COPIED_FLAGS) | (rcode & 15));
  reply.fill(0, 4, HEADER_BYTES);
  if (end > HEADER_BYTES) reply[5] = 1;
  if (query.edns) writeOpt(reply, end, query, rcode, 0);
  return reply;
}

/** @param serial The SOA's as of now. */
export function replyWith(
  answer: Answer,
  query: Query,
  message: Uint8Array,
  bytesMax: number,
  serial: number,
): Buffer {
  const { wire, additionalAt, serialAt } = answer;
  const optBytes = query.edns ? OPT_BYTES : 0;
  const whole = wire.length + optBytes <= bytesMax;
  const end = whole ? wire.length : additionalAt;
  if (end + optBytes > bytesMax) return bareReply(query, message, (wire[3] ?? 0) & 15, FLAG.AA | FLAG.TC);

  const reply = Buffer.allocUnsafe(end + optBytes);
  wire.copy(reply, 0, 0, end);
  reply[0] = message[0] ?? 0;
  reply[1] = message[1] ?? 0;
  reply[2] = (wire[2] ?? 0) | ((query.flags & FLAG.RD) >> 8);
  for (let at = HEADER_BYTES; at < query.questionEnd; at++) reply[at] = message[at] ?? 0;
  if (serialAt > 0) reply.writeUInt32BE(serial, serialAt);
  const additional = whole ? uint16(wire, 10) : 0;
  reply[10] = additional >> 8;
  reply[11] = additional;
  if (query.edns) writeOpt(reply, end, query, 0, additional);
  return reply;
}

function writeFlags(reply: Buffer, flags: number): void {
  reply[2] = flags >> 8;
  reply[3] = flags;
}

/** RFC 6891 §6.1.2: version 0, our size, the high bits of the rcode, and of the flags only DO, as it came. */
export function writeOpt(reply: Buffer, at: number, query: Query, rcode: number, additional: number): void {
  reply[at] = 0;
  reply[at + 1] = 0;
  reply[at + 2] = TYPE.OPT;
  reply[at + 3] = UDP_BYTES_MAX >> 8;
  reply[at + 4] = UDP_BYTES_MAX & 0xff;
  reply[at + 5] = rcode >> 4;
  reply[at + 6] = 0;
  reply[at + 7] = query.dnssecOk ? 0x80 : 0;
  reply[at + 8] = 0;
  reply[at + 9] = 0;
  reply[at + 10] = 0;
  reply[10] = (additional + 1) >> 8;
  reply[11] = additional + 1;
}
