/**
 * Which HTTP a plain connection speaks: an HTTP/2 client that knows its server ("prior knowledge", RFC 9113 §3.3)
 * begins with 24 bytes that are no HTTP/1.1 request. The first byte mostly settles it.
 */
import type { Socket } from "node:net";

const PREFACE: Buffer = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

/**
 * Calls back once, when the first bytes tell; the socket then is as if nobody had read from it.
 * @param timeoutMs A client that has sent too little by then is sent away.
 */
export function whenProtocolIsKnown(
  socket: Socket,
  timeoutMs: number,
  known: (protocol: "http1" | "http2") => void,
): void {
  let seen: Buffer | undefined;
  const sendAway = (): void => {
    socket.destroy();
  };
  const forget = (): void => {
    clearTimeout(timer);
    socket.off("data", onData).off("end", sendAway).off("error", sendAway).off("close", forget);
  };
  const onData = (chunk: Buffer): void => {
    seen = seen === undefined ? chunk : Buffer.concat([seen, chunk]);
    const length = Math.min(seen.length, PREFACE.length);
    const isHttp2 = seen[0] === PREFACE[0] && PREFACE.compare(seen, 0, length, 0, length) === 0;
    if (isHttp2 && length < PREFACE.length) return;
    forget();
    socket.pause();
    socket.unshift(seen);
    known(isHttp2 ? "http2" : "http1");
    // HTTP/1.1 reads what flows; HTTP/2 takes what is there, and then the handle below the socket.
    if (!isHttp2) socket.resume();
  };
  const timer = setTimeout(sendAway, timeoutMs);
  socket.on("data", onData).on("end", sendAway).on("error", sendAway).on("close", forget);
}
