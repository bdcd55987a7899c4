/** Several threads answer UDP as one: nobody can tell, least of all by a stale answer. */
import { expect, onTestFinished, test } from "vitest";
import { type DnsOptions, type DnsServer, type Endpoint, startDns } from "../../src/dns/start.ts";
import { EnvironmentError } from "../../src/lib/errors.ts";
import { createLogger, silentLogger } from "../../src/lib/logger.ts";
import { decode, isTruncated, queryFor, rcodeOf, TcpClient, UdpClient } from "./support/ask.ts";
import { MemoryRegistry } from "./support/memory-registry.ts";

const TOKEN = "0123456789abcdef0123456789abcdef";
/** From as many ports that no thread is left out. */
const CLIENTS = 16;

function optionsFor(registry: MemoryRegistry, changed: Partial<DnsOptions> = {}): DnsOptions {
  return {
    listen: [{ host: "127.0.0.1", port: 0 }],
    zones: ["discovery.internal"],
    allowedDomains: ["example.com"],
    clientPort: 2379,
    rateLimit: 0,
    udpThreads: 2,
    secondaries: [],
    allowTransfer: [],
    nameServers: [],
    nameServerAddresses: [],
    discovery: registry,
    logger: silentLogger,
    ...changed,
  };
}

interface Running {
  readonly registry: MemoryRegistry;
  readonly dns: DnsServer;
  readonly at: Endpoint;
  readonly clients: readonly UdpClient[];
}

async function start(changed: Partial<DnsOptions> = {}): Promise<Running> {
  const registry = new MemoryRegistry();
  registry.textbook(TOKEN, 3, "example.com");
  const dns = await startDns(optionsFor(registry, changed));
  onTestFinished(() => dns.close());
  const at = dns.addresses[0] ?? { host: "", port: 0 };
  const clients = Array.from({ length: CLIENTS }, () => new UdpClient(at));
  onTestFinished(() => {
    for (const client of clients) client.close();
  });
  return { registry, dns, at, clients };
}

test("no thread gives an answer older than a change that was announced", async () => {
  const { registry, clients } = await start();
  for (let round = 0; round < 50; round++) {
    const token = round.toString(16).padStart(32, "0");
    registry.create(token, 4);
    const query = queryFor(`_etcd-server._tcp.${token}.discovery.internal`, "SRV");
    for (let members = 1; members <= 3; members++) {
      // What was there before is kept by every thread when the change comes.
      await Promise.all(clients.map((client) => client.ask(query)));
      registry.register(token, `m${members}`, `http://10.0.2.${members}:2380`);
      const answers = await Promise.all(clients.map((client) => client.ask(query)));
      expect(answers.map((answer) => decode(answer).answers?.length)).toEqual(clients.map(() => members));
    }
  }
});

test("the serial is everywhere the last event's", async () => {
  const { registry, clients } = await start();
  for (let i = 0; i < 20; i++) {
    registry.create((0xa000 + i).toString(16).padStart(32, "0"), 3);
    const answers = await Promise.all(
      clients.map((client) => client.ask(queryFor("discovery.internal", "SOA"))),
    );
    for (const answer of answers)
      expect(decode(answer).answers).toMatchObject([{ data: { serial: registry.index } }]);
  }
});

test("what the registry cannot say is SERVFAIL, with a line in the log, and over when it is over", async () => {
  const log: Record<string, unknown>[] = [];
  const logger = createLogger("error", (line) => log.push(JSON.parse(line) as Record<string, unknown>));
  const { registry, clients } = await start({ logger });
  registry.broken = new EnvironmentError("EIO", "disk on fire");
  const query = queryFor("infra0.example.com", "A");
  const failed = await Promise.all(clients.map((client) => client.ask(query)));
  expect(failed.map(rcodeOf)).toEqual(clients.map(() => 2));
  expect(log).toMatchObject([{ msg: "failed to answer DNS queries", error: "disk on fire" }]);
  registry.broken = undefined;
  const found = await Promise.all(clients.map((client) => client.ask(query)));
  expect(found.map(rcodeOf)).toEqual(clients.map(() => 0));
});

test("a client network has one rate, whichever thread it reaches", async () => {
  const { dns, clients } = await start({ rateLimit: 10 });
  const startedAt = Date.now();
  let whole = 0;
  for (let round = 0; round < 10; round++) {
    const answers = await Promise.all(
      clients.map((client) => client.ask(queryFor("infra0.example.com", "A"))),
    );
    whole += answers.filter((answer) => !isTruncated(answer)).length;
  }
  const seconds = Math.ceil((Date.now() - startedAt) / 1000);
  // One more for each thread that counts in the same instant as another.
  expect(whole).toBeGreaterThanOrEqual(10);
  expect(whole).toBeLessThanOrEqual(10 + seconds * 10 + 10);
  expect(dns.stats).toMatchObject({ udpQueries: 10 * CLIENTS, rateLimited: 10 * CLIENTS - whole });
});

test("a port in use is found out, though threads share theirs", async () => {
  const { at } = await start();
  const second = startDns(optionsFor(new MemoryRegistry(), { listen: [at] }));
  await expect(second).rejects.toThrow(`--listen-dns 127.0.0.1:${at.port} (UDP): the port is in use`);
});

test("closing ends the threads: the port is free again, and so is the registry", async () => {
  const registry = new MemoryRegistry();
  const first = await startDns(optionsFor(registry));
  const at = first.addresses[0] ?? { host: "", port: 0 };
  const idle = await TcpClient.open(at);
  await first.close();
  expect(await idle.next()).toBeUndefined();
  idle.close();
  expect(registry.listeners).toBe(0);
  const alone = await startDns(optionsFor(registry, { listen: [at], udpThreads: 0 }));
  await alone.close();
});
