/** NOTIFY (RFC 1996) as a secondary sees it. */
import { createSocket, type RemoteInfo } from "node:dgram";
import { once } from "node:events";
import { describe, expect, onTestFinished, test } from "vitest";
import {
  createNotifier,
  NOTIFY_TIMES,
  type Notifier,
  type NotifyTimes,
  notifyMessage,
  sourceFor,
} from "../../src/dns/notify.ts";
import { createLogger } from "../../src/lib/logger.ts";
import { decode } from "./support/ask.ts";

interface Told {
  readonly message: Buffer;
  readonly zone: string;
  readonly id: number;
  readonly from: RemoteInfo;
  readonly at: number;
}

/** A secondary that answers when it is told to. */
class Secondary {
  readonly socket = createSocket("udp4");
  readonly told: Told[] = [];
  #taken = 0;

  static async start(): Promise<Secondary> {
    const secondary = new Secondary();
    secondary.socket.on("message", (message, from) => {
      const zone = decode(message).questions?.[0]?.name ?? "";
      secondary.told.push({ message, zone, id: message.readUInt16BE(0), from, at: performance.now() });
    });
    secondary.socket.bind(0, "127.0.0.1");
    await once(secondary.socket, "listening");
    onTestFinished(() => {
      secondary.socket.close();
    });
    return secondary;
  }

  async next(): Promise<Told> {
    for (;;) {
      const told = this.told[this.#taken];
      if (told !== undefined) {
        this.#taken++;
        return told;
      }
      await once(this.socket, "message");
    }
  }

  answer(told: Told, rcode = 0): void {
    const reply = Buffer.from(told.message);
    reply.writeUInt16BE(0xa400 | rcode, 2);
    this.socket.send(reply, told.from.port, told.from.address);
  }
}

interface Bench {
  readonly secondary: Secondary;
  readonly notifier: Notifier;
  readonly log: readonly Record<string, unknown>[];
  /** The serial that NOTIFYs carry. */
  serial: number;
}

async function bench(times: Partial<NotifyTimes> = {}): Promise<Bench> {
  const secondary = await Secondary.start();
  const log: Record<string, unknown>[] = [];
  const state: { serial: number } = { serial: 1 };
  const notifier = createNotifier({
    secondaries: [{ host: "127.0.0.1", port: secondary.socket.address().port }],
    sources: ["127.0.0.1"],
    write: (zone, id) => notifyMessage(zone, soaOf(zone, state.serial), id),
    logger: createLogger("info", (line) => log.push(JSON.parse(line) as Record<string, unknown>)),
    times: { ...NOTIFY_TIMES, ...times },
  });
  let isOpen = true;
  const close = (): void => {
    if (isOpen) notifier.close();
    isOpen = false;
  };
  onTestFinished(close);
  return Object.assign(state, { secondary, notifier: { ...notifier, close }, log });
}

const soaOf = (name: string, serial: number): Parameters<typeof notifyMessage>[1] => ({
  name,
  type: "SOA",
  ttl: 300,
  data: [{ mname: `ns.${name}`, rname: `x.${name}`, serial, refresh: 1, retry: 1, expire: 1, minimum: 1 }],
});

test("a NOTIFY has the opcode, AA, the zone as a question and its SOA as an answer", async () => {
  const { secondary, notifier } = await bench();
  notifier.changed(["example.com"]);
  const { message } = await secondary.next();
  expect(message.readUInt16BE(2)).toBe(0x2400);
  expect(decode(message)).toMatchObject({
    questions: [{ name: "example.com", type: "SOA", class: "IN" }],
    answers: [{ name: "example.com", type: "SOA", data: { serial: 1 } }],
  });
});

test("changes in quick succession share one, which has the last serial", async () => {
  const state = await bench({ intervalMs: 100 });
  const { secondary, notifier } = state;
  notifier.changed(["example.com"]);
  secondary.answer(await secondary.next());
  for (state.serial = 2; state.serial < 50; state.serial++) notifier.changed(["example.com"]);
  const second = await secondary.next();
  expect(decode(second.message).answers).toMatchObject([{ data: { serial: 50 } }]);
  expect(secondary.told).toHaveLength(2);
});

test("zones are told apart", async () => {
  const { secondary, notifier } = await bench();
  notifier.changed(["example.com", "discovery.internal"]);
  expect([(await secondary.next()).zone, (await secondary.next()).zone].toSorted()).toEqual([
    "discovery.internal",
    "example.com",
  ]);
});

test("without an answer it is repeated, later each time, with the same id, until there is one", async () => {
  const { secondary, notifier, log } = await bench({ retryMs: 20, retryMaxMs: 80 });
  notifier.changed(["example.com"]);
  const told = [
    await secondary.next(),
    await secondary.next(),
    await secondary.next(),
    await secondary.next(),
  ];
  expect(new Set(told.map(({ id }) => id)).size).toBe(1);
  expect(log).toMatchObject([
    { level: "warn", msg: "a secondary does not answer NOTIFY", zone: "example.com" },
  ]);
  for (const each of told) secondary.answer(each);
  // A change after the answer starts anew: were the repetitions still on, the old id would come between.
  await new Promise((resolve) => setTimeout(resolve, 200));
  const before = secondary.told.length;
  notifier.changed(["example.com"]);
  await once(secondary.socket, "message");
  expect(secondary.told.slice(before).map(({ id }) => id)).not.toContain(told[0]?.id);
});

test("an answer to something else does not end the repetitions", async () => {
  const { secondary, notifier } = await bench({ retryMs: 20, retryMaxMs: 20 });
  notifier.changed(["example.com"]);
  const told = await secondary.next();
  const { port, address } = told.from;
  const wrongId = Buffer.from(told.message);
  wrongId.writeUInt16BE(0xa400, 2);
  wrongId.writeUInt16BE(told.id ^ 1, 0);
  for (const wrong of [wrongId, told.message, Buffer.of(1, 2, 3), Buffer.alloc(0)])
    secondary.socket.send(wrong, port, address);
  expect((await secondary.next()).id).toBe(told.id);
  expect((await secondary.next()).id).toBe(told.id);
});

test("a change while an answer is awaited is told with a new id, and the old answer does not count for it", async () => {
  const state = await bench({ intervalMs: 10, retryMs: 50, retryMaxMs: 50 });
  const { secondary, notifier } = state;
  notifier.changed(["example.com"]);
  const first = await secondary.next();
  state.serial = 2;
  notifier.changed(["example.com"]);
  secondary.answer(first);
  const second = await secondary.next();
  expect(second.id).not.toBe(first.id);
  expect(decode(second.message).answers).toMatchObject([{ data: { serial: 2 } }]);
  secondary.answer(first);
  expect((await secondary.next()).id).toBe(second.id);
});

test("a refusal is logged once, and not repeated", async () => {
  const { secondary, notifier, log } = await bench({ intervalMs: 1, retryMs: 20 });
  notifier.changed(["example.com"]);
  secondary.answer(await secondary.next(), 9);
  while (log.length === 0) await new Promise((resolve) => setImmediate(resolve));
  notifier.changed(["example.com"]);
  secondary.answer(await secondary.next(), 9);
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(secondary.told).toHaveLength(2);
  expect(log).toMatchObject([{ msg: "a secondary refuses NOTIFY", rcode: 9 }]);
});

test("nothing is sent after the end", async () => {
  const { secondary, notifier } = await bench({ retryMs: 10 });
  notifier.changed(["example.com"]);
  await secondary.next();
  const before = secondary.told.length;
  notifier.close();
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(secondary.told).toHaveLength(before);
});

describe("the address a NOTIFY comes from", () => {
  test.each([
    ["192.0.2.1", ["127.0.0.1", "198.51.100.1"], "198.51.100.1"],
    ["127.0.0.5", ["198.51.100.1", "127.0.0.9"], "127.0.0.9"],
    ["2001:db8::1", ["198.51.100.1", "2001:db8::53"], "2001:db8::53"],
    ["192.0.2.1", ["0.0.0.0", "::"], undefined],
    ["192.0.2.1", ["127.0.0.1"], undefined],
  ])("to %s, listening on %j: %s", (target, sources, source) => {
    expect(sourceFor(target, sources)).toBe(source);
  });
});
