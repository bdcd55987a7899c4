/**
 * Tells secondaries that a zone has changed (RFC 1996), so that they transfer it within moments and not when their
 * refresh interval ends. Changes in quick succession share a NOTIFY; one that is not answered is sent again, at
 * growing intervals, until it is or the next change replaces it.
 */
import { randomInt } from "node:crypto";
import { createSocket, type Socket } from "node:dgram";
import { isIPv6 } from "node:net";
import type { Logger } from "../lib/logger.ts";
import { MessageWriter } from "./message.ts";
import { FLAG, HEADER_BYTES, OPCODE, RCODE, TYPE, UDP_BYTES_CLASSIC } from "./protocol.ts";
import { type Query, uint16 } from "./query.ts";
import type { RRset } from "./records.ts";
import { bareReply } from "./reply.ts";
import type { Reply } from "./responder.ts";

export interface NotifyTimes {
  /** Between two NOTIFYs to one secondary about one zone, however many changes there are. */
  readonly intervalMs: number;
  /** Before the first repetition; doubled with each one. */
  readonly retryMs: number;
  readonly retryMaxMs: number;
}

export const NOTIFY_TIMES: NotifyTimes = { intervalMs: 250, retryMs: 1_000, retryMaxMs: 60_000 };

/** Repetitions without an answer after which a line in the log says so. */
const SILENT_AFTER = 3;

export interface NotifyOptions {
  /** IP addresses and ports. */
  readonly secondaries: readonly { readonly host: string; readonly port: number }[];
  /** Addresses the servers listen on: a NOTIFY comes from one of them, because secondaries check where from. */
  readonly sources: readonly string[];
  /** A NOTIFY for a zone as it is now, with this id. */
  readonly write: (zone: string, id: number) => Uint8Array;
  readonly logger: Logger;
  readonly times?: NotifyTimes;
}

export interface Notifier {
  changed(zones: readonly string[]): void;
  close(): void;
}

export function createNotifier(options: NotifyOptions): Notifier {
  const secondaries = options.secondaries.map((target) => new Secondary(target, options));
  return {
    changed: (zones) => {
      for (const secondary of secondaries) for (const zone of zones) secondary.changed(zone);
    },
    close: () => {
      for (const secondary of secondaries) secondary.close();
    },
  };
}

/** What one secondary has been told about one zone. */
interface Told {
  id: number;
  /** Milliseconds of the monotonic clock; of the last NOTIFY sent. */
  sentAt: number;
  /** How often this change was told without an answer so far. */
  attempts: number;
  /** Of the next NOTIFY; undefined when the secondary knows all there is. */
  timer: NodeJS.Timeout | undefined;
}

class Secondary {
  readonly #target: NotifyOptions["secondaries"][number];
  readonly #options: NotifyOptions;
  readonly #times: NotifyTimes;
  readonly #name: string;
  readonly #told = new Map<string, Told>();
  readonly #socket: Socket;
  #silent = false;
  #refusal = 0;

  constructor(target: NotifyOptions["secondaries"][number], options: NotifyOptions) {
    const { logger } = options;
    this.#target = target;
    this.#options = options;
    this.#times = options.times ?? NOTIFY_TIMES;
    this.#name = isIPv6(target.host) ? `[${target.host}]:${target.port}` : `${target.host}:${target.port}`;
    this.#socket = createSocket(isIPv6(target.host) ? "udp6" : "udp4");
    this.#socket.on("error", (error) => logger.warn("cannot send NOTIFY", { secondary: this.#name, error }));
    this.#socket.on("message", (answer) => this.#answered(answer));
    this.#socket.bind(0, sourceFor(target.host, options.sources));
  }

  changed(zone: string): void {
    const told = this.#told.get(zone) ?? {
      id: 0,
      sentAt: Number.NEGATIVE_INFINITY,
      attempts: 0,
      timer: undefined,
    };
    this.#told.set(zone, told);
    // Waiting to be told for the first time already: this change will be part of it.
    if (told.timer !== undefined && told.attempts === 0) return;
    told.attempts = 0;
    const waitMs = told.sentAt + this.#times.intervalMs - performance.now();
    if (waitMs > 0) this.#later(zone, told, waitMs);
    else this.#send(zone);
  }

  #later(zone: string, told: Told, ms: number): void {
    clearTimeout(told.timer);
    told.timer = setTimeout(() => this.#send(zone), ms);
  }

  #send(zone: string): void {
    const told = this.#told.get(zone);
    if (told === undefined) return;
    if (told.attempts === 0) told.id = randomInt(0x1_0000);
    told.attempts++;
    told.sentAt = performance.now();
    // Without a callback: what the network refuses now is repeated like what it loses.
    this.#socket.send(this.#options.write(zone, told.id), this.#target.port, this.#target.host);
    const { retryMs, retryMaxMs } = this.#times;
    this.#later(zone, told, Math.min(retryMs * 2 ** (told.attempts - 1), retryMaxMs));
    if (told.attempts === SILENT_AFTER && !this.#silent) {
      this.#silent = true;
      this.#options.logger.warn("a secondary does not answer NOTIFY", { secondary: this.#name, zone });
    }
  }

  #answered(answer: Uint8Array): void {
    const flags = uint16(answer, 2);
    if (answer.length < HEADER_BYTES || (flags & FLAG.QR) === 0 || ((flags >> 11) & 15) !== OPCODE.NOTIFY)
      return;
    const id = uint16(answer, 0);
    for (const [zone, told] of this.#told) {
      if (told.id !== id || told.attempts === 0) continue;
      clearTimeout(told.timer);
      told.timer = undefined;
      told.attempts = 0;
      this.#silent = false;
      const refusal = flags & 15;
      if (refusal !== 0 && refusal !== this.#refusal) {
        const cure = "is the zone configured there, with this server as its primary?";
        this.#options.logger.warn("a secondary refuses NOTIFY", {
          secondary: this.#name,
          zone,
          rcode: refusal,
          cure,
        });
      }
      this.#refusal = refusal;
    }
  }

  close(): void {
    for (const told of this.#told.values()) clearTimeout(told.timer);
    this.#told.clear();
    this.#socket.close();
  }
}

export function isLoopback(address: string): boolean {
  return address === "::1" || address.startsWith("127.");
}

/** The listen address to send from; undefined, the kernel's choice, where we listen on all or on none that fits. */
export function sourceFor(target: string, sources: readonly string[]): string | undefined {
  return sources.find(
    (source) =>
      isIPv6(source) === isIPv6(target) &&
      isLoopback(source) === isLoopback(target) &&
      source !== "0.0.0.0" &&
      source !== "::",
  );
}

/** RFC 1996 §3.7: the changed zone as a question, and its SOA, so that a secondary which has it need not ask. */
export function notifyMessage(zone: string, soa: RRset, id: number): Uint8Array {
  const header = { id, flags: FLAG.AA, opcode: OPCODE.NOTIFY, rcode: RCODE.NOERROR };
  const writer = new MessageWriter(header, UDP_BYTES_CLASSIC);
  writer.question(zone, TYPE.SOA);
  writer.add("answer", soa);
  return writer.finish();
}

/** To a NOTIFY that we get: we are the primary, and have no other to ask (RFC 1996 §3.10). @param ours For our zone. */
export function answerNotify(query: Query, message: Uint8Array, ours: boolean): Reply {
  return ours ? bareReply(query, message, RCODE.NOERROR, FLAG.AA) : bareReply(query, message, RCODE.NOTAUTH);
}
