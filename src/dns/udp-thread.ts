/**
 * A thread that answers UDP, started by udp-threads.ts. It has sockets of its own on the same addresses as its
 * siblings (the kernel deals the clients out), kept answers of its own, and asks the first thread for clusters.
 */
import { parentPort, workerData } from "node:worker_threads";
import { must } from "../lib/assert.ts";
import { bindUdp, codeOf } from "./bind.ts";
import { RemoteRegistry } from "./registry-port.ts";
import { createUdpServer } from "./server-udp.ts";
import { createDatagramAnswer, createServingResponder, respondAlways } from "./serving.ts";
import { STAT, type ThreadData, type ThreadMessage, type ThreadOrder } from "./udp-threads.ts";

/** How old the numbers about kept answers may be. */
const STATS_INTERVAL_MS = 250;

const port = must(parentPort, () => "this file is a thread, not a program");
const { listen, settings, rate, index, stats, closeGraceMs } = workerData as ThreadData;
const say = (message: ThreadMessage): void => port.postMessage(message);

const registry = new RemoteRegistry(port, index);
const responder = createServingResponder(settings, registry);
// Why the registry could not be read is in the log already, by the thread that tried.
const respond = respondAlways(responder, () => {});
const counts = {
  get queries(): number {
    return stats[STAT.queries] ?? 0;
  },
  set queries(value: number) {
    stats[STAT.queries] = value;
  },
  get rateLimited(): number {
    return stats[STAT.rateLimited] ?? 0;
  },
  set rateLimited(value: number) {
    stats[STAT.rateLimited] = value;
  },
};
const answer = createDatagramAnswer(respond, rate, counts);
const servers = listen.map(({ host }) => createUdpServer(host, answer, { shared: true }));

const timer = setInterval(() => {
  const { hits, misses, bytes } = responder.stats;
  stats[STAT.hits] = hits;
  stats[STAT.misses] = misses;
  stats[STAT.bytes] = bytes;
}, STATS_INTERVAL_MS);

async function close(): Promise<void> {
  clearInterval(timer);
  await Promise.all(servers.map((server) => server.close(closeGraceMs)));
  port.close();
}

port.on("message", (order: ThreadOrder) => {
  if (order.type === "close") void close();
  else registry.take(order);
});

try {
  for (const [i, { host, port: wanted }] of listen.entries()) {
    const { socket } = must(servers[i], () => "a server for each address");
    await bindUdp(socket, host, wanted);
    socket.on("error", (error) => say({ type: "error", message: error.message }));
  }
  say({ type: "listening" });
} catch (error) {
  say({
    type: "failed",
    code: codeOf(error),
    message: error instanceof Error ? error.message : String(error),
  });
}
