/**
 * Zone transfers to secondaries (AXFR, RFC 5936; IXFR, RFC 1995) over TCP: who may have one, and the stream of
 * messages. A transfer is a consistent picture (snapshot.ts) under the serial of its start or an older one, so a
 * change that lands meanwhile has a higher serial, and its NOTIFY makes the secondary come again.
 */
import { assert } from "../lib/assert.ts";
import type { Logger } from "../lib/logger.ts";
import { throttledLog } from "../lib/throttled-log.ts";
import { MessageWriter } from "./message.ts";
import type { Networks } from "./networks.ts";
import { CLASS, FLAG, MESSAGE_BYTES_MAX, OPCODE, OPT_BYTES, RCODE, TYPE } from "./protocol.ts";
import { BROKEN, type Query, questionLabels, readQuery, skipName, uint16 } from "./query.ts";
import type { RRset } from "./records.ts";
import { bareReply, writeOpt } from "./reply.ts";
import type { Responder } from "./responder.ts";
import type { Zone } from "./zone.ts";

/** Transfers at a time; further ones get SERVFAIL, and secondaries come again. */
const TRANSFERS_MAX = 10;

export interface TransferOptions {
  readonly responder: Pick<Responder, "zoneNamed" | "soa" | "zoneRecords">;
  /** Who may transfer. */
  readonly allowed: Networks;
  readonly logger: Logger;
}

export interface Transfers {
  /** Transfers completed since the start. */
  readonly completed: number;
  /** @returns undefined when the query, which came over TCP, does not ask for a transfer. */
  answer(query: Uint8Array, from: string): Uint8Array | AsyncIterable<Uint8Array> | undefined;
}

export function createTransfers(options: TransferOptions): Transfers {
  const { responder, allowed, logger } = options;
  const refused = throttledLog((msg, fields) => logger.warn(msg, fields));
  let running = 0;
  let completed = 0;

  async function* stream(query: Query, zone: Zone, from: string): AsyncGenerator<Uint8Array> {
    running++;
    const startedAt = performance.now();
    try {
      const soa = responder.soa(zone);
      let records = 0;
      let bytes = 0;
      for await (const message of messages(query, zone.name, transferSets(responder, zone, soa))) {
        records += message.records;
        bytes += message.bytes.length;
        yield message.bytes;
      }
      completed++;
      const serial = soa.data[0]?.serial;
      const tookMs = Math.round(performance.now() - startedAt);
      logger.info("transferred a zone", { zone: zone.name, to: from, serial, records, bytes, tookMs });
    } finally {
      running--;
    }
  }

  return {
    get completed() {
      return completed;
    },
    answer: (message, from) => {
      const query = readQuery(message);
      // What is wrong with the message in other ways is the responder's to say.
      if (query?.problem !== RCODE.NOERROR || query.opcode !== OPCODE.QUERY || query.class !== CLASS.IN)
        return undefined;
      if (query.type !== TYPE.AXFR && query.type !== TYPE.IXFR) return undefined;

      const zone = responder.zoneNamed(questionLabels(message).join("."));
      if (!allowed.has(from)) {
        const cure = "--dns-secondary or --dns-allow-transfer would allow it";
        refused("refused a zone transfer", { from, zone: zone?.name, cure });
        return bareReply(query, message, RCODE.REFUSED);
      }
      if (zone === undefined) return bareReply(query, message, RCODE.NOTAUTH);
      if (query.type === TYPE.IXFR) {
        const soa = responder.soa(zone);
        const serial = clientSerial(message, query);
        if (serial !== undefined && isCurrent(serial, soa.data[0]?.serial ?? 0))
          return onlySoa(query, zone, soa);
      }
      if (running >= TRANSFERS_MAX) return bareReply(query, message, RCODE.SERVFAIL);
      return stream(query, zone, from);
    },
  };
}

/** "You are current" (RFC 1995 §2). */
function onlySoa(query: Query, zone: Zone, soa: RRset): Uint8Array {
  const writer = startMessage(query, zone.name, true);
  writer.add("answer", soa);
  return finishMessage(writer, query);
}

async function* transferSets(
  responder: Pick<Responder, "zoneRecords">,
  zone: Zone,
  soa: RRset,
): AsyncGenerator<RRset> {
  yield soa;
  yield* responder.zoneRecords(zone);
  yield soa;
}

/** Packs sets into messages, each sent when the next set does not fit. The question is in the first one only. */
async function* messages(
  query: Query,
  zone: string,
  sets: AsyncIterable<RRset>,
): AsyncGenerator<{ readonly bytes: Uint8Array; readonly records: number }> {
  let writer = startMessage(query, zone, true);
  let records = 0;
  for await (const set of sets) {
    if (!writer.add("answer", set)) {
      yield { bytes: finishMessage(writer, query), records };
      writer = startMessage(query, zone, false);
      records = 0;
      const fits = writer.add("answer", set);
      assert(fits, () => `${set.data.length} ${set.type} records of ${set.name} do not fit in one message`);
    }
    records += set.data.length;
  }
  yield { bytes: finishMessage(writer, query), records };
}

function startMessage(query: Query, zone: string, withQuestion: boolean): MessageWriter {
  const flags = FLAG.QR | FLAG.AA | (query.flags & FLAG.RD);
  const header = { id: query.id, flags, opcode: OPCODE.QUERY, rcode: RCODE.NOERROR };
  const writer = new MessageWriter(header, MESSAGE_BYTES_MAX - OPT_BYTES);
  if (withQuestion) writer.question(zone, query.type);
  return writer;
}

function finishMessage(writer: MessageWriter, query: Query): Uint8Array {
  const message = writer.finish();
  if (!query.edns) return message;
  const withOpt = Buffer.allocUnsafe(message.length + OPT_BYTES);
  withOpt.set(message);
  writeOpt(withOpt, message.length, query, RCODE.NOERROR, 0);
  return withOpt;
}

/** The serial an IXFR client has: that of the SOA in its authority section (RFC 1995 §3); undefined without one. */
function clientSerial(message: Uint8Array, query: Query): number | undefined {
  // readQuery has seen that the records end inside the message, not what is in them.
  if (uint16(message, 6) !== 0 || uint16(message, 8) === 0) return undefined;
  const fixed = skipName(message, query.questionEnd);
  if (uint16(message, fixed) !== TYPE.SOA) return undefined;
  const rname = skipName(message, fixed + 10);
  const serial = rname === BROKEN ? BROKEN : skipName(message, rname);
  if (serial === BROKEN || serial + 4 > message.length) return undefined;
  return uint16(message, serial) * 0x1_0000 + uint16(message, serial + 2);
}

/** Whether the client has our serial or a later one, in RFC 1982 arithmetic. */
function isCurrent(client: number, ours: number): boolean {
  return (client - ours) >>> 0 < 0x8000_0000;
}
