/** The numbers of the DNS protocol that quorate speaks or must recognise. Source: the IANA DNS parameters. */

/** RFC 1035 §3.2.2, RFC 2782, RFC 3596, RFC 6891, RFC 5936, RFC 8482. */
export const TYPE = {
  A: 1,
  NS: 2,
  SOA: 6,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  OPT: 41,
  IXFR: 251,
  AXFR: 252,
  ANY: 255,
} as const;

/** RFC 1035 §3.2.4, RFC 2136 §1.3 (NONE). */
export const CLASS = { IN: 1, NONE: 254, ANY: 255 } as const;

/** RFC 1035 §4.1.1, RFC 1996 (NOTIFY). */
export const OPCODE = { QUERY: 0, NOTIFY: 4 } as const;

/** RFC 1035 §4.1.1, RFC 2136 §2.2 (NOTAUTH), RFC 6891 §6.1.3 (BADVERS: the high bits travel in the OPT record). */
export const RCODE = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
  NOTAUTH: 9,
  BADVERS: 16,
} as const;
export type Rcode = (typeof RCODE)[keyof typeof RCODE];

/** Bits of the header's second 16-bit word (RFC 1035 §4.1.1). */
export const FLAG = { QR: 0x8000, AA: 0x0400, TC: 0x0200, RD: 0x0100 } as const;

/** RFC 1035 §4.1.1: six 16-bit words. */
export const HEADER_BYTES = 12;
/** RFC 1035 §2.3.4: what a client without EDNS can take over UDP. */
export const UDP_BYTES_CLASSIC = 512;
/** What every path carries unfragmented: the most that is sent over UDP, and the size our OPT record announces. */
export const UDP_BYTES_MAX = 1232;
/** The length prefix of TCP has 16 bits (RFC 1035 §4.2.2). */
export const MESSAGE_BYTES_MAX = 65_535;
/** An OPT record without options (RFC 6891 §6.1.2). */
export const OPT_BYTES = 11;
