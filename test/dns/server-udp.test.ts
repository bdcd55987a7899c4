import { describe, expect, onTestFinished, test } from "vitest";
import { bindUdp } from "../../src/dns/bind.ts";
import { type AnswerDatagram, createUdpServer, type UdpServer } from "../../src/dns/server-udp.ts";
import { UdpClient } from "./support/ask.ts";

async function serve(host: string, answer: AnswerDatagram): Promise<{ udp: UdpServer; client: UdpClient }> {
  const udp = createUdpServer(host, answer);
  const port = await bindUdp(udp.socket, host, 0);
  const client = new UdpClient({ host, port });
  onTestFinished(() => client.close());
  return { udp, client };
}

describe.each(["127.0.0.1", "::1"])("on %s", (host) => {
  test("answers come back to who asked, at once or later, and silence where there is none", async () => {
    const { udp, client } = await serve(host, (query, from) => {
      expect(from).toBe(host);
      if (query[0] === 0) return undefined;
      return query[0] === 1 ? Promise.resolve(Buffer.from("later")) : Buffer.from("at once");
    });
    onTestFinished(() => udp.close(0));
    await client.send(Buffer.of(0));
    expect(String(await client.ask(Buffer.of(1)))).toBe("later");
    expect(String(await client.ask(Buffer.of(2)))).toBe("at once");
    expect(client.waiting).toBe(0);
  });
});

test("closing sends what is being answered", async () => {
  const slow = Promise.withResolvers<Buffer>();
  const asked = Promise.withResolvers<void>();
  const { udp, client } = await serve("127.0.0.1", () => {
    asked.resolve();
    return slow.promise;
  });
  await client.send(Buffer.of(1));
  await asked.promise;
  const closed = udp.close(60_000);
  slow.resolve(Buffer.from("answer"));
  await closed;
  expect(String(await client.next())).toBe("answer");
});

test("an answer that comes after the end is dropped", async () => {
  const slow = Promise.withResolvers<Buffer>();
  const asked = Promise.withResolvers<void>();
  const { udp, client } = await serve("127.0.0.1", () => {
    asked.resolve();
    return slow.promise;
  });
  await client.send(Buffer.of(1));
  await asked.promise;
  await udp.close(0);
  slow.resolve(Buffer.from("too late"));
  await slow.promise;
  expect(client.waiting).toBe(0);
});

test("a datagram that says it comes from port 0 is not answered, and does no harm", async () => {
  const { udp, client } = await serve("127.0.0.1", (query) => query);
  onTestFinished(() => udp.close(0));
  udp.socket.emit("message", Buffer.of(9), { address: "127.0.0.1", family: "IPv4", port: 0, size: 1 });
  expect([...(await client.ask(Buffer.of(1)))]).toEqual([1]);
});

test("an answer too large for a datagram is lost, and the next one is not", async () => {
  const { udp, client } = await serve("127.0.0.1", (query) =>
    query[0] === 1 ? Buffer.alloc(65_535) : query,
  );
  onTestFinished(() => udp.close(0));
  await client.send(Buffer.of(1));
  expect([...(await client.ask(Buffer.of(2)))]).toEqual([2]);
});
