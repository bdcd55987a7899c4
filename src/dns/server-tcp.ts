/**
 * DNS over TCP (RFC 7766): pipelined queries, replies as they are ready, zone transfers as streams of messages.
 * Whatever a client does, what it can hold here is bounded: connections, queries in flight, unsent bytes, and time
 * without a whole query or a byte taken.
 */
import { createServer, type Server, type Socket } from "node:net";
import { FrameReader, frame } from "./framing.ts";
import { plainAddress } from "./networks.ts";
import { HEADER_BYTES } from "./protocol.ts";
import type { Reply } from "./responder.ts";

/**
 * Answers at once, later, or by a stream of messages (a zone transfer). Never throws; a promise never rejects, but a
 * stream may: the connection is broken off then, so that half a transfer is not taken for a whole one.
 */
export type AnswerStream = (
  query: Buffer,
  from: string,
) => Uint8Array | undefined | Promise<Reply> | AsyncIterable<Uint8Array>;

export interface TcpLimits {
  /** In all. When there are more, the one that has been quiet for longest makes room. */
  readonly connectionsMax: number;
  /** Of one address. A further one is closed at once. */
  readonly connectionsPerClientMax: number;
  /** Without a whole query, an answer or a byte taken by the client (RFC 7766 §6.2.3 advises seconds). */
  readonly idleMs: number;
  /** Queries of one connection that wait for their answers; beyond that nothing more is read from it. */
  readonly inFlightMax: number;
}

export const TCP_LIMITS: TcpLimits = {
  connectionsMax: 2_000,
  connectionsPerClientMax: 200,
  idleMs: 10_000,
  inFlightMax: 64,
};

export interface TcpServer {
  readonly server: Server;
  readonly connections: number;
  /** Takes no more queries, sends what is being answered, then closes; whoever does not read by then is cut off. */
  close(graceMs: number): Promise<void>;
}

interface Shared {
  readonly limits: TcpLimits;
  readonly answer: AnswerStream;
  readonly onError: (error: unknown) => void;
  /** In the order in which something last happened, so the head is the quietest. */
  readonly connections: Set<Connection>;
}

/** The caller listens on `server`. */
export function createTcpServer(
  answer: AnswerStream,
  onError: (error: unknown) => void,
  limits: TcpLimits = TCP_LIMITS,
): TcpServer {
  const connections = new Set<Connection>();
  const perClient = new Map<string, number>();
  const shared: Shared = { limits, answer, onError, connections };

  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    const client = plainAddress(socket.remoteAddress ?? "");
    const already = perClient.get(client) ?? 0;
    if (already >= limits.connectionsPerClientMax) {
      socket.on("error", () => {});
      socket.destroy();
      return;
    }
    if (connections.size >= limits.connectionsMax) {
      for (const quietest of connections) {
        quietest.destroy();
        break;
      }
    }
    perClient.set(client, already + 1);
    const connection = new Connection(socket, client, shared);
    socket.once("close", () => {
      const left = (perClient.get(client) ?? 1) - 1;
      if (left === 0) perClient.delete(client);
      else perClient.set(client, left);
      connection.closed();
    });
  });

  const sweep = setInterval(
    () => {
      const deadline = performance.now() - limits.idleMs;
      for (const connection of connections) {
        if (connection.activeAt > deadline) break;
        connection.destroy();
      }
    },
    Math.ceil(limits.idleMs / 10),
  );
  sweep.unref();

  return {
    server,
    get connections() {
      return connections.size;
    },
    close: async (graceMs) => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const connection of connections) connection.finish();
      const cut = setTimeout(() => {
        for (const connection of connections) connection.destroy();
      }, graceMs);
      await closed;
      clearTimeout(cut);
      clearInterval(sweep);
    },
  };
}

class Connection {
  readonly #socket: Socket;
  readonly #client: string;
  readonly #shared: Shared;
  #reader = new FrameReader();
  #inFlight = 0;
  /** No further query is taken: the client has said its last, or what makes no sense, or we are closing. */
  #last = false;
  activeAt: number = performance.now();

  constructor(socket: Socket, client: string, shared: Shared) {
    this.#socket = socket;
    this.#client = client;
    this.#shared = shared;
    shared.connections.add(this);
    // A reset by the client is its way to say goodbye; "close" follows and cleans up.
    socket.on("error", () => {});
    socket.on("data", (chunk) => {
      if (this.#last) return;
      this.#reader.push(chunk);
      this.#work();
    });
    socket.on("drain", () => {
      this.#touch();
      this.#work();
    });
    socket.on("end", () => this.finish());
  }

  /** Takes nothing more; closes when everything asked so far is answered. */
  finish(): void {
    this.#last = true;
    this.#work();
  }

  destroy(): void {
    this.#socket.destroy();
    // At once, not when "close" comes: a burst of connections must not find this one again and again.
    this.closed();
  }

  closed(): void {
    this.#shared.connections.delete(this);
  }

  #touch(): void {
    if (!this.#shared.connections.delete(this)) return;
    this.activeAt = performance.now();
    this.#shared.connections.add(this);
  }

  get #saturated(): boolean {
    return this.#inFlight >= this.#shared.limits.inFlightMax || this.#socket.writableNeedDrain;
  }

  /** Answers what has arrived, as far as the limits let it; called again whenever one of them eases. */
  #work(): void {
    const socket = this.#socket;
    if (socket.destroyed) return;
    socket.cork();
    while (!this.#saturated) {
      const query = this.#reader.next();
      if (query === undefined) break;
      if (query.length < HEADER_BYTES) {
        // No DNS client sends this; whatever follows on the stream cannot be trusted to be framed.
        this.#last = true;
        this.#reader = new FrameReader();
        break;
      }
      this.#take(query);
    }
    socket.uncork();
    if (this.#saturated) {
      socket.pause();
      return;
    }
    // Also after the last query: closing with bytes unread would reset the connection and lose our answers.
    socket.resume();
    if (this.#last && this.#inFlight === 0 && !socket.writableEnded) socket.end();
  }

  #take(query: Buffer): void {
    const answer = this.#shared.answer(query, this.#client);
    if (answer === undefined || answer instanceof Uint8Array) this.#send(answer);
    else void this.#sendLater(answer);
  }

  #send(reply: Uint8Array | undefined): void {
    // A message that deserves no answer does not keep the connection open either.
    if (reply === undefined || this.#socket.destroyed) return;
    this.#touch();
    this.#socket.write(frame(reply));
  }

  async #sendLater(answer: Promise<Reply> | AsyncIterable<Uint8Array>): Promise<void> {
    this.#inFlight++;
    if (answer instanceof Promise) this.#send(await answer);
    else await this.#stream(answer);
    this.#inFlight--;
    this.#work();
  }

  async #stream(messages: AsyncIterable<Uint8Array>): Promise<void> {
    try {
      for await (const message of messages) {
        this.#send(message);
        if (this.#socket.writableNeedDrain) await this.#drained();
        if (this.#socket.destroyed) break;
      }
    } catch (error) {
      this.#shared.onError(error);
      this.destroy();
    }
  }

  #drained(): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#socket.off("drain", done);
        this.#socket.off("close", done);
        resolve();
      };
      this.#socket.on("drain", done);
      this.#socket.on("close", done);
    });
  }
}
