/** DNS over TCP: each message follows its length in two bytes (RFC 1035 §4.2.2, RFC 7766 §8). */
import { assert } from "../lib/assert.ts";
import { MESSAGE_BYTES_MAX } from "./protocol.ts";

/** @param message At most 65,535 bytes. */
export function frame(message: Uint8Array): Buffer {
  assert(
    message.length <= MESSAGE_BYTES_MAX,
    () => `a DNS message of ${message.length} bytes cannot be framed`,
  );
  const framed = Buffer.allocUnsafe(2 + message.length);
  framed.writeUInt16BE(message.length, 0);
  framed.set(message, 2);
  return framed;
}

/**
 * Cuts a byte stream into messages, however the segments fall. Memory follows what has arrived, never what a length
 * promises; messages handed out stay valid, because no byte is written twice.
 */
export class FrameReader {
  #bytes: Buffer = Buffer.alloc(0);
  #start = 0;
  #end = 0;

  /** Bytes that are not handed out yet. */
  get pending(): number {
    return this.#end - this.#start;
  }

  push(chunk: Buffer): void {
    const pending = this.pending;
    if (pending === 0) {
      this.#bytes = chunk;
      this.#start = 0;
      this.#end = chunk.length;
      return;
    }
    // Doubling keeps a message that comes byte by byte from being copied byte by byte.
    if (this.#end + chunk.length > this.#bytes.length) {
      const grown = Buffer.allocUnsafe(2 * (pending + chunk.length));
      this.#bytes.copy(grown, 0, this.#start, this.#end);
      this.#bytes = grown;
      this.#start = 0;
      this.#end = pending;
    }
    chunk.copy(this.#bytes, this.#end);
    this.#end += chunk.length;
  }

  /** The next whole message; undefined until more has arrived. */
  next(): Buffer | undefined {
    if (this.pending < 2) return undefined;
    const length = this.#bytes.readUInt16BE(this.#start);
    if (this.pending < 2 + length) return undefined;
    const message = this.#bytes.subarray(this.#start + 2, this.#start + 2 + length);
    this.#start += 2 + length;
    return message;
  }
}
