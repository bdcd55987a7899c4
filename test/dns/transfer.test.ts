/** AXFR and IXFR: who gets them, what is in them, and that they are one moment (RFC 5936, RFC 1995). */
import dnsPacket, { type Answer } from "dns-packet";
import { describe, expect, onTestFinished, test } from "vitest";
import { createNetworks } from "../../src/dns/networks.ts";
import { createResponder } from "../../src/dns/responder.ts";
import { snapshotting } from "../../src/dns/snapshot.ts";
import { createTransfers, type Transfers } from "../../src/dns/transfer.ts";
import { createLogger } from "../../src/lib/logger.ts";
import { decode, queryFor, rcodeOf } from "./support/ask.ts";
import { MemoryRegistry } from "./support/memory-registry.ts";

const TOKEN = "0123456789abcdef0123456789abcdef";
const SECONDARY = "192.0.2.53";

interface Primary {
  readonly registry: MemoryRegistry;
  readonly transfers: Transfers;
  readonly log: readonly Record<string, unknown>[];
}

function primary(registry = new MemoryRegistry()): Primary {
  const log: Record<string, unknown>[] = [];
  const responder = createResponder({
    zones: ["discovery.internal"],
    allowedDomains: ["example.com"],
    clientPort: 2379,
    nameServers: [],
    nameServerAddresses: [],
    discovery: snapshotting(registry),
  });
  onTestFinished(() => responder.close());
  const logger = createLogger("info", (line) => log.push(JSON.parse(line) as Record<string, unknown>));
  const transfers = createTransfers({ responder, allowed: createNetworks([SECONDARY]), logger });
  return { registry, transfers, log };
}

/** All messages of an answer that must be a transfer. */
async function messagesOf(answer: ReturnType<Transfers["answer"]>): Promise<Buffer[]> {
  if (answer === undefined || answer instanceof Uint8Array) throw new Error("this is not a transfer");
  const messages: Buffer[] = [];
  for await (const message of answer) messages.push(Buffer.from(message));
  return messages;
}

/** One message that is not a transfer. */
function messageOf(answer: ReturnType<Transfers["answer"]>): Buffer {
  if (!(answer instanceof Uint8Array)) throw new Error("this is not one message");
  return Buffer.from(answer);
}

const recordsOf = (messages: readonly Buffer[]): Answer[] =>
  messages.flatMap((message) => decode(message).answers ?? []);
const show = (record: Answer): string => {
  if (record.type === "SOA") return `${record.name} SOA ${record.data.serial}`;
  if (record.type === "SRV") return `${record.name} SRV ${record.data.port} ${record.data.target}`;
  const data = "data" in record ? record.data : undefined;
  return `${record.name} ${record.type} ${Array.isArray(data) ? data.join(",") : JSON.stringify(data)}`;
};

test("an AXFR has the SOA first and last, and every record between", async () => {
  const { registry, transfers, log } = primary();
  registry.textbook(TOKEN, 2, "example.com");
  const query = queryFor("EXAMPLE.com", "AXFR", 77);
  const messages = await messagesOf(transfers.answer(query, SECONDARY));
  expect(messages).toHaveLength(1);
  expect(messages[0]?.readUInt16BE(0)).toBe(77);
  // QR, AA; no error.
  expect(messages[0]?.readUInt16BE(2)).toBe(0x8400);
  expect(recordsOf(messages).map(show)).toEqual([
    "example.com SOA 4",
    'example.com NS "ns.example.com"',
    "example.com TXT size=2,registered=2,sealed=true",
    "_etcd-server._tcp.example.com SRV 2380 infra0.example.com",
    "_etcd-server._tcp.example.com SRV 2380 infra1.example.com",
    "_etcd-client._tcp.example.com SRV 2379 infra0.example.com",
    "_etcd-client._tcp.example.com SRV 2379 infra1.example.com",
    'infra0.example.com A "10.0.1.10"',
    'infra1.example.com A "10.0.1.11"',
    "example.com SOA 4",
  ]);
  expect(transfers.completed).toBe(1);
  expect(log).toMatchObject([
    { msg: "transferred a zone", zone: "example.com", to: SECONDARY, serial: 4, records: 10 },
  ]);
});

test("a large zone comes in several messages, each with the id, the question in the first", async () => {
  const { registry, transfers } = primary();
  const clusters = 400;
  for (let i = 0; i < clusters; i++) registry.textbook(i.toString(16).padStart(32, "0"), 3);
  const messages = await messagesOf(transfers.answer(queryFor("discovery.internal", "AXFR", 9), SECONDARY));
  expect(messages.length).toBeGreaterThan(2);
  for (const message of messages) {
    expect(message.readUInt16BE(0)).toBe(9);
    expect(message.readUInt16BE(2)).toBe(0x8400);
  }
  expect(messages.map((message) => decode(message).questions?.length)).toEqual([
    1,
    ...messages.slice(1).map(() => 0),
  ]);
  const records = recordsOf(messages);
  expect(records.filter(({ type }) => type === "SRV")).toHaveLength(clusters * 6);
  expect(records.filter(({ type }) => type === "SOA")).toHaveLength(2);
  expect(records.at(-1)?.type).toBe("SOA");
});

test("one name with a thousand members fits, in pieces", async () => {
  const { registry, transfers } = primary();
  const token = "f".repeat(32);
  registry.create(token, 1000);
  for (let i = 0; i < 1000; i++)
    registry.register(token, `m${i}`, `http://${"long-host-name-".repeat(4)}${i}.example.net:2380`);
  const records = recordsOf(
    await messagesOf(transfers.answer(queryFor("discovery.internal", "AXFR"), SECONDARY)),
  );
  expect(records.filter(({ type, name }) => type === "SRV" && name.startsWith("_etcd-server"))).toHaveLength(
    1000,
  );
});

test("what is registered during a transfer is in the next one", async () => {
  const { registry, transfers } = primary();
  registry.textbook("a".repeat(32), 1);
  registry.textbook("b".repeat(32), 1);
  let left = 1;
  registry.beforeEach = () => {
    if (left-- > 0) registry.register("b".repeat(32), "late", "http://10.0.1.99:2380");
  };
  const query = queryFor("discovery.internal", "AXFR");
  const first = recordsOf(await messagesOf(transfers.answer(query, SECONDARY))).map(show);
  expect(first.at(0)).toBe("discovery.internal SOA 5");
  expect(first.at(-1)).toBe("discovery.internal SOA 5");
  expect(first.join("\n")).toContain("registered=1");
  const next = recordsOf(await messagesOf(transfers.answer(query, SECONDARY))).map(show);
  expect(next.at(0)).toBe("discovery.internal SOA 6");
});

describe("who may transfer", () => {
  test("strangers are refused, and the log says what would let them", () => {
    const { transfers, log } = primary();
    const refused = messageOf(transfers.answer(queryFor("example.com", "AXFR"), "198.51.100.1"));
    expect(rcodeOf(refused)).toBe(5);
    expect(decode(refused).questions).toMatchObject([{ name: "example.com", type: "AXFR" }]);
    expect(log).toMatchObject([
      {
        level: "warn",
        from: "198.51.100.1",
        cure: expect.stringContaining("--dns-allow-transfer") as string,
      },
    ]);
  });

  test("strangers cannot find out which zones there are", () => {
    const { transfers } = primary();
    expect(rcodeOf(messageOf(transfers.answer(queryFor("other.example", "AXFR"), "198.51.100.1")))).toBe(5);
  });

  test.each(["other.example", "below.example.com", "com", "."])("there is no zone %s", (name) => {
    const { transfers } = primary();
    expect(rcodeOf(messageOf(transfers.answer(queryFor(name, "AXFR"), SECONDARY)))).toBe(9);
  });

  test("a label that holds a dot is not two labels", () => {
    const { transfers } = primary();
    const query = queryFor("example-com", "AXFR");
    query[12 + 1 + "example".length] = ".".charCodeAt(0);
    expect(rcodeOf(messageOf(transfers.answer(query, SECONDARY)))).toBe(9);
  });

  test("there is a bound on transfers at a time, and it is lifted when one ends", async () => {
    const { transfers } = primary();
    const query = queryFor("example.com", "AXFR");
    const running = Array.from({ length: 10 }, () => {
      const answer = transfers.answer(query, SECONDARY);
      if (answer === undefined || answer instanceof Uint8Array) throw new Error("this is not a transfer");
      return answer[Symbol.asyncIterator]();
    });
    for (const transfer of running) await transfer.next();
    expect(rcodeOf(messageOf(transfers.answer(query, SECONDARY)))).toBe(2);
    await running[0]?.return?.();
    expect(await messagesOf(transfers.answer(query, SECONDARY))).toHaveLength(1);
  });
});

test("with EDNS in the query there is EDNS in every message", async () => {
  const { transfers } = primary();
  const query = dnsPacket.encode({
    type: "query",
    id: 5,
    questions: [{ name: "example.com", type: "AXFR" }],
    additionals: [
      {
        type: "OPT",
        name: ".",
        udpPayloadSize: 1232,
        extendedRcode: 0,
        ednsVersion: 0,
        flags: 0,
        flag_do: false,
        options: [],
      },
    ],
  });
  const messages = await messagesOf(transfers.answer(query, SECONDARY));
  expect(messages.map((message) => decode(message).additionals)).toMatchObject([
    [{ type: "OPT", udpPayloadSize: 1232 }],
  ]);
  expect(recordsOf(messages)).toHaveLength(3);
});

describe("IXFR", () => {
  const ixfr = (serial: number): Buffer =>
    dnsPacket.encode({
      type: "query",
      id: 6,
      questions: [{ name: "example.com", type: "IXFR" }],
      authorities: [
        {
          type: "SOA",
          name: "example.com",
          data: { mname: "ns.example.com", rname: "x.example.com", serial },
        },
      ],
    });

  test.each([
    ["the same serial", 4],
    ["a later serial", 5],
  ])("a client with %s is told that it is current", (_name, serial) => {
    const { registry, transfers } = primary();
    registry.textbook(TOKEN, 2, "example.com");
    const answers = decode(messageOf(transfers.answer(ixfr(serial), SECONDARY))).answers ?? [];
    expect(answers.map(show)).toEqual(["example.com SOA 4"]);
  });

  test.each([
    ["an earlier serial", ixfr(3)],
    ["a serial beyond the middle of the circle", ixfr(0x9000_0000)],
    ["no serial", queryFor("example.com", "IXFR")],
  ])("a client with %s gets the whole zone", async (_name, query) => {
    const { registry, transfers } = primary();
    registry.textbook(TOKEN, 2, "example.com");
    expect(recordsOf(await messagesOf(transfers.answer(query, SECONDARY)))).toHaveLength(10);
  });

  test("an SOA that ends before its serial is none", async () => {
    const { transfers } = primary();
    // Owner and both names are the root, and one byte follows.
    const soa = Buffer.of(0, 0, 6, 0, 1, 0, 0, 0, 0, 0, 3, 0, 0, 9);
    const query = Buffer.concat([queryFor("example.com", "IXFR"), soa]);
    query.writeUInt16BE(1, 8);
    expect(recordsOf(await messagesOf(transfers.answer(query, SECONDARY)))).toHaveLength(3);
  });
});

test.each([
  ["an ordinary question", queryFor("example.com", "SOA")],
  ["a malformed message", queryFor("example.com", "AXFR").subarray(0, 20)],
  ["no message", Buffer.alloc(0)],
])("%s is not a transfer", (_name, message) => {
  expect(primary().transfers.answer(message, SECONDARY)).toBeUndefined();
});
