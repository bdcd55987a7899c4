import * as fc from "fast-check";
import { expect, test } from "vitest";
import { FrameReader, frame } from "../../src/dns/framing.ts";
import { InvariantError } from "../../src/lib/errors.ts";

/** Everything there is to be read now. */
function drain(reader: FrameReader): Buffer[] {
  const messages: Buffer[] = [];
  for (let message = reader.next(); message !== undefined; message = reader.next()) messages.push(message);
  return messages;
}

test("messages come out as they went in, however the stream is cut", () => {
  const bytes = fc.uint8Array({ maxLength: 600 });
  fc.assert(
    fc.property(
      fc.array(bytes, { maxLength: 20 }),
      fc.array(fc.integer({ min: 1, max: 700 })),
      (messages, cuts) => {
        const stream = Buffer.concat(messages.map(frame));
        const reader = new FrameReader();
        const read: Buffer[] = [];
        let at = 0;
        for (const cut of [...cuts, stream.length]) {
          reader.push(stream.subarray(at, at + cut));
          at += cut;
          read.push(...drain(reader));
          if (at >= stream.length) break;
        }
        expect(read.map((message) => [...message])).toEqual(messages.map((message) => [...message]));
        expect(reader.pending).toBe(0);
      },
    ),
  );
});

test("a message handed out is not touched by what comes after it", () => {
  const reader = new FrameReader();
  const stream = Buffer.concat([
    frame(Buffer.alloc(100, 1)),
    frame(Buffer.alloc(100, 2)),
    frame(Buffer.alloc(100, 3)),
  ]);
  const seen: Buffer[] = [];
  for (const byte of stream) {
    reader.push(Buffer.of(byte));
    seen.push(...drain(reader));
  }
  expect(seen.map((message) => [...new Set(message)])).toEqual([[1], [2], [3]]);
});

test("the longest message, byte by byte, takes time and memory in proportion", () => {
  const reader = new FrameReader();
  for (const byte of frame(Buffer.alloc(65_535, 7))) reader.push(Buffer.of(byte));
  expect(reader.next()?.length).toBe(65_535);
});

test("a message too long for its length prefix is our own bug", () => {
  expect(() => frame(Buffer.alloc(65_536))).toThrow(InvariantError);
});
