/** A DNS client of sockets and bytes, with a codec that is not ours (dns-packet). */
import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import dnsPacket, { type DecodedPacket, type RecordType } from "dns-packet";

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

let nextId = 1;

/** One question, class IN, without OPT. */
export function queryFor(name: string, type: RecordType, id: number = nextId++ & 0xffff): Buffer {
  return dnsPacket.encode({ type: "query", id, flags: 0, questions: [{ name, type }] });
}

export function withLength(message: Uint8Array): Buffer {
  return Buffer.concat([Buffer.of(message.length >> 8, message.length & 0xff), message]);
}

export const decode = (message: Buffer): DecodedPacket => dnsPacket.decode(message);

/** What the header's rcode says; dns-packet has no types for what it decodes of it. */
export function rcodeOf(message: Buffer): number {
  return message.readUInt16BE(2) & 15;
}

export const isTruncated = (message: Buffer): boolean => (message.readUInt16BE(2) & 0x0200) !== 0;

/** Sends datagrams from one socket, and gives the answers in the order in which they come. */
export class UdpClient {
  readonly #to: Endpoint;
  readonly #socket: UdpSocket;
  readonly #answers: Buffer[] = [];
  readonly #wake = new Set<() => void>();

  constructor(to: Endpoint) {
    this.#to = to;
    this.#socket = createSocket(to.host.includes(":") ? "udp6" : "udp4");
    this.#socket.on("message", (answer) => {
      this.#answers.push(answer);
      for (const wake of this.#wake) wake();
    });
  }

  async send(message: Uint8Array): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#socket.send(message, this.#to.port, this.#to.host, (error) => {
        if (error === null) resolve();
        else reject(error);
      });
    });
  }

  /** Answers that came and were not taken yet. */
  get waiting(): number {
    return this.#answers.length;
  }

  async next(): Promise<Buffer> {
    for (;;) {
      const answer = this.#answers.shift();
      if (answer !== undefined) return answer;
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#wake.delete(wake);
          resolve();
        };
        this.#wake.add(wake);
      });
    }
  }

  async ask(message: Uint8Array): Promise<Buffer> {
    await this.send(message);
    return this.next();
  }

  close(): void {
    this.#socket.close();
  }
}

/** A TCP connection that may misbehave. */
export class TcpClient {
  readonly socket: Socket;
  /** When the server has said its last: the FIN, or a reset. */
  readonly ended: Promise<"end" | "reset">;
  #bytes: Buffer = Buffer.alloc(0);
  #isOver = false;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (chunk: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk]);
      socket.emit("more");
    });
    this.ended = new Promise((resolve) => {
      const over = (how: "end" | "reset"): void => {
        this.#isOver = true;
        resolve(how);
        socket.emit("more");
      };
      socket.once("end", () => over("end"));
      socket.once("error", () => over("reset"));
    });
  }

  static async open(to: Endpoint): Promise<TcpClient> {
    const socket = connect({ host: to.host, port: to.port, allowHalfOpen: true, noDelay: true });
    const client = new TcpClient(socket);
    await once(socket, "connect");
    return client;
  }

  /** Queries, each with its length. */
  write(...messages: readonly Uint8Array[]): void {
    this.socket.write(Buffer.concat(messages.map(withLength)));
  }

  /** The next message; undefined when the server closed instead. */
  async next(): Promise<Buffer | undefined> {
    for (;;) {
      if (this.#bytes.length >= 2 && this.#bytes.length >= 2 + this.#bytes.readUInt16BE(0)) {
        const length = this.#bytes.readUInt16BE(0);
        const message = this.#bytes.subarray(2, 2 + length);
        this.#bytes = this.#bytes.subarray(2 + length);
        return message;
      }
      if (this.#isOver) return undefined;
      await once(this.socket, "more");
    }
  }

  async ask(message: Uint8Array): Promise<Buffer | undefined> {
    this.write(message);
    return this.next();
  }

  close(): void {
    this.socket.destroy();
  }
}
