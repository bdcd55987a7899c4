/** HTTP/2 frames by hand (RFC 9113 §4.1), for what no honest client sends. */

export const PREFACE: Buffer = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
export const FRAME = { data: 0, headers: 1, rstStream: 3, settings: 4, ping: 6, goaway: 7 } as const;
export const FLAG = { endStream: 1, acknowledge: 1, endHeaders: 4 } as const;

export function frame(
  type: number,
  flags: number,
  stream: number,
  payload: Uint8Array = Buffer.alloc(0),
): Buffer {
  const header = Buffer.alloc(9);
  header.writeUIntBE(payload.length, 0, 3);
  header[3] = type;
  header[4] = flags;
  header.writeUInt32BE(stream, 5);
  return Buffer.concat([header, payload]);
}

/** Header fields as literals that no table remembers (RFC 7541 §6.2.2); texts of up to 126 bytes. */
export function fields(values: Readonly<Record<string, string>>): Buffer {
  return Buffer.concat(
    Object.entries(values).flatMap(([name, value]) => [
      Buffer.from([0, name.length]),
      Buffer.from(name),
      Buffer.from([value.length]),
      Buffer.from(value),
    ]),
  );
}

export function get(stream: number, path: string): Buffer {
  const request = { ":method": "GET", ":scheme": "http", ":authority": "q", ":path": path };
  return frame(FRAME.headers, FLAG.endHeaders + FLAG.endStream, stream, fields(request));
}

export function reset(stream: number): Buffer {
  return frame(FRAME.rstStream, 0, stream, Buffer.from([0, 0, 0, 8]));
}

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

/** The whole frames at the start of what was received. */
export function framesOf(received: Buffer): readonly Frame[] {
  const frames: Frame[] = [];
  for (let at = 0; at + 9 <= received.length; ) {
    const end = at + 9 + received.readUIntBE(at, 3);
    if (end > received.length) break;
    frames.push({
      type: received.readUInt8(at + 3),
      flags: received.readUInt8(at + 4),
      stream: received.readUInt32BE(at + 5),
      payload: received.subarray(at + 9, end),
    });
    at = end;
  }
  return frames;
}
