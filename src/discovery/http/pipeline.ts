/** Bounds how far an HTTP/1.1 client may run ahead of its answers (pipelining, RFC 9112 §9.3.2). */
import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";

/**
 * Requests of one connection without an answer; one more closes it. node reads on while answers are slow, and one
 * chunk can hold thousands of requests, so a pause would come too late. Hardly any client sends even two.
 */
const UNANSWERED_MAX = 32;

const unanswered = new WeakMap<Socket, number>();

/** Counts a request in, until its answer has gone out. @returns false when it was one too many. */
export function admit(socket: Socket, outgoing: ServerResponse): boolean {
  const count = (unanswered.get(socket) ?? 0) + 1;
  if (count > UNANSWERED_MAX) {
    socket.destroy();
    return false;
  }
  unanswered.set(socket, count);
  outgoing.once("close", () => unanswered.set(socket, (unanswered.get(socket) ?? 1) - 1));
  return true;
}
