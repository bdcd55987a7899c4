/**
 * HTTP/2 for connections that ask for it, with bounds that hold per connection as HTTP/1.1's do. Framing, header
 * compression and flow control are node:http2's, and so are its guards: rapid resets, CONTINUATION floods, unread
 * SETTINGS and PING acknowledgements and invalid frames each end the connection.
 */
import {
  constants,
  createServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { Socket } from "node:net";
import type { Logger } from "../../lib/logger.ts";

/** Requests of one connection that are being answered; RFC 9113 §6.5.2 asks for no fewer. Polls count, too. */
const STREAMS_MAX = 100;
/** Streams, compression tables and unsent answers of one connection; above it, new requests on it are refused. */
const SESSION_MEGABYTES_MAX = 4;
/** Of a name and its value. */
const HEADER_OVERHEAD_BYTES = 32;
/** A client that was told that its connection ends has this long to close it. */
const LINGER_MS = 2000;

export interface Http2Options {
  readonly onRequest: (incoming: Http2ServerRequest, outgoing: Http2ServerResponse) => void;
  /** Requests being answered, of all connections; more are refused in the way that says: ask again (RFC 9113 §8.7). */
  readonly requestsMax: number;
  /** Bytes of a request's headers: uncompressed, and 32 more each. */
  readonly headerBytesMax: number;
  readonly headerCountMax: number;
  /** From the connection to its first request. */
  readonly headersMs: number;
  /** From a request's headers to the end of its body. */
  readonly requestMs: number;
  /** A connection without a request is kept for this; PING and SETTINGS do not prolong it. */
  readonly keepAliveMs: number;
  /** A request of which nothing moved for this, in either direction, is broken off. */
  readonly stalledMs: number;
  readonly logger: Logger;
}

export interface Http2 {
  /** Takes a connection over, from its first byte on. */
  serve(socket: Socket): void;
  /** Takes no more requests; each connection is closed when what is in flight on it has been answered. */
  close(): void;
}

export function createHttp2(options: Http2Options): Http2 {
  let requests = 0;
  // Never listens: connections are handed to it.
  const server = createServer(
    {
      maxSessionMemory: SESSION_MEGABYTES_MAX,
      maxHeaderListPairs: options.headerCountMax,
      settings: { maxConcurrentStreams: STREAMS_MAX, maxHeaderListSize: options.headerBytesMax },
    },
    (incoming, outgoing) => {
      const { stream } = outgoing;
      // node holds a client to the announced size only from when it has acknowledged it.
      if (sizeOf(incoming.rawHeaders) > options.headerBytesMax) {
        stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM);
      } else if (requests >= options.requestsMax) {
        stream.close(constants.NGHTTP2_REFUSED_STREAM);
      } else {
        requests++;
        stream.once("close", () => requests--);
        options.onRequest(incoming, outgoing);
      }
    },
  );
  server.on("sessionError", (error) => options.logger.debug("an HTTP/2 connection failed", { error }));

  const retirements = new Set<() => void>();
  let closing = false;
  return {
    serve(socket) {
      // A client that has said all cannot be told anything either: HTTP/2 has no use for half a connection.
      socket.allowHalfOpen = false;
      server.once("session", (session) => {
        const retire = watch(session, socket, options);
        retirements.add(retire);
        socket.once("close", () => retirements.delete(retire));
        if (closing) retire();
      });
      server.emit("connection", socket);
    },
    close() {
      closing = true;
      for (const retire of retirements) retire();
    },
  };
}

/** @param rawHeaders Names and values in turn. @returns bytes, as RFC 9113 §6.5.2 counts them. */
function sizeOf(rawHeaders: readonly string[]): number {
  return rawHeaders.reduce((bytes, text) => bytes + text.length + HEADER_OVERHEAD_BYTES / 2, 0);
}

/** Sees to it that a connection ends when nothing is asked on it. @returns ends it as soon as all is answered. */
function watch(session: ServerHttp2Session, socket: Socket, options: Http2Options): () => void {
  let streams = 0;
  let idle: NodeJS.Timeout | undefined;
  const rest = (ms: number, then: () => void): void => {
    clearTimeout(idle);
    // Streams may outlive their socket by a moment: no timer may.
    if (!socket.destroyed) idle = setTimeout(then, ms);
  };
  function retire(): void {
    session.close();
    if (streams === 0) rest(LINGER_MS, () => socket.destroy());
  }
  session.on("stream", (stream) => {
    streams++;
    clearTimeout(idle);
    bound(stream, options);
    stream.once("close", () => {
      streams--;
      if (session.closed) retire();
      else if (streams === 0) rest(options.keepAliveMs, retire);
    });
  });
  rest(options.headersMs, retire);
  socket.once("close", () => clearTimeout(idle));
  return retire;
}

function bound(stream: ServerHttp2Stream, { requestMs, stalledMs }: Http2Options): void {
  const cancel = (): void => stream.close(constants.NGHTTP2_CANCEL);
  stream.setTimeout(stalledMs, cancel);
  if (stream.endAfterHeaders) return;
  const late = setTimeout(cancel, requestMs);
  const inTime = (): void => clearTimeout(late);
  stream.once("end", inTime);
  stream.once("close", inTime);
}
