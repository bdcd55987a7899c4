/**
 * The bytes of a membership change in a log entry, as etcd 3.4 and 3.5 write them (raftpb.ConfChange and
 * ConfChangeV2, proto2 by gogo: numbers are always written, also 0; the context only where there is one).
 */
import { RefusedError } from "../lib/errors.ts";
import {
  type ConfChange,
  type ConfChangeSingle,
  type ConfChangeTransition,
  type ConfChangeType,
  type ConfChangeV1,
  type ConfChangeV2,
  confChangeV2,
} from "./conf.ts";

/** raftpb.ConfChangeType, by number. */
const TYPES: readonly ConfChangeType[] = ["addNode", "removeNode", "updateNode", "addLearnerNode"];

/** raftpb.ConfChangeTransition, by number. */
const TRANSITIONS: readonly ConfChangeTransition[] = ["auto", "jointImplicit", "jointExplicit"];

/** The data of the entry that proposes `change`: of type ConfChange for version 1, ConfChangeV2 for version 2. */
export function encodeConfChange(change: ConfChange): Uint8Array {
  const out: number[] = [];
  if (change.version === 1) {
    writeNumber(out, 1, change.id);
    writeNumber(out, 2, BigInt(TYPES.indexOf(change.type)));
    writeNumber(out, 3, change.nodeId);
    if (change.context.length > 0) writeBytes(out, 4, change.context);
  } else {
    writeNumber(out, 1, BigInt(TRANSITIONS.indexOf(change.transition)));
    for (const { type, nodeId } of change.changes) {
      const single: number[] = [];
      writeNumber(single, 1, BigInt(TYPES.indexOf(type)));
      writeNumber(single, 2, nodeId);
      writeBytes(out, 2, single);
    }
    if (change.context.length > 0) writeBytes(out, 3, change.context);
  }
  return Uint8Array.from(out);
}

/**
 * The change in the data of an entry of type ConfChange. What is absent is 0; fields of later versions are skipped.
 * @throws RefusedError where the data is no such change.
 */
export function decodeConfChangeV1(data: Uint8Array): ConfChangeV1 {
  let id = 0n;
  let type: ConfChangeType = "addNode";
  let nodeId = 0n;
  let context: Uint8Array = new Uint8Array(0);
  for (const field of fieldsOf(data)) {
    if (field.number === 1) id = numberIn(field);
    else if (field.number === 2) type = named(TYPES, field);
    else if (field.number === 3) nodeId = numberIn(field);
    else if (field.number === 4) context = bytesIn(field).slice();
  }
  return { version: 1, id, type, nodeId, context };
}

/**
 * The change in the data of an entry of type ConfChangeV2: no data at all is the change that leaves a joint
 * configuration.
 * @throws RefusedError where the data is no such change.
 */
export function decodeConfChangeV2(data: Uint8Array): ConfChangeV2 {
  let transition: ConfChangeTransition = "auto";
  const changes: ConfChangeSingle[] = [];
  let context: Uint8Array = new Uint8Array(0);
  for (const field of fieldsOf(data)) {
    if (field.number === 1) transition = named(TRANSITIONS, field);
    else if (field.number === 2) changes.push(decodeSingle(bytesIn(field)));
    else if (field.number === 3) context = bytesIn(field).slice();
  }
  return confChangeV2(changes, transition, context);
}

function decodeSingle(data: Uint8Array): ConfChangeSingle {
  let type: ConfChangeType = "addNode";
  let nodeId = 0n;
  for (const field of fieldsOf(data)) {
    if (field.number === 1) type = named(TYPES, field);
    else if (field.number === 2) nodeId = numberIn(field);
  }
  return { type, nodeId };
}

function writeNumber(out: number[], field: number, value: bigint): void {
  out.push(field << 3);
  writeVarint(out, value);
}

function writeBytes(out: number[], field: number, value: ArrayLike<number> & Iterable<number>): void {
  out.push((field << 3) | 2);
  writeVarint(out, BigInt(value.length));
  for (const byte of value) out.push(byte);
}

function writeVarint(out: number[], value: bigint): void {
  let rest = value;
  while (rest > 0x7fn) {
    out.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  out.push(Number(rest));
}

interface Field {
  readonly number: number;
  /** Undefined: of a wire type that no field of ours has. */
  readonly value: bigint | Uint8Array | undefined;
}

const refused = (what: string): RefusedError =>
  new RefusedError("conf_change_data", `this is no membership change: ${what}`);

function numberIn(field: Field): bigint {
  if (typeof field.value !== "bigint") throw refused(`field ${field.number} is not a number`);
  return field.value;
}

function bytesIn(field: Field): Uint8Array {
  if (!(field.value instanceof Uint8Array)) throw refused(`field ${field.number} is not bytes`);
  return field.value;
}

function named<T>(names: readonly T[], field: Field): T {
  const number = numberIn(field);
  const name = names[Number(number)];
  if (name === undefined) throw refused(`field ${field.number} has the unknown value ${number}`);
  return name;
}

/** The bytes of a fixed-width field, by wire type. */
const FIXED_BYTES: Readonly<Record<number, number>> = { 1: 8, 5: 4 };

function* fieldsOf(data: Uint8Array): Generator<Field> {
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = data[at++];
      if (byte === undefined) throw refused("it ends within a number");
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw refused("a number has more than ten bytes");
  };
  const bytes = (length: number): Uint8Array => {
    if (length > data.length - at) throw refused("it ends within a field");
    at += length;
    return data.subarray(at - length, at);
  };
  while (at < data.length) {
    const tag = Number(varint());
    const number = Math.floor(tag / 8);
    const wireType = tag % 8;
    if (wireType === 0) {
      yield { number, value: varint() };
    } else if (wireType === 2) {
      yield { number, value: bytes(Number(varint())) };
    } else {
      const width = FIXED_BYTES[wireType];
      if (width === undefined) throw refused(`field ${number} is of the unknown wire type ${wireType}`);
      bytes(width);
      yield { number, value: undefined };
    }
  }
}
