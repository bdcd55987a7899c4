/**
 * DNS over UDP: one datagram in, at most one out. The path of a cached answer has no promise, no callback and no name
 * lookup on it; what is left is almost only the kernel's.
 */
import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { isIPv6 } from "node:net";
import type { Reply } from "./responder.ts";

/** Room for bursts while the event loop is busy with something else; the kernel's own limit may be lower. */
const SOCKET_BUFFER_BYTES = 4 * 1024 * 1024;

/** Never throws or rejects. Answers at once where it can, and bounds how many wait. */
export type AnswerDatagram = (query: Buffer, from: string) => Reply | Promise<Reply>;

export interface UdpServer {
  readonly socket: Socket;
  /** Sends what is being answered, then closes. */
  close(graceMs: number): Promise<void>;
}

/**
 * @param address An IP address: the socket is of its family. `::` takes IPv6 only, so that `0.0.0.0` can stand beside it.
 * The caller binds `socket`.
 * @param options `shared`: other sockets of this user on the same address get their part of the datagrams (Linux).
 */
export function createUdpServer(
  address: string,
  answer: AnswerDatagram,
  options: { readonly shared?: boolean } = {},
): UdpServer {
  const inFlight = new Set<Promise<void>>();
  let closed = false;
  const family = isIPv6(address) ? 6 : 4;
  const socket = createSocket({
    type: family === 6 ? "udp6" : "udp4",
    ipv6Only: family === 6,
    reusePort: options.shared === true,
    recvBufferSize: SOCKET_BUFFER_BYTES,
    sendBufferSize: SOCKET_BUFFER_BYTES,
    // Node looks every destination up, addresses too, and calls back a tick later; ours are addresses already.
    lookup: (host, _options, callback) => callback(null, host, family),
  });

  const send = (reply: Reply, to: RemoteInfo): void => {
    // Without a callback: a datagram that the kernel refuses is lost like any other, and the client asks again.
    if (reply !== undefined && !closed) socket.send(reply, 0, reply.length, to.port, to.address);
  };

  socket.on("message", (query, from) => {
    // Port 0 cannot be answered (and `send` throws on it); only a forged datagram has it.
    if (from.port === 0) return;
    const reply = answer(query, from.address);
    if (!(reply instanceof Promise)) {
      send(reply, from);
      return;
    }
    const sent = reply.then((late) => send(late, from)).finally(() => inFlight.delete(sent));
    inFlight.add(sent);
  });

  return {
    socket,
    close: async (graceMs) => {
      socket.removeAllListeners("message");
      let timer: NodeJS.Timeout | undefined;
      const grace = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, graceMs);
      });
      await Promise.race([Promise.all(inFlight), grace]);
      clearTimeout(timer);
      closed = true;
      await new Promise<void>((resolve) => {
        socket.close(resolve);
      });
    },
  };
}
