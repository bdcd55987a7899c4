/** Whatever arrives: an answer of bounded size or none, never an exception, and nothing that grows. */
import dnsPacket from "dns-packet";
import * as fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { createResponder, type Responder } from "../../src/dns/responder.ts";
import { FakeDiscovery } from "./fake-discovery.ts";
import { query } from "./zone-text.ts";

const TOKEN = "11112222333344445555666677778888";
const RUNS = 20_000;

let responder: Responder;
let discovery: FakeDiscovery;
beforeEach(() => {
  discovery = new FakeDiscovery();
  responder = createResponder({
    zones: ["discovery.internal", "z"],
    allowedDomains: ["example.com"],
    clientPort: 2379,
    nameServers: [],
    nameServerAddresses: ["192.0.2.53", "2001:db8::53"],
    discovery,
  });
  discovery.create(TOKEN, { size: 7, domain: "example.com" });
  for (let i = 0; i < 7; i++) discovery.register(TOKEN, `infra${i}=http://10.0.0.${i}:2380`);
});

async function check(message: Uint8Array, transport: "udp" | "tcp"): Promise<void> {
  const before = Buffer.from(message);
  const reply = await responder.respond(message, { transport });
  expect(Buffer.from(message)).toEqual(before);
  if (message.length < 12 || (before.readUInt16BE(2) & 0x8000) !== 0) {
    if (reply !== undefined) throw new Error(`${before.toString("hex")} got an answer`);
    return;
  }
  if (reply === undefined) throw new Error(`no answer to ${before.toString("hex")}`);
  expect(reply.readUInt16BE(0)).toBe(before.readUInt16BE(0));
  expect(reply.readUInt16BE(2) & 0x8000).toBe(0x8000);
  // Same opcode and RD, as nothing else may be copied.
  expect(reply.readUInt16BE(2) & 0x79f0).toBe(before.readUInt16BE(2) & 0x7900);
  expect(reply.length).toBeLessThanOrEqual(transport === "udp" ? 1232 : 65_535);
  // What is not answered with records is no larger than the question, so nothing is gained by forging a source.
  const isEmpty = reply.readUInt16BE(6) + reply.readUInt16BE(8) === 0;
  expect(isEmpty ? reply.length : 0).toBeLessThanOrEqual(before.length);
  dnsPacket.decode(reply);
}

const transport = fc.constantFrom("udp" as const, "tcp" as const);
const name = fc.constantFrom(
  `_etcd-server._tcp.${TOKEN}.discovery.internal`,
  `a1.${TOKEN}.DISCOVERY.internal`,
  "discovery.internal",
  "_etcd-client._tcp.example.com",
  "infra3.example.com",
  "nothing.z",
  "example.org",
  ".",
);
const type = fc.oneof(
  fc.constantFrom("A", "AAAA", "SRV", "TXT", "SOA", "NS", "ANY", "OPT", "AXFR", "IXFR", "DS"),
  fc.integer({ min: 0, max: 65_535 }).map((number) => `TYPE${number}`),
);
const valid = fc
  .record({
    name,
    type,
    id: fc.integer({ min: 0, max: 65_535 }),
    flags: fc.integer({ min: 0, max: 0x07ff }),
    opts: fc.array(fc.record({ size: fc.integer({ min: 0, max: 65_535 }), dnssecOk: fc.boolean() }), {
      maxLength: 1,
    }),
  })
  .map(query);
const byte = fc.integer({ min: 0, max: 255 });
/** Bytes set, cut off and put in, at random places of something well-formed. */
const mutated = fc
  .tuple(
    valid,
    fc.array(fc.tuple(fc.nat(200), byte), { maxLength: 6 }),
    fc.option(fc.nat(100)),
    fc.uint8Array({ maxLength: 20 }),
  )
  .map(([message, changes, cut, tail]) => {
    const bytes = Buffer.concat([cut === null ? message : message.subarray(0, cut), tail]);
    for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
    return bytes;
  });
/** A plausible header before noise gets further than noise alone. */
const headed = fc
  .tuple(fc.integer({ min: 0, max: 2 }), fc.integer({ min: 0, max: 3 }), fc.uint8Array({ maxLength: 300 }))
  .map(([questions, additional, tail]) =>
    Buffer.concat([Buffer.from([1, 2, 1, 0, 0, questions, 0, 0, 0, 0, 0, additional]), tail]),
  );

describe("no datagram does harm", () => {
  test.each([
    ["noise", fc.uint8Array({ maxLength: 600 })],
    ["noise behind a header", headed],
    ["well-formed", valid],
    ["mutated", mutated],
  ] as const)("%s", { timeout: 300_000 }, async (_title, message) => {
    const property = fc.asyncProperty(message as fc.Arbitrary<Uint8Array>, transport, check);
    await fc.assert(property, { numRuns: RUNS });
  });

  test("what is well-formed and inside is answered with the same name and type", async () => {
    const property = fc.asyncProperty(valid, async (message) => {
      const reply = await responder.respond(message, { transport: "udp" });
      if (reply === undefined) throw new Error("no answer");
      const end = message.indexOf(0, 12) + 5;
      // The root name, and names with a zero in their type, end elsewhere: the first zero ends the name all the same.
      expect(reply.subarray(12, end)).toEqual(message.subarray(12, end));
    });
    await fc.assert(property, { numRuns: RUNS });
  });
});

test("memory does not grow with the names asked for", async () => {
  for (let i = 0; i < 100_000; i++) {
    await responder.respond(query({ name: `n${i}.discovery.internal`, type: "A" }), { transport: "udp" });
  }
  // 8192 places are for names that do not exist, with some 130 bytes each.
  expect(responder.stats.bytes).toBeLessThan(8192 * 150);
});
