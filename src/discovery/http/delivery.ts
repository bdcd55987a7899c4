/** Whether an answer reaches its client, and how to break one off: over HTTP/1.1 a connection, over HTTP/2 a stream. */
import { constants, Http2ServerResponse } from "node:http2";
import type { Connection } from "./context.ts";

/** Ends the answer such that its client cannot take it for a whole one. */
export function breakOff({ outgoing }: Connection): void {
  if (outgoing instanceof Http2ServerResponse) outgoing.stream.close(constants.NGHTTP2_CANCEL);
  else outgoing.destroy();
}

/** The rest of the request is not read: its connection ends with the answer, as an HTTP/2 stream does anyway. */
export function endAfterAnswer(connection: Connection | undefined): void {
  if (connection === undefined || connection.outgoing instanceof Http2ServerResponse) return;
  connection.outgoing.shouldKeepAlive = false;
}

/** Calls back when the connection breaks, or has broken already, before the answer went out. */
export function whenLost(connection: Connection, lost: () => void): void {
  if (isBroken(connection)) {
    lost();
    return;
  }
  const { outgoing } = connection;
  outgoing.once("close", () => {
    if (!isDelivered(outgoing)) lost();
  });
}

function isBroken({ incoming, outgoing }: Connection): boolean {
  if (outgoing instanceof Http2ServerResponse) return outgoing.stream.closed || outgoing.stream.destroyed;
  return outgoing.closed || incoming.socket.destroyed || incoming.socket.readableEnded;
}

/** As far as the operating system has taken it; of a stream, all but what the client has cancelled. */
function isDelivered(outgoing: Connection["outgoing"]): boolean {
  if (!(outgoing instanceof Http2ServerResponse)) return outgoing.writableFinished;
  return outgoing.writableFinished && outgoing.stream.rstCode === constants.NGHTTP2_NO_ERROR;
}
