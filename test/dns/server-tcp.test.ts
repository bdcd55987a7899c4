/** What TCP clients do, and what they may do: RFC 7766, and abuse. */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { type AnswerStream, createTcpServer, TCP_LIMITS, type TcpServer } from "../../src/dns/server-tcp.ts";
import { TcpClient, withLength } from "./support/ask.ts";

interface Running {
  readonly tcp: TcpServer;
  readonly errors: unknown[];
  readonly open: () => Promise<TcpClient>;
}

async function serve(answer: AnswerStream, limits: Partial<typeof TCP_LIMITS> = {}): Promise<Running> {
  const errors: unknown[] = [];
  const tcp = createTcpServer(answer, (error) => errors.push(error), { ...TCP_LIMITS, ...limits });
  tcp.server.listen(0, "127.0.0.1");
  await once(tcp.server, "listening");
  onTestFinished(() => tcp.close(0));
  const { port } = tcp.server.address() as AddressInfo;
  const open = async (): Promise<TcpClient> => {
    const client = await TcpClient.open({ host: "127.0.0.1", port });
    onTestFinished(() => client.close());
    return client;
  };
  return { tcp, errors, open };
}

/** Messages of at least a header's length that tell each other apart. */
const numbered = (i: number, bytes = 16): Buffer => {
  const message = Buffer.alloc(bytes, i);
  message.writeUInt32BE(i, 0);
  return message;
};
/** Lets the sockets of this process work. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const echo: AnswerStream = (query) => query;

test("many pipelined queries are all answered", async () => {
  const client = await (await serve(echo)).open();
  const queries = Array.from({ length: 5000 }, (_value, i) => numbered(i));
  client.write(...queries);
  for (const query of queries) expect(await client.next()).toEqual(query);
});

test("a query that comes byte by byte is answered", async () => {
  const client = await (await serve(echo)).open();
  for (const byte of withLength(numbered(7))) {
    client.socket.write(Buffer.of(byte));
    await turn();
  }
  expect(await client.next()).toEqual(numbered(7));
});

test("answers may overtake each other", async () => {
  const slow = Promise.withResolvers<Buffer>();
  const { open } = await serve((query) => (query[3] === 1 ? slow.promise : query));
  const client = await open();
  client.write(numbered(1), numbered(2));
  expect(await client.next()).toEqual(numbered(2));
  slow.resolve(numbered(1));
  expect(await client.next()).toEqual(numbered(1));
});

test("after a half-close everything asked is still answered, then we close too", async () => {
  const slow = Promise.withResolvers<Buffer>();
  const { open } = await serve((query) => (query[3] === 1 ? slow.promise : query));
  const client = await open();
  client.write(numbered(1), numbered(2));
  client.socket.end();
  expect(await client.next()).toEqual(numbered(2));
  slow.resolve(numbered(1));
  expect(await client.next()).toEqual(numbered(1));
  expect(await client.next()).toBeUndefined();
  expect(await client.ended).toBe("end");
});

test.each([
  ["an empty message", Buffer.of(0, 0)],
  ["a message shorter than a header", withLength(Buffer.alloc(11))],
])("%s ends the connection, after the answers before it", async (_name, garbage) => {
  const { open } = await serve(echo);
  const client = await open();
  client.socket.write(Buffer.concat([withLength(numbered(1)), garbage, withLength(numbered(2))]));
  expect(await client.next()).toEqual(numbered(1));
  expect(await client.next()).toBeUndefined();
  expect(await client.ended).toBe("end");
});

test("HTTP spoken to the wrong port ends with the idle time, and is not answered", async () => {
  const { open } = await serve(echo, { idleMs: 50 });
  const client = await open();
  client.socket.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  expect(await client.next()).toBeUndefined();
});

test("what deserves no answer gets none, and the next query its own", async () => {
  const { open } = await serve((query) => (query[3] === 1 ? undefined : query));
  const client = await open();
  client.write(numbered(1), numbered(2));
  expect(await client.next()).toEqual(numbered(2));
});

test("a connection without a whole query is closed, also when bytes keep trickling in", async () => {
  const { tcp, open } = await serve(echo, { idleMs: 50 });
  const client = await open();
  const trickle = setInterval(() => client.socket.write(Buffer.of(0)), 5);
  onTestFinished(() => clearInterval(trickle));
  client.socket.write(Buffer.of(0xff, 0xff));
  await client.ended;
  clearInterval(trickle);
  expect(tcp.connections).toBe(0);
});

test("a connection that is used stays open beyond the idle time", async () => {
  const { open } = await serve(echo, { idleMs: 100 });
  const client = await open();
  const startedAt = performance.now();
  for (let i = 0; performance.now() - startedAt < 400; i++) {
    expect(await client.ask(numbered(i))).toEqual(numbered(i));
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
});

test("who does not read is not read from any more, and is closed in the end", async () => {
  const asked = Promise.withResolvers<void>();
  let answered = 0;
  const { tcp, open } = await serve(
    () => {
      asked.resolve();
      answered++;
      return Buffer.alloc(60_000);
    },
    { idleMs: 300 },
  );
  const client = await open();
  client.socket.pause();
  const queries = 20_000;
  client.write(...Array.from({ length: queries }, (_value, i) => numbered(i)));
  await asked.promise;
  while (tcp.connections > 0) await turn();
  // What fits the socket buffers of both sides is a small part of 1.2 GB.
  expect(answered).toBeLessThan(queries / 10);
});

test("queries that wait for answers are bounded, and all are answered in the end", async () => {
  const waiting: (() => void)[] = [];
  const { open } = await serve(
    (query) =>
      new Promise((resolve) => {
        waiting.push(() => resolve(query));
      }),
    { inFlightMax: 4 },
  );
  const client = await open();
  client.write(...Array.from({ length: 20 }, (_value, i) => numbered(i)));
  const seen = new Set<number>();
  while (seen.size < 20) {
    while (waiting.length === 0) await turn();
    expect(waiting.length).toBeLessThanOrEqual(4);
    for (const answer of waiting.splice(0)) {
      answer();
      seen.add((await client.next())?.readUInt32BE(0) ?? -1);
    }
  }
});

test("one client has a bounded number of connections", async () => {
  const { tcp, open } = await serve(echo, { connectionsPerClientMax: 3 });
  const clients = [await open(), await open(), await open()];
  for (const client of clients) expect(await client.ask(numbered(1))).toEqual(numbered(1));
  const fourth = await open();
  expect(await fourth.next()).toBeUndefined();
  expect(tcp.connections).toBe(3);
  clients[0]?.close();
  while (tcp.connections === 3) await turn();
  expect(await (await open()).ask(numbered(2))).toEqual(numbered(2));
});

test("when there are too many connections, the quietest makes room", async () => {
  const { tcp, open } = await serve(echo, { connectionsMax: 2 });
  const first = await open();
  await first.ask(numbered(1));
  const second = await open();
  await second.ask(numbered(2));
  await first.ask(numbered(3));
  const third = await open();
  expect(await third.ask(numbered(4))).toEqual(numbered(4));
  expect(await second.next()).toBeUndefined();
  expect(await first.ask(numbered(5))).toEqual(numbered(5));
  expect(tcp.connections).toBe(2);
});

test("a stream of messages keeps to the pace of its reader, and ends when he goes", async () => {
  let sent = 0;
  const returned = Promise.withResolvers<void>();
  async function* endless(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        sent++;
        yield await Promise.resolve(Buffer.alloc(60_000));
      }
    } finally {
      returned.resolve();
    }
  }
  const { open, errors } = await serve(() => endless());
  const client = await open();
  client.write(numbered(1));
  await client.next();
  client.socket.pause();
  let before = -1;
  while (before !== sent) {
    before = sent;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  expect(sent).toBeLessThan(1000);
  client.close();
  await returned.promise;
  expect(errors).toEqual([]);
});

test("a stream that fails breaks the connection, and is reported", async () => {
  async function* failing(): AsyncGenerator<Uint8Array> {
    yield await Promise.resolve(numbered(1));
    throw new Error("disk on fire");
  }
  const { open, errors } = await serve(() => failing());
  const client = await open();
  expect(await client.ask(numbered(1))).toEqual(numbered(1));
  expect(await client.next()).toBeUndefined();
  expect(errors).toEqual([new Error("disk on fire")]);
});

test("closing answers what is in flight, and cuts off who does not go", async () => {
  const slow = Promise.withResolvers<Buffer>();
  const asked = Promise.withResolvers<void>();
  const { tcp, open } = await serve(() => {
    asked.resolve();
    return slow.promise;
  });
  const stubborn = await open();
  const client = await open();
  client.write(numbered(1));
  await asked.promise;
  const closed = tcp.close(500);
  slow.resolve(numbered(1));
  expect(await client.next()).toEqual(numbered(1));
  expect(await client.next()).toBeUndefined();
  expect(await stubborn.next()).toBeUndefined();
  await closed;
  expect(tcp.connections).toBe(0);
});
