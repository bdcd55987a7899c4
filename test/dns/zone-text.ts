/** DNS messages as text: queries from a line of words, answers as zone-file text, read by dns-packet, not by us. */
import dnsPacket from "dns-packet";
import { FLAG, TYPE } from "../../src/dns/protocol.ts";
import type { RRset } from "../../src/dns/records.ts";
import { typeNumber } from "./types.ts";

const RCODES = ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "6", "7", "8", "NOTAUTH"];

export interface QueryShape {
  readonly name: string;
  readonly type: string;
  readonly id?: number;
  readonly class?: number;
  readonly opcode?: number;
  /** RD, unless 0. */
  readonly flags?: number;
  /** Of each OPT record: UDP size, version, DO, options in hexadecimal. */
  readonly opts?: readonly {
    readonly size: number;
    readonly version?: number;
    readonly dnssecOk?: boolean;
    readonly options?: string;
  }[];
}

/** `a.b` as wire bytes; no escapes but `\DDD`. */
export function wireName(name: string): Buffer {
  const labels = name === "" || name === "." ? [] : name.replace(/\.$/, "").split(".");
  const parts = labels.map((label) => {
    const bytes = Buffer.from(
      label.replaceAll(/\\(\d{3})/g, (_match, code: string) => String.fromCharCode(Number(code))),
      "latin1",
    );
    return Buffer.concat([Buffer.from([bytes.length]), bytes]);
  });
  return Buffer.concat([...parts, Buffer.from([0])]);
}

export function query(shape: QueryShape): Buffer {
  const header = Buffer.alloc(12);
  header.writeUInt16BE(shape.id ?? 0x1234, 0);
  header.writeUInt16BE((shape.flags ?? FLAG.RD) | ((shape.opcode ?? 0) << 11), 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(shape.opts?.length ?? 0, 10);
  const tail = Buffer.alloc(4);
  tail.writeUInt16BE(typeNumber(shape.type), 0);
  tail.writeUInt16BE(shape.class ?? 1, 2);
  const opts = (shape.opts ?? []).map((opt) => {
    const options = Buffer.from(opt.options ?? "", "hex");
    const fixed = Buffer.alloc(11);
    fixed.writeUInt16BE(TYPE.OPT, 1);
    fixed.writeUInt16BE(opt.size, 3);
    fixed[6] = opt.version ?? 0;
    fixed[7] = opt.dnssecOk === true ? 0x80 : 0;
    fixed.writeUInt16BE(options.length, 9);
    return Buffer.concat([fixed, options]);
  });
  return Buffer.concat([header, wireName(shape.name), tail, ...opts]);
}

type Record = dnsPacket.Answer;

/** One record as a zone file has it: `NAME TTL IN TYPE DATA`. */
function recordLine(record: Record): string {
  const name = `${record.name === "." ? "" : record.name}.`;
  switch (record.type) {
    case "A":
    case "AAAA":
      return `${name} ${record.ttl} IN ${record.type} ${record.data}`;
    case "NS":
      return `${name} ${record.ttl} IN NS ${record.data}.`;
    case "SRV": {
      const { priority, weight, port, target } = record.data;
      return `${name} ${record.ttl} IN SRV ${priority} ${weight} ${port} ${target}.`;
    }
    case "TXT": {
      const strings = [record.data].flat().map((text) => `"${text.toString()}"`);
      return `${name} ${record.ttl} IN TXT ${strings.join(" ")}`;
    }
    case "SOA": {
      const { mname, rname, serial, refresh, retry, expire, minimum } = record.data;
      return `${name} ${record.ttl} IN SOA ${mname}. ${rname}. ${serial} ${refresh} ${retry} ${expire} ${minimum}`;
    }
    default:
      throw new Error(`quorate sends no ${record.type}`);
  }
}

/** A whole reply: status and flags, question, and what each section holds. */
export function replyText(reply: Uint8Array | undefined): string {
  if (reply === undefined) return "(no answer)";
  const buffer = Buffer.from(reply);
  const flags = buffer.readUInt16BE(2);
  const message = dnsPacket.decode(buffer);
  const opts = message.additionals?.filter((record) => record.type === "OPT") ?? [];
  const extended = opts[0]?.type === "OPT" ? opts[0].extendedRcode : 0;
  const status = extended === 1 && (flags & 15) === 0 ? "BADVERS" : RCODES[flags & 15];
  const words = [
    status,
    flags & FLAG.QR ? "qr" : "QUERY?",
    ...(flags & FLAG.AA ? ["aa"] : []),
    ...(flags & FLAG.TC ? ["tc"] : []),
    ...(flags & FLAG.RD ? ["rd"] : []),
    ...(flags & 0x00f0 ? ["UNEXPECTED-BITS"] : []),
    ...(flags & 0x7800 ? [`opcode=${(flags >> 11) & 15}`] : []),
    ...opts.map((opt) =>
      opt.type === "OPT"
        ? `edns=${opt.udpPayloadSize}${opt.ednsVersion ? ` version=${opt.ednsVersion}` : ""}${opt.flag_do ? " do" : ""}`
        : "",
    ),
  ];
  const sections = [
    ["", message.answers],
    ["authority", message.authorities],
    ["additional", message.additionals?.filter((record) => record.type !== "OPT")],
  ] as const;
  return [
    words.join(" "),
    ...(message.questions ?? []).map((question) => `;${question.name}. ${question.type}`),
    ...sections.flatMap(([title, records]) => [
      ...(title !== "" && records !== undefined && records.length > 0 ? [`;; ${title}`] : []),
      ...(records ?? []).map(recordLine),
    ]),
  ].join("\n");
}

/** A set of ours in the same text. */
export function setLines(set: RRset): string[] {
  return set.data.map((data) => recordLine({ name: set.name, type: set.type, ttl: set.ttl, data } as Record));
}
