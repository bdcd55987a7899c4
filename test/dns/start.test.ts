/** The whole DNS server over real sockets: what joins its parts. */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:net";
import dnsPacket from "dns-packet";
import * as fc from "fast-check";
import { describe, expect, onTestFinished, test } from "vitest";
import { type DnsOptions, type DnsServer, type Endpoint, startDns } from "../../src/dns/start.ts";
import { EnvironmentError } from "../../src/lib/errors.ts";
import { createLogger, silentLogger } from "../../src/lib/logger.ts";
import { decode, isTruncated, queryFor, rcodeOf, TcpClient, UdpClient } from "./support/ask.ts";
import { MemoryRegistry } from "./support/memory-registry.ts";

const TOKEN = "0123456789abcdef0123456789abcdef";

function optionsFor(registry: MemoryRegistry, changed: Partial<DnsOptions> = {}): DnsOptions {
  return {
    listen: [{ host: "127.0.0.1", port: 0 }],
    zones: ["discovery.internal"],
    allowedDomains: ["example.com"],
    clientPort: 2379,
    rateLimit: 0,
    udpThreads: 0,
    secondaries: [],
    allowTransfer: [],
    nameServers: [],
    nameServerAddresses: [],
    discovery: registry,
    logger: silentLogger,
    ...changed,
  };
}

async function start(
  changed: Partial<DnsOptions> = {},
): Promise<{ registry: MemoryRegistry; dns: DnsServer; at: Endpoint }> {
  const registry = new MemoryRegistry();
  registry.textbook(TOKEN, 3, "example.com");
  const dns = await startDns(optionsFor(registry, changed));
  onTestFinished(() => dns.close());
  const at = dns.addresses[0] ?? { host: "", port: 0 };
  return { registry, dns, at };
}

function udp(at: Endpoint): UdpClient {
  const client = new UdpClient(at);
  onTestFinished(() => client.close());
  return client;
}

async function tcp(at: Endpoint): Promise<TcpClient> {
  const client = await TcpClient.open(at);
  onTestFinished(() => client.close());
  return client;
}

const addressesIn = (message: Buffer | undefined): unknown[] =>
  message === undefined
    ? []
    : (decode(message).answers ?? []).map((answer) => ("data" in answer ? answer.data : undefined));

test.each(["127.0.0.1", "::1"])("UDP and TCP on %s share a port", async (host) => {
  const { at, dns } = await start({ listen: [{ host, port: 0 }] });
  expect(at.host).toBe(host);
  expect(addressesIn(await udp(at).ask(queryFor("infra0.example.com", "A")))).toEqual(["10.0.1.10"]);
  expect(addressesIn(await (await tcp(at)).ask(queryFor("infra1.example.com", "A")))).toEqual(["10.0.1.11"]);
  expect(dns.stats).toMatchObject({ udpQueries: 1, tcpQueries: 1, tcpConnections: 1 });
});

test("several addresses are served, and a name that stands for several", async () => {
  const { dns } = await start({
    listen: [
      { host: "localhost", port: 0 },
      { host: "127.0.0.2", port: 0 },
    ],
  });
  expect(dns.addresses.map(({ host }) => host)).toEqual(expect.arrayContaining(["127.0.0.1", "127.0.0.2"]));
  for (const at of dns.addresses)
    expect(addressesIn(await udp(at).ask(queryFor("infra2.example.com", "A")))).toEqual(["10.0.1.12"]);
});

test("an answer is never older than a change that was announced", async () => {
  const { registry, at } = await start();
  const token = "f".repeat(32);
  registry.create(token, 100);
  const client = udp(at);
  const query = queryFor(`_etcd-server._tcp.${token}.discovery.internal`, "SRV");
  // As many as fit into 512 bytes.
  for (let i = 1; i <= 4; i++) {
    registry.register(token, `m${i}`, `http://10.0.2.${i}:2380`);
    expect(decode(await client.ask(query)).answers).toHaveLength(i);
  }
});

test("what the registry cannot say is SERVFAIL, one line in the log, and over when it is over", async () => {
  const log: Record<string, unknown>[] = [];
  const { registry, at } = await start({
    logger: createLogger("error", (line) => log.push(JSON.parse(line) as Record<string, unknown>)),
  });
  registry.broken = new EnvironmentError("EIO", "disk on fire");
  const client = udp(at);
  for (let i = 0; i < 5; i++) expect(rcodeOf(await client.ask(queryFor("infra0.example.com", "A")))).toBe(2);
  expect(log).toMatchObject([{ msg: "failed to answer DNS queries", error: "disk on fire" }]);
  registry.broken = undefined;
  expect(addressesIn(await client.ask(queryFor("infra0.example.com", "A")))).toEqual(["10.0.1.10"]);
});

test("a registry that fails in a transfer breaks it off", async () => {
  const { registry, at } = await start({ allowTransfer: ["127.0.0.1"] });
  registry.broken = new EnvironmentError("EIO", "disk on fire");
  const client = await tcp(at);
  expect(await client.ask(queryFor("example.com", "AXFR"))).toBeUndefined();
});

test("beyond the rate UDP answers are empty and truncated, and TCP is as ever", async () => {
  const { dns, at } = await start({ rateLimit: 5 });
  const client = udp(at);
  let limited = 0;
  for (let i = 0; i < 50; i++) {
    const query = queryFor("infra0.example.com", "A");
    const answer = await client.ask(query);
    expect(answer.readUInt16BE(0)).toBe(query.readUInt16BE(0));
    if (!isTruncated(answer)) continue;
    limited++;
    expect(answer.length).toBe(query.length);
    expect(decode(answer).questions).toMatchObject([{ name: "infra0.example.com", type: "A" }]);
  }
  // Five at once, and five for each second that the test may have taken.
  expect(limited).toBeGreaterThan(20);
  expect(dns.stats.rateLimited).toBe(limited);
  expect(addressesIn(await (await tcp(at)).ask(queryFor("infra0.example.com", "A")))).toEqual(["10.0.1.10"]);
});

test("a limited query with EDNS is told so with EDNS; what is malformed, that it is", async () => {
  const { at } = await start({ rateLimit: 1 });
  const client = udp(at);
  await client.ask(queryFor("infra0.example.com", "A"));
  const opt = {
    type: "OPT" as const,
    name: ".",
    udpPayloadSize: 4096,
    extendedRcode: 0,
    ednsVersion: 0,
    flags: 0,
    flag_do: false,
    options: [],
  };
  const query = dnsPacket.encode({
    type: "query",
    id: 1,
    questions: [{ name: "infra0.example.com", type: "A" }],
    additionals: [opt],
  });
  const limited = await client.ask(query);
  expect(isTruncated(limited)).toBe(true);
  expect(decode(limited).additionals).toMatchObject([{ type: "OPT" }]);
  expect(rcodeOf(await client.ask(queryFor("infra0.example.com", "A").subarray(0, 20)))).toBe(1);
});

describe("NOTIFY", () => {
  const notifyFor = (name: string): Buffer => {
    const message = queryFor(name, "SOA");
    message.writeUInt16BE(0x2400, 2);
    return message;
  };

  test.each([
    ["example.com", 0],
    ["other.example", 9],
  ])("for %s gets rcode %d", async (name, rcode) => {
    const { at } = await start();
    const answer = await udp(at).ask(notifyFor(name));
    expect(rcodeOf(answer)).toBe(rcode);
    expect((answer.readUInt16BE(2) >> 11) & 31).toBe(16 + 4);
  });

  test("secondaries are told of all zones at the start, and of changes", async () => {
    const secondary = createSocket("udp4");
    secondary.bind(0, "127.0.0.1");
    await once(secondary, "listening");
    onTestFinished(() => {
      secondary.close();
    });
    const serials = new Map<string, number>();
    secondary.on("message", (message, from) => {
      const [soa] = decode(message).answers ?? [];
      if (soa?.type === "SOA") serials.set(soa.name, soa.data.serial ?? 0);
      message.writeUInt16BE(0xa400, 2);
      secondary.send(message, from.port, from.address);
    });
    const { registry } = await start({
      secondaries: [{ host: "127.0.0.1", port: secondary.address().port }],
    });
    while (serials.size < 2) await once(secondary, "message");
    registry.create("e".repeat(32), 3);
    while (serials.get("discovery.internal") !== registry.index) await once(secondary, "message");
    // Another zone has nothing of that cluster.
    expect(serials.get("example.com")).toBeLessThan(registry.index);
  });
});

describe("addresses that cannot be listened on", () => {
  test("a port in use by TCP alone", async () => {
    const other = createServer();
    other.listen(0, "127.0.0.1");
    await once(other, "listening");
    onTestFinished(() => {
      other.close();
    });
    const address = other.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const starting = startDns(optionsFor(new MemoryRegistry(), { listen: [{ host: "127.0.0.1", port }] }));
    await expect(starting).rejects.toThrow(`--listen-dns 127.0.0.1:${port} (TCP): the port is in use`);
  });

  test("a port in use by another server; the first address is given back", async () => {
    const { at } = await start();
    const registry = new MemoryRegistry();
    const starting = startDns(optionsFor(registry, { listen: [{ host: "127.0.0.3", port: at.port }, at] }));
    await expect(starting).rejects.toThrow(EnvironmentError);
    expect(registry.listeners).toBe(0);
    const next = await startDns(optionsFor(registry, { listen: [{ host: "127.0.0.3", port: at.port }] }));
    await next.close();
  });

  test("an address of another machine", async () => {
    const starting = startDns(optionsFor(new MemoryRegistry(), { listen: [{ host: "192.0.2.1", port: 0 }] }));
    await expect(starting).rejects.toThrow(
      "--listen-dns 192.0.2.1:0 (UDP): this machine does not have that address",
    );
  });

  test("a name that nobody knows", async () => {
    const starting = startDns(
      optionsFor(new MemoryRegistry(), { listen: [{ host: "no-such-host.invalid", port: 0 }] }),
    );
    await expect(starting).rejects.toThrow(
      '--listen-dns: "no-such-host.invalid" is neither an IP address nor a name',
    );
  });
});

test("any datagrams whatever: those after them are answered", { timeout: 120_000 }, async () => {
  const { at } = await start();
  const client = udp(at);
  const valid = queryFor("infra0.example.com", "A", 0xbeef);
  const mutated = fc
    .tuple(
      fc.constantFrom(valid, queryFor("example.com", "SOA"), queryFor("x.discovery.internal", "TXT")),
      fc.array(fc.tuple(fc.nat(60), fc.nat(255)), { maxLength: 6 }),
      fc.nat(60),
    )
    .map(([base, changes, length]) => {
      const message = Buffer.concat([base, Buffer.alloc(20)]).subarray(0, Math.max(length, 8));
      for (const [place, byte] of changes) if (place < message.length) message[place] = byte;
      return message;
    });
  const datagrams = fc.oneof(mutated, fc.uint8Array({ maxLength: 600 }));
  const rounds = fc.array(datagrams, { minLength: 100, maxLength: 100 });
  let sent = 0;
  for (const round of fc.sample(rounds, 300)) {
    for (const datagram of round) {
      await client.send(datagram);
      sent++;
    }
    await client.send(valid);
    // Only this id is ours; mutations of it may be answered too.
    for (
      let answer = await client.next();
      answer.readUInt16BE(0) !== 0xbeef || rcodeOf(answer) !== 0 || addressesIn(answer)[0] !== "10.0.1.10";
    )
      answer = await client.next();
  }
  expect(sent).toBe(30_000);
});

test("any bytes whatever over TCP: other connections are served", async () => {
  const { at, dns } = await start();
  for (const bytes of fc.sample(fc.uint8Array({ minLength: 1, maxLength: 3000 }), 500)) {
    const client = await TcpClient.open(at);
    client.socket.write(bytes);
    client.socket.end();
    await client.ended;
    client.close();
  }
  expect(addressesIn(await (await tcp(at)).ask(queryFor("infra0.example.com", "A")))).toEqual(["10.0.1.10"]);
  expect(dns.stats.tcpConnections).toBe(1);
});

test("closing ends everything: sockets, the registry's listeners, and it can start again on the same port", async () => {
  const registry = new MemoryRegistry();
  const first = await startDns(optionsFor(registry));
  const [at] = first.addresses;
  const idle = await TcpClient.open(at ?? { host: "", port: 0 });
  await first.close();
  expect(await idle.next()).toBeUndefined();
  expect(registry.listeners).toBe(0);
  const again = await startDns(optionsFor(registry, { listen: first.addresses }));
  expect(again.addresses).toEqual(first.addresses);
  await again.close();
  idle.close();
});
