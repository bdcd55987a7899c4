import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { RefusedError } from "../../src/lib/errors.ts";
import {
  type ConfChangeTransition,
  type ConfChangeType,
  confChangeV1,
  confChangeV2,
  LEAVE_JOINT,
} from "../../src/raft/conf.ts";
import { decodeConfChangeV1, decodeConfChangeV2, encodeConfChange } from "../../src/raft/conf-codec.ts";

const hex = (data: Uint8Array): string => Buffer.from(data).toString("hex");
const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text.replaceAll(" ", ""), "hex"));

const type = fc.constantFrom<ConfChangeType>("addNode", "removeNode", "updateNode", "addLearnerNode");
const transition = fc.constantFrom<ConfChangeTransition>("auto", "jointImplicit", "jointExplicit");
const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const context = fc.uint8Array({ maxLength: 300 });
const single = fc.record({ type, nodeId: uint64 });

describe("version 1", () => {
  // proto2 by gogo: `ID`, `type` and `node_id` are written even if they are 0.
  test("numbers are always written, the context only where there is one", () => {
    expect(hex(encodeConfChange(confChangeV1("addNode", 0n)))).toBe("080010001800");
    expect(hex(encodeConfChange(confChangeV1("addLearnerNode", 300n, bytes("7b7d"))))).toBe(
      "0800100318ac0222027b7d",
    );
  });

  test("an id of 64 bits takes ten bytes", () => {
    const change = confChangeV1("removeNode", 2n ** 64n - 1n);
    expect(hex(encodeConfChange(change))).toBe("0800100118ffffffffffffffffff01");
  });

  test("what is written is read again", () => {
    fc.assert(
      fc.property(uint64, type, uint64, context, (id, changeType, nodeId, about) => {
        const change = { ...confChangeV1(changeType, nodeId, about), id };
        expect(decodeConfChangeV1(encodeConfChange(change))).toEqual(change);
      }),
    );
  });

  test("what is absent is 0, and fields of later versions are skipped", () => {
    expect(decodeConfChangeV1(bytes(""))).toEqual(confChangeV1("addNode", 0n));
    expect(decodeConfChangeV1(bytes("1805 28ff01 3201aa 39 0102030405060708 45 01020304"))).toEqual(
      confChangeV1("addNode", 5n),
    );
  });
});

describe("version 2", () => {
  test("each change is a message of its own", () => {
    const change = confChangeV2(
      [
        { type: "addNode", nodeId: 1n },
        { type: "removeNode", nodeId: 2n },
      ],
      "jointExplicit",
      bytes("01"),
    );
    expect(hex(encodeConfChange(change))).toBe("08021204080010011204080110021a0101");
  });

  test("what is written is read again", () => {
    fc.assert(
      fc.property(fc.array(single, { maxLength: 5 }), transition, context, (changes, how, about) => {
        const change = confChangeV2(changes, how, about);
        expect(decodeConfChangeV2(encodeConfChange(change))).toEqual(change);
      }),
    );
  });

  test("no data at all leaves a joint configuration", () => {
    expect(decodeConfChangeV2(new Uint8Array(0))).toEqual(LEAVE_JOINT);
    expect(decodeConfChangeV2(encodeConfChange(LEAVE_JOINT))).toEqual(LEAVE_JOINT);
  });
});

function failureOf(run: () => unknown): unknown {
  try {
    run();
    return undefined;
  } catch (error) {
    return error;
  }
}

const isRefusal = (failure: unknown): boolean => failure === undefined || failure instanceof RefusedError;

describe("data that is no change is refused, and says why", () => {
  test.each([
    ["ends in a number", "08", "it ends within a number"],
    ["ends in a field", "2205aa", "it ends within a field"],
    ["a length beyond all memory", "22ffffffffffffffffff01", "it ends within a field"],
    ["a number without end", "08ffffffffffffffffffff", "more than ten bytes"],
    ["a type of change not known", "1004", "field 2 has the unknown value 4"],
    ["an id that is not a number", "1a0105", "field 3 is not a number"],
    ["a context that is not bytes", "2005", "field 4 is not bytes"],
    ["a group", "0b0c", "unknown wire type 3"],
  ])("%s", (_, text, reason) => {
    expect(() => decodeConfChangeV1(bytes(text))).toThrow(RefusedError);
    expect(() => decodeConfChangeV1(bytes(text))).toThrow(reason);
  });

  test("any bytes are read or refused, never anything else", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (data) => {
        expect(failureOf(() => decodeConfChangeV1(data))).toSatisfy(isRefusal);
        expect(failureOf(() => decodeConfChangeV2(data))).toSatisfy(isRefusal);
      }),
      { numRuns: 2000 },
    );
  });
});
