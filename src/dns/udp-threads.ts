/**
 * UDP on several threads. A datagram costs Node twice what it costs the kernel, so one thread cannot keep up with
 * servers in C; and answers do not wait behind the HTTP requests and disk writes of the first thread.
 *
 * An answer is never older than an acknowledged registration: before that is acknowledged, the first thread's
 * responder counts up a generation in shared memory, and no thread uses an answer it kept under an earlier one.
 */
import { Worker } from "node:worker_threads";
import { EnvironmentError } from "../lib/errors.ts";
import { answerCall, type RegistryCall, type RegistryResult } from "./registry-port.ts";
import type { ClusterSource, ResponderStats } from "./responder.ts";
import type { DatagramCounts, RateSettings, ZoneSettings } from "./serving.ts";

/** Only there does the kernel spread datagrams over sockets that share a port. */
export const CAN_SHARE_PORTS: boolean = process.platform === "linux";

/** Places in a thread's statistics. */
export const STAT = { queries: 0, rateLimited: 1, hits: 2, misses: 3, bytes: 4 } as const;

export interface ThreadData {
  /** IP addresses and real ports. */
  readonly listen: readonly { readonly host: string; readonly port: number }[];
  readonly settings: ZoneSettings;
  readonly rate: RateSettings;
  /** Shared: the last durable event's index, modulo 2^32. */
  readonly index: Uint32Array;
  /** Shared, by `STAT`: written by the thread alone. */
  readonly stats: Float64Array;
  readonly closeGraceMs: number;
}

/** From a thread. */
export type ThreadMessage =
  | RegistryCall
  | { readonly type: "listening" }
  | { readonly type: "failed"; readonly code: string; readonly message: string }
  /** Of a socket, while it serves. */
  | { readonly type: "error"; readonly message: string };

/** To a thread. */
export type ThreadOrder = RegistryResult | { readonly type: "close" };

export interface UdpThreads {
  readonly counts: Readonly<DatagramCounts>;
  readonly cache: ResponderStats;
  /** Sends what is being answered, then ends the threads. The registry must be there until then. */
  close(): Promise<void>;
}

export interface UdpThreadsOptions extends Omit<ThreadData, "stats" | "index"> {
  readonly threads: number;
  readonly discovery: ClusterSource;
  readonly onError: (error: unknown) => void;
}

/** @throws EnvironmentError when a thread cannot listen. */
export async function startUdpThreads(options: UdpThreadsOptions): Promise<UdpThreads> {
  const { threads, discovery, onError, listen, settings, rate, closeGraceMs } = options;
  const index = new Uint32Array(new SharedArrayBuffer(Uint32Array.BYTES_PER_ELEMENT));
  const follow = (): void => {
    Atomics.store(index, 0, discovery.index % 2 ** 32);
  };
  follow();
  const unsubscribe = discovery.onChange(follow);

  const all = Array.from({ length: threads }, () => {
    const stats = new Float64Array(
      new SharedArrayBuffer(Object.keys(STAT).length * Float64Array.BYTES_PER_ELEMENT),
    );
    const workerData: ThreadData = { listen, settings, rate, index, stats, closeGraceMs };
    return { stats, ...startThread(workerData, discovery, onError) };
  });
  const sum = (stat: number): number => all.reduce((total, { stats }) => total + (stats[stat] ?? 0), 0);
  const close = async (): Promise<void> => {
    for (const { worker } of all) {
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
      worker.postMessage({ type: "close" } satisfies ThreadOrder);
    }
    await Promise.all(all.map(({ ended }) => ended));
    unsubscribe();
  };
  const listening = await Promise.allSettled(all.map((thread) => thread.listening));
  const failure = listening.find((outcome) => outcome.status === "rejected");
  if (failure !== undefined) {
    await close();
    throw failure.reason;
  }
  return {
    get counts() {
      return { queries: sum(STAT.queries), rateLimited: sum(STAT.rateLimited) };
    },
    get cache() {
      return { hits: sum(STAT.hits), misses: sum(STAT.misses), bytes: sum(STAT.bytes) };
    },
    close,
  };
}

interface Thread {
  readonly worker: Worker;
  readonly listening: Promise<void>;
  readonly ended: Promise<void>;
}

function startThread(
  workerData: ThreadData,
  discovery: ClusterSource,
  onError: (error: unknown) => void,
): Thread {
  // The same ending as this file: the sources are .ts, what is published is .js.
  const file = new URL(import.meta.url.replace(/udp-threads(\.\w+)(\?.*)?$/, "udp-thread$1"));
  const worker = new Worker(file, { workerData, name: "dns-udp" });
  const listening = Promise.withResolvers<void>();
  const ended = new Promise<void>((resolve) => {
    worker.once("exit", () => resolve());
  });
  worker.on("message", (message: ThreadMessage) => {
    switch (message.type) {
      case "call":
        void answerCall(worker, message, discovery, onError);
        break;
      case "listening":
        listening.resolve();
        break;
      case "failed":
        listening.reject(new EnvironmentError(message.code, message.message));
        break;
      case "error":
        onError(new EnvironmentError("socket", message.message));
        break;
      default:
        message satisfies never;
    }
  });
  // Nothing throws there but our own bugs, and those stop the process.
  worker.on("error", (error) => {
    throw error;
  });
  return { worker, listening: listening.promise, ended };
}
