import dnsPacket from "dns-packet";
import { Packet } from "dns2";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { OPCODE, RCODE } from "../../src/dns/protocol.ts";
import { questionLabels, readQuery, refusalOf } from "../../src/dns/query.ts";
import { query } from "./zone-text.ts";

const letters = fc.constantFrom(...Array.from("abcxyzABCXYZ0189-_"));
const label = fc.array(letters, { minLength: 1, maxLength: 20 }).map((chars) => chars.join(""));
const name = fc.array(label, { minLength: 1, maxLength: 8 }).map((labels) => labels.join("."));
const shape = fc.record({
  name,
  type: fc.integer({ min: 0, max: 65_535 }).map((number) => `TYPE${number}`),
  id: fc.integer({ min: 0, max: 65_535 }),
  flags: fc.integer({ min: 0, max: 0x07ff }),
  opts: fc.array(fc.record({ size: fc.integer({ min: 0, max: 65_535 }), dnssecOk: fc.boolean() }), {
    maxLength: 1,
  }),
});

describe("a well-formed query", () => {
  test("is read as dns-packet and dns2 read it", () => {
    fc.assert(
      fc.property(shape, (given) => {
        const message = query(given);
        const ours = readQuery(message);
        const theirs = dnsPacket.decode(message);
        const third = Packet.parse(message);
        const opt = theirs.additionals?.[0];
        expect(ours).toMatchObject({
          id: theirs.id,
          opcode: OPCODE.QUERY,
          type: third.questions[0]?.type,
          class: third.questions[0]?.class,
          problem: RCODE.NOERROR,
          edns: opt !== undefined,
          udpBytes: opt?.type === "OPT" ? opt.udpPayloadSize : 0,
          dnssecOk: opt?.type === "OPT" && opt.flag_do,
        });
        expect(questionLabels(message).join(".")).toBe(theirs.questions?.[0]?.name.toLowerCase());
        expect(third.questions[0]?.name).toBe(theirs.questions?.[0]?.name);
      }),
      { numRuns: 1000 },
    );
  });

  test("ends where the question ends, whatever follows", () => {
    const message = query({ name: "a.example", type: "A", opts: [{ size: 512 }] });
    expect(readQuery(message)?.questionEnd).toBe(12 + 11 + 4);
    expect(readQuery(Buffer.concat([message, Buffer.from("more")]))?.problem).toBe(RCODE.NOERROR);
  });
});

test("any cut of a query is malformed or too short to answer", () => {
  const message = query({
    name: "_etcd-server._tcp.example.com",
    type: "SRV",
    opts: [{ size: 1232, options: "fde90002abcd" }],
  });
  for (let length = 0; length < message.length; length++) {
    const read = readQuery(message.subarray(0, length));
    expect(length < 12 ? read : read?.problem).toBe(length < 12 ? undefined : RCODE.FORMERR);
  }
});

describe("labels", () => {
  test("are lower case, and unusable ones equal nothing", () => {
    expect(questionLabels(query({ name: "A.b-C._tcp.X", type: "A" }))).toEqual(["a", "b-c", "_tcp", "x"]);
    expect(questionLabels(query({ name: "a\\046b.c\\000.\\195.d", type: "A" }))).toEqual([
      "\0",
      "\0",
      "\0",
      "d",
    ]);
    expect(questionLabels(query({ name: ".", type: "A" }))).toEqual([]);
  });
});

describe("what dns2 accepts and must not be looked up", () => {
  const good = { name: "example.com", type: "A" };
  const cases: readonly (readonly [string, Buffer, number | undefined])[] = [
    ["a response", query({ ...good, flags: 0x8000 }), undefined],
    [
      "NOTIFY's opcode is another matter, UPDATE's is not implemented",
      query({ ...good, opcode: 5 }),
      RCODE.NOTIMP,
    ],
    ["the class CHAOS", query({ ...good, class: 3 }), RCODE.REFUSED],
    ["two OPT records", query({ ...good, opts: [{ size: 512 }, { size: 512 }] }), RCODE.FORMERR],
    ["EDNS version 1", query({ ...good, opts: [{ size: 512, version: 1 }] }), RCODE.BADVERS],
    ["no question", Buffer.from("123401000000000000000000", "hex"), RCODE.FORMERR],
    ["two questions", Buffer.from("12340100000200000000000000000100010000010001", "hex"), RCODE.FORMERR],
    [
      "an OPT whose owner is not the root",
      Buffer.from("1234010000010000000000010000010001016100002902000000000000 00".replaceAll(" ", ""), "hex"),
      RCODE.FORMERR,
    ],
  ];
  test.each(cases)("%s", (_title, message, expected) => {
    const read = readQuery(message);
    expect(read === undefined ? undefined : refusalOf(read)).toBe(expected);
    expect(() => Packet.parse(message)).not.toThrow();
  });

  test("a pointer in the question", () => {
    const message = Buffer.from("1234010000010000000000000161c00c00010001", "hex");
    expect(readQuery(message)?.problem).toBe(RCODE.FORMERR);
  });

  test("counts that promise what is not there cost nothing", () => {
    const message = Buffer.concat([Buffer.from("12340100ffffffffffffffff", "hex"), Buffer.alloc(65_523)]);
    expect(readQuery(message)?.problem).toBe(RCODE.FORMERR);
  });
});
