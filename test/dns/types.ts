/** Numbers of record types that tests ask for, also those quorate has no records of. */
const NUMBERS: Readonly<Record<string, number>> = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  OPT: 41,
  DS: 43,
  DNSKEY: 48,
  HTTPS: 65,
  IXFR: 251,
  AXFR: 252,
  ANY: 255,
};

/** @param type A mnemonic, or `TYPE123`. */
export function typeNumber(type: string): number {
  return NUMBERS[type] ?? Number(type.replace(/^TYPE/, ""));
}
