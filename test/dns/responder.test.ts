import dnsPacket from "dns-packet";
import { describe, expect, test } from "vitest";
import {
  createResponder,
  type Reply,
  type Responder,
  type ResponderOptions,
} from "../../src/dns/responder.ts";
import { FakeDiscovery } from "./fake-discovery.ts";
import { type QueryShape, query, replyText, setLines } from "./zone-text.ts";

const TOKEN = "11112222333344445555666677778888";
const ZONE = "discovery.internal";
const UDP = { transport: "udp" } as const;
const TCP = { transport: "tcp" } as const;
const SERVERS = `_etcd-server._tcp.${TOKEN}.${ZONE}`;

function setUp(options: Partial<ResponderOptions> = {}): { discovery: FakeDiscovery; responder: Responder } {
  const discovery = new FakeDiscovery();
  const responder = createResponder({
    zones: [ZONE],
    allowedDomains: ["example.com"],
    clientPort: 2379,
    nameServers: [],
    nameServerAddresses: ["192.0.2.53"],
    discovery,
    ...options,
  });
  return { discovery, responder };
}

/** A cluster of `size` members with addresses, complete. */
function fill(discovery: FakeDiscovery, size: number, token = TOKEN): void {
  discovery.create(token, { size });
  for (let i = 0; i < size; i++) discovery.register(token, `infra${i}=http://10.0.${i >> 8}.${i & 255}:2380`);
}

const ask = async (
  responder: Responder,
  shape: QueryShape,
  context: typeof UDP | typeof TCP = UDP,
): Promise<Buffer> => {
  const reply = await responder.respond(query(shape), context);
  if (reply === undefined) throw new Error("no answer");
  return reply;
};
const answersIn = (reply: Buffer): number => dnsPacket.decode(reply).answers?.length ?? 0;
const isSync = (reply: Reply | Promise<Reply>): boolean => !(reply instanceof Promise);

describe("an answer is never stale", () => {
  test("after a registration returned, at every step of a cluster's life", async () => {
    const { discovery, responder } = setUp();
    discovery.create(TOKEN, { size: 40 });
    for (let i = 0; i < 40; i++) {
      expect(answersIn(await ask(responder, { name: SERVERS, type: "SRV" }, TCP))).toBe(i);
      discovery.register(TOKEN, `m${i}=http://10.0.0.${i}:2380`);
    }
    discovery.retire(TOKEN);
    expect(replyText(await ask(responder, { name: SERVERS, type: "SRV" }))).toMatch(/^NXDOMAIN/);
    discovery.create(TOKEN, { size: 1 });
    expect(replyText(await ask(responder, { name: SERVERS, type: "SRV" }))).toMatch(/^NOERROR/);
  });

  test("also when the change overtakes an answer that is being computed", async () => {
    const { discovery, responder } = setUp();
    discovery.create(TOKEN, { size: 2 });
    let open = (): void => {};
    discovery.gate = new Promise((resolve) => {
      open = resolve;
    });
    const early = responder.respond(query({ name: SERVERS, type: "SRV" }), UDP);
    discovery.register(TOKEN, "m0=http://10.0.0.1:2380");
    open();
    discovery.gate = undefined;
    expect(replyText(await early)).toContain("authority");
    expect(answersIn(await ask(responder, { name: SERVERS, type: "SRV" }))).toBe(1);
  });

  test("for a domain of its own, and names above it", async () => {
    const { discovery, responder } = setUp();
    const rcode = async (name: string): Promise<string | undefined> =>
      replyText(await ask(responder, { name, type: "A" })).split(" ")[0];
    expect(await rcode("b.example.com")).toBe("NXDOMAIN");
    discovery.create(TOKEN, { size: 1, domain: "a.b.example.com" });
    expect(await rcode("b.example.com")).toBe("NOERROR");
    expect(await rcode("m.a.b.example.com")).toBe("NXDOMAIN");
    discovery.register(TOKEN, "m=http://10.0.0.1:2380");
    expect(await rcode("m.a.b.example.com")).toBe("NOERROR");
    discovery.retire(TOKEN);
    expect(await rcode("b.example.com")).toBe("NXDOMAIN");
  });

  test("where one zone holds tokens and domains", async () => {
    const { discovery, responder } = setUp({ zones: ["example.com"] });
    const name = `${TOKEN}.example.com`;
    expect(replyText(await ask(responder, { name, type: "TXT" }))).toMatch(/^NXDOMAIN/);
    discovery.create(TOKEN, { size: 1 });
    expect(replyText(await ask(responder, { name, type: "TXT" }))).toContain("size=1");
    discovery.create("f".repeat(32), { size: 1, domain: "x.example.com" });
    expect(replyText(await ask(responder, { name: "x.example.com", type: "TXT" }))).toContain("size=1");
  });

  test("the serial of a kept answer is that of now", async () => {
    const { discovery, responder } = setUp();
    const serial = async (name: string): Promise<number> => {
      const { answers = [], authorities = [] } = dnsPacket.decode(
        await ask(responder, { name, type: "SOA" }),
      );
      const [soa] = [...answers, ...authorities];
      return soa?.type === "SOA" ? (soa.data.serial ?? 0) : -1;
    };
    expect(await serial(ZONE)).toBe(1);
    expect(await serial(`nothing.${ZONE}`)).toBe(1);
    discovery.index = 2 ** 32 + 7;
    const { hits } = responder.stats;
    expect(await serial(ZONE)).toBe(7);
    expect(await serial(`nothing.${ZONE}`)).toBe(7);
    expect(responder.stats.hits).toBe(hits + 2);
  });
});

describe("a kept answer", () => {
  test("is given at once and without the registry, in any case, with EDNS or without, over UDP and TCP", async () => {
    const { discovery, responder } = setUp();
    fill(discovery, 3);
    await ask(responder, { name: SERVERS, type: "SRV" });
    const { length } = discovery.reads;
    for (const shape of [
      { name: SERVERS.toUpperCase(), type: "SRV" },
      { name: SERVERS, type: "SRV", id: 9, flags: 0, opts: [{ size: 1232, dnssecOk: true }] },
    ]) {
      for (const context of [UDP, TCP]) {
        const reply = responder.respond(query(shape), context);
        expect(isSync(reply)).toBe(true);
        const { answers = [], id, flag_rd: rd } = dnsPacket.decode((await reply) ?? Buffer.alloc(0));
        expect(answers.map(({ name }) => name)).toEqual([shape.name, shape.name, shape.name]);
        expect({ id, rd }).toEqual({ id: shape.id ?? 0x1234, rd: shape.flags !== 0 });
      }
    }
    expect(discovery.reads).toHaveLength(length);
  });

  test("is not changed by what a client does to its reply", async () => {
    const { discovery, responder } = setUp();
    fill(discovery, 3);
    const first = await ask(responder, { name: SERVERS, type: "SRV" });
    const copy = Buffer.from(first);
    first.fill(0xff);
    expect(await ask(responder, { name: SERVERS, type: "SRV" })).toEqual(copy);
  });

  test("of one cluster survives what happens to others", async () => {
    const { discovery, responder } = setUp();
    fill(discovery, 1);
    await ask(responder, { name: SERVERS, type: "SRV" });
    fill(discovery, 3, "ffff2222333344445555666677778888");
    expect(isSync(responder.respond(query({ name: SERVERS, type: "SRV" }), UDP))).toBe(true);
  });
});

describe("size", () => {
  const sizes = async (members: number, size: number | undefined): Promise<string> => {
    const { discovery, responder } = setUp();
    fill(discovery, members);
    const opts = size === undefined ? [] : [{ size }];
    const reply = await ask(responder, { name: SERVERS, type: "SRV", opts });
    const { answers = [], additionals = [], flag_tc: tc } = dnsPacket.decode(reply);
    const limit = Math.min(Math.max(size ?? 512, 512), 1232);
    expect(reply.length).toBeLessThanOrEqual(limit);
    expect(additionals.filter(({ type }) => type === "OPT")).toHaveLength(size === undefined ? 0 : 1);
    return `${answers.length}+${additionals.filter(({ type }) => type === "A").length}${tc ? " tc" : ""}`;
  };

  test("everything, while there is room", async () => expect(await sizes(3, undefined)).toBe("3+3"));
  test("the additional section goes first", async () => expect(await sizes(5, undefined)).toBe("5+0"));
  test("then the answer, and TC says so", async () => expect(await sizes(6, undefined)).toBe("0+0 tc"));
  test("with EDNS there is more room", async () => expect(await sizes(9, 1232)).toBe("9+9"));
  test("1232 at most, whatever the client takes", async () => expect(await sizes(20, 65_535)).toBe("0+0 tc"));
  test("less than 512 counts as 512", async () => expect(await sizes(3, 0)).toBe("3+3"));

  test("over TCP it is whole", async () => {
    const { discovery, responder } = setUp();
    fill(discovery, 100);
    const {
      answers,
      additionals,
      flag_tc: tc,
    } = dnsPacket.decode(await ask(responder, { name: SERVERS, type: "SRV" }, TCP));
    expect([answers?.length, additionals?.length, tc]).toEqual([100, 100, false]);
  });

  test("a cluster too large for any message gets SERVFAIL, not half a peer list", async () => {
    const { discovery, responder } = setUp();
    fill(discovery, 900);
    expect(replyText(await ask(responder, { name: SERVERS, type: "SRV" }, TCP))).toMatch(/^SERVFAIL/);
  });
});

describe("when the registry cannot be read", () => {
  test("the promise rejects, and nothing is kept", async () => {
    const { discovery, responder } = setUp();
    fill(discovery, 1);
    discovery.failure = new Error("disk");
    await expect(responder.respond(query({ name: SERVERS, type: "SRV" }), UDP)).rejects.toThrow("disk");
    discovery.failure = undefined;
    expect(answersIn(await ask(responder, { name: SERVERS, type: "SRV" }))).toBe(1);
  });

  test("questions do not pile up: beyond a limit they get SERVFAIL at once", async () => {
    const { discovery, responder } = setUp();
    let open = (): void => {};
    discovery.gate = new Promise((resolve) => {
      open = resolve;
    });
    const waiting = Array.from({ length: 4096 }, (_value, i) =>
      ask(responder, { name: `n${i}.${ZONE}`, type: "A" }),
    );
    const refused = responder.respond(query({ name: `one-more.${ZONE}`, type: "A" }), UDP);
    expect(isSync(refused)).toBe(true);
    expect(replyText(await refused)).toMatch(/^SERVFAIL/);
    open();
    await Promise.all(waiting);
    expect(replyText(await ask(responder, { name: `one-more.${ZONE}`, type: "A" }))).toMatch(/^NXDOMAIN/);
  });
});

test("the registry is not asked about names that no cluster can have", async () => {
  const { discovery, responder } = setUp();
  for (const name of [`a\\000b.${ZONE}`, "x\\255.example.com", ZONE, `ns.example.org`, ".", "internal"]) {
    await ask(responder, { name, type: "A" });
  }
  expect(discovery.reads).toEqual([]);
});

test("a deep name asks for three domains and no more", async () => {
  const { discovery, responder } = setUp();
  await ask(responder, { name: `${"a.".repeat(110)}example.com`, type: "A" });
  expect(discovery.reads).toHaveLength(4);
});

test("a NOTIFY goes to whoever asked for it, a response to one does not", async () => {
  const heard: Uint8Array[] = [];
  const { responder } = setUp({
    onNotify: (message) => {
      heard.push(message);
      return undefined;
    },
  });
  const notify = query({ name: ZONE, type: "SOA", opcode: 4 });
  expect(await responder.respond(notify, UDP)).toBeUndefined();
  expect(
    await responder.respond(query({ name: ZONE, type: "SOA", opcode: 4, flags: 0x8000 }), UDP),
  ).toBeUndefined();
  expect(heard).toEqual([notify]);
});

test("closing ends the subscription", () => {
  const { discovery, responder } = setUp();
  expect(discovery.listeners).toBe(1);
  responder.close();
  expect(discovery.listeners).toBe(0);
});

test("a custom token has its names too, where it can be a label", async () => {
  const { discovery, responder } = setUp();
  for (const token of ["discovery/blue", "discovery/Red", "other/green"]) {
    discovery.create(token, { size: 1, kind: "custom" });
    discovery.register(token, "m=http://10.0.0.1:2380");
  }
  const rcode = async (label: string): Promise<string | undefined> =>
    replyText(await ask(responder, { name: `${label}.${ZONE}`, type: "TXT" })).split(" ")[0];
  expect([await rcode("BLUE"), await rcode("red"), await rcode("green")]).toEqual([
    "NOERROR",
    "NXDOMAIN",
    "NXDOMAIN",
  ]);
});

describe("all records of a zone", () => {
  const linesOf = async (responder: Responder, name: string): Promise<string[]> => {
    const zone = responder.zoneNamed(name);
    if (zone === undefined) throw new Error(`no zone ${name}`);
    const lines: string[] = [];
    for await (const set of responder.zoneRecords(zone)) lines.push(...setLines(set));
    return lines;
  };

  test("are what questions are answered with", async () => {
    const { discovery, responder } = setUp();
    fill(discovery, 3);
    discovery.create("f".repeat(32), { size: 2, domain: "a.example.com" });
    discovery.register("f".repeat(32), "infra0=https://infra0.example.net:2380");
    for (const zone of [ZONE, "example.com"]) {
      const lines = await linesOf(responder, zone);
      expect(lines.length).toBeGreaterThan(3);
      for (const line of lines) {
        const [name = "", , , type = ""] = line.split(" ");
        expect(replyText(await ask(responder, { name, type }, TCP)).split("\n")).toContain(line);
      }
    }
  });

  test("come in pieces that fit a message", async () => {
    const { discovery, responder } = setUp();
    fill(discovery, 250);
    const zone = responder.zoneNamed(ZONE.toUpperCase());
    if (zone === undefined) throw new Error("no zone");
    const srv: number[] = [];
    for await (const set of responder.zoneRecords(zone)) if (set.type === "SRV") srv.push(set.data.length);
    expect(srv).toEqual([100, 100, 50, 100, 100, 50]);
  });

  test("a zone of ours below is delegated by its parent, once, and keeps its names", async () => {
    const { discovery, responder } = setUp({ zones: ["d.example.com", "x.d.example.com"] });
    expect(await linesOf(responder, "example.com")).toEqual([
      "example.com. 300 IN NS ns.example.com.",
      "ns.example.com. 300 IN A 192.0.2.53",
      "d.example.com. 300 IN NS ns.d.example.com.",
      "ns.d.example.com. 300 IN A 192.0.2.53",
    ]);
    discovery.create(TOKEN, { size: 1, domain: "y.d.example.com" });
    expect(await linesOf(responder, "example.com")).toHaveLength(4);
    expect(replyText(await ask(responder, { name: "x.d.example.com", type: "SOA" }))).toContain(
      "x.d.example.com. 300 IN SOA",
    );
  });
});
