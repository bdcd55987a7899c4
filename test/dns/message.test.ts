import dnsPacket from "dns-packet";
import { Packet } from "dns2";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cacheableSeconds, MessageWriter } from "../../src/dns/message.ts";
import { FLAG, TYPE } from "../../src/dns/protocol.ts";
import type { RRset } from "../../src/dns/records.ts";
import { query, replyText } from "./zone-text.ts";

const header = { id: 7, flags: FLAG.QR | FLAG.AA, opcode: 0, rcode: 0 };

const label = fc.stringMatching(/^[A-Za-z0-9_-]{1,12}$/);
// Few different labels, so that names share suffixes and compression has work.
const name = fc
  .array(fc.oneof(fc.constantFrom("a", "B", "example", "COM", "com"), label), { minLength: 1, maxLength: 5 })
  .map((labels) => labels.join("."));
const ttl = fc.integer({ min: 0, max: 2 ** 31 - 1 });
const uint16 = fc.integer({ min: 0, max: 65_535 });
const uint32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const set: fc.Arbitrary<RRset> = fc.oneof(
  fc.record({
    name,
    type: fc.constant("A" as const),
    ttl,
    data: fc.array(fc.ipV4(), { minLength: 1, maxLength: 3 }),
  }),
  fc.record({
    name,
    type: fc.constant("NS" as const),
    ttl,
    data: fc.array(name, { minLength: 1, maxLength: 3 }),
  }),
  fc.record({
    name,
    type: fc.constant("SRV" as const),
    ttl,
    data: fc.array(fc.record({ priority: uint16, weight: uint16, port: uint16, target: name }), {
      minLength: 1,
      maxLength: 4,
    }),
  }),
  fc.record({
    name,
    type: fc.constant("TXT" as const),
    ttl,
    data: fc.array(fc.array(fc.stringMatching(/^[ -~]{0,255}$/), { minLength: 1, maxLength: 3 }), {
      minLength: 1,
      maxLength: 2,
    }),
  }),
  fc.record({
    name,
    type: fc.constant("SOA" as const),
    ttl,
    data: fc.tuple(
      fc.record({
        mname: name,
        rname: name,
        serial: uint32,
        refresh: uint32,
        retry: uint32,
        expire: uint32,
        minimum: uint32,
      }),
    ),
  }),
);

/** Names differ in case only by what compression did, which is legal. */
const lower = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value, (_key, part: unknown) => (typeof part === "string" ? part.toLowerCase() : part)),
  );

function dataOf(record: dnsPacket.Answer): unknown {
  if (record.type === "TXT") return [record.data].flat().map(String);
  return "data" in record ? record.data : undefined;
}

describe("what is written", () => {
  test("is what dns-packet and dns2 read", () => {
    fc.assert(
      fc.property(fc.array(set, { maxLength: 8 }), (sets) => {
        const writer = new MessageWriter(header, 65_535);
        writer.question("example.COM", TYPE.SRV);
        for (const each of sets) expect(writer.add("answer", each)).toBe(true);
        const bytes = Buffer.from(writer.finish());
        const read = dnsPacket.decode(bytes);
        const expected = sets.flatMap((each) =>
          each.data.map((data) => ({ name: each.name, type: each.type, ttl: each.ttl, data })),
        );
        const got = read.answers?.map((record) => ({
          name: record.name,
          type: record.type,
          ttl: "ttl" in record ? record.ttl : undefined,
          data: dataOf(record),
        }));
        expect(lower(got)).toEqual(lower(expected));
        // Targets are never pointers, so their case is kept whatever stood before.
        const targets = read.answers?.flatMap((record) =>
          record.type === "SRV" ? [record.data.target] : [],
        );
        expect(targets).toEqual(
          sets.flatMap((each) => (each.type === "SRV" ? each.data.map((data) => data.target) : [])),
        );
        const third = Packet.parse(bytes);
        expect(third.answers.map((record) => record.name.toLowerCase())).toEqual(
          expected.map((record) => record.name.toLowerCase()),
        );
      }),
      { numRuns: 1000 },
    );
  });

  test("never exceeds its limit, and a set that does not fit leaves no trace", () => {
    fc.assert(
      fc.property(fc.array(set, { maxLength: 12 }), fc.integer({ min: 100, max: 900 }), (sets, bytesMax) => {
        const writer = new MessageWriter(header, bytesMax);
        writer.question("example.com", TYPE.A);
        const fitting = sets.filter((each) => {
          const before = writer.length;
          const fits = writer.add("answer", each);
          expect(writer.length === before).toBe(!fits);
          return fits;
        });
        const bytes = Buffer.from(writer.finish());
        expect(bytes.length).toBeLessThanOrEqual(bytesMax);
        const answers = dnsPacket.decode(bytes).answers ?? [];
        expect(answers.map((record) => record.name.toLowerCase())).toEqual(
          fitting.flatMap((each) => each.data.map(() => each.name.toLowerCase())),
        );
      }),
      { numRuns: 1000 },
    );
  });
});

const bytesOf = (...sets: readonly RRset[]): Buffer => {
  const writer = new MessageWriter(header, 65_535);
  for (const each of sets) writer.add("answer", each);
  return Buffer.from(writer.finish());
};

describe("SRV", () => {
  test("has a literal target, to which nothing points either", () => {
    const target = "m.example.com";
    const bytes = bytesOf(
      {
        name: "_s._tcp.example.com",
        type: "SRV",
        ttl: 1,
        data: [{ priority: 1, weight: 2, port: 3, target }],
      },
      { name: target, type: "A", ttl: 1, data: ["10.0.0.1"] },
    );
    const literal = Buffer.from("\x01m\x07example\x03com\0", "latin1");
    const at = bytes.indexOf(literal);
    expect(at).toBeGreaterThan(12);
    expect(bytes.subarray(at - 6, at)).toEqual(Buffer.from([0, 1, 0, 2, 0, 3]));
    // The A record's owner: its own label, then a pointer to the first `example.com`, before the target.
    expect(bytes.subarray(at + literal.length, at + literal.length + 4)).toEqual(
      Buffer.from([1, 0x6d, 0xc0, 12 + 8]),
    );
  });

  test("dns2 compresses it, which is why it does not write our answers", () => {
    const packet = new Packet();
    const record = { name: "_s._tcp.example.com", type: Packet.TYPE.SRV, class: 1, ttl: 1 };
    packet.answers.push({ ...record, priority: 0, weight: 0, port: 1, target: "m.example.com" } as never);
    expect(packet.toBuffer().includes(Buffer.from("\x01m\x07example\x03com\0", "latin1"))).toBe(false);
  });
});

describe("TXT", () => {
  test("strings beyond 255 bytes are split", () => {
    const long = `${"a".repeat(255)}${"b".repeat(255)}c`;
    const [record] =
      dnsPacket.decode(bytesOf({ name: "x", type: "TXT", ttl: 0, data: [[long, "", "d"]] })).answers ?? [];
    const strings = record?.type === "TXT" ? [record.data].flat().map(String) : [];
    expect(strings).toEqual(["a".repeat(255), "b".repeat(255), "c", "", "d"]);
  });

  test("a record without strings has an empty one", () => {
    const bytes = bytesOf({ name: "x", type: "TXT", ttl: 0, data: [[]] });
    expect(bytes.subarray(-3)).toEqual(Buffer.from([0, 1, 0]));
  });
});

test("an IPv6 address is its sixteen bytes, also with a dotted end", () => {
  const bytes = bytesOf({ name: "x", type: "AAAA", ttl: 0, data: ["::ffff:1.2.3.4"] });
  expect(bytes.subarray(-16).toString("hex")).toBe("00000000000000000000ffff01020304");
});

test("names beyond the reach of a pointer are written out", () => {
  const writer = new MessageWriter(header, 65_535);
  const filler = { type: "TXT", ttl: 0, data: [["x".repeat(250)]] } as const;
  for (let i = 0; i < 70; i++) writer.add("answer", { ...filler, name: `n${i}.example.com` });
  writer.add("answer", { ...filler, name: "late.example.net" });
  writer.add("answer", { ...filler, name: "later.example.net" });
  const names = dnsPacket.decode(Buffer.from(writer.finish())).answers?.map((record) => record.name);
  expect(names?.slice(-3)).toEqual(["n69.example.com", "late.example.net", "later.example.net"]);
});

test("sections come in their order", () => {
  const writer = new MessageWriter(header, 512);
  writer.add("authority", { name: "x", type: "NS", ttl: 0, data: ["y"] });
  expect(() => writer.add("answer", { name: "x", type: "NS", ttl: 0, data: ["y"] })).toThrow(/too late/);
});

test("a question echoed into a message is in lower case, byte for byte otherwise", () => {
  const asked = query({ name: "A\\046B.\\192.Example.COM", type: "TYPE65", class: 0x4142 });
  const writer = new MessageWriter(header, 512);
  writer.echoQuestion(asked, asked.length);
  const expected = Buffer.from("\x03a.b\x01\xc0\x07example\x03com\0", "latin1");
  expect(Buffer.from(writer.finish()).subarray(12)).toEqual(
    Buffer.concat([expected, Buffer.from([0, 65, 0x41, 0x42])]),
  );
  writer.add("answer", { name: "example.com", type: "NS", ttl: 0, data: ["b.example.com"] });
  expect(replyText(writer.finish())).toContain("example.com. 0 IN NS b.example.com.");
});

describe("how long HTTP may cache an answer", () => {
  const soa = { mname: "m", rname: "r", serial: 1, refresh: 1, retry: 1, expire: 1, minimum: 9 };
  const answer = (flags: number, ...sets: readonly RRset[]): Uint8Array => {
    const writer = new MessageWriter({ ...header, flags }, 512);
    writer.question("a.example.com", TYPE.A);
    for (const each of sets) writer.add(each.type === "SOA" ? "authority" : "answer", each);
    return writer.finish();
  };
  const aa = FLAG.QR | FLAG.AA;
  const a = (ttlSeconds: number): RRset => ({
    name: "a.example.com",
    type: "A",
    ttl: ttlSeconds,
    data: ["10.0.0.1"],
  });

  test("is its smallest TTL", () =>
    expect(cacheableSeconds(answer(aa, a(300), a(70_000), a(299)))).toBe(299));
  test("is the SOA's TTL for an absence", () =>
    expect(cacheableSeconds(answer(aa, { name: "example.com", type: "SOA", ttl: 2, data: [soa] }))).toBe(2));
  test("is nothing for a refusal", () => expect(cacheableSeconds(answer(FLAG.QR))).toBe(0));
  test("is nothing for a truncated answer", () =>
    expect(cacheableSeconds(answer(aa | FLAG.TC, a(5)))).toBe(0));
  test("is nothing without records", () => expect(cacheableSeconds(answer(aa))).toBe(0));
});
