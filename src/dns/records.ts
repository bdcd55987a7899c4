/**
 * Resource records as values. Names are text without the final dot (`""` is the root), in the case they are to be
 * published in; quorate publishes letters, digits, `-` and `_` only, so no escapes occur.
 */

export type RecordType = "SOA" | "NS" | "A" | "AAAA" | "SRV" | "TXT";

/** RFC 1035 §3.3.13. Times are seconds. */
export interface Soa {
  readonly mname: string;
  readonly rname: string;
  readonly serial: number;
  readonly refresh: number;
  readonly retry: number;
  readonly expire: number;
  /** How long a resolver may remember that something does not exist (RFC 2308 §4). */
  readonly minimum: number;
}

/** RFC 2782. */
export interface Srv {
  readonly priority: number;
  readonly weight: number;
  readonly port: number;
  readonly target: string;
}

interface Set<Type extends RecordType, Data> {
  /** The owner. */
  readonly name: string;
  readonly type: Type;
  /** Seconds; one for the whole set (RFC 2181 §5.2). */
  readonly ttl: number;
  /** At least one, without repetitions, in the order to be sent. */
  readonly data: readonly Data[];
}

/** All records of one name and type. */
export type RRset =
  | Set<"SOA", Soa>
  /** Names of servers. */
  | Set<"NS", string>
  /** Dotted decimal. */
  | Set<"A", string>
  /** RFC 5952 text. */
  | Set<"AAAA", string>
  | Set<"SRV", Srv>
  /** Each record is a list of strings; a string of more than 255 bytes is sent as several. */
  | Set<"TXT", readonly string[]>;
