/** What every thread that serves DNS does around its responder: NOTIFY, failures, and the rate limit of UDP. */
import { answerNotify } from "./notify.ts";
import { FLAG, RCODE } from "./protocol.ts";
import { questionLabels, readQuery } from "./query.ts";
import { type RateTable, ResponseRateLimiter } from "./rate-limit.ts";
import { bareReply } from "./reply.ts";
import {
  createResponder,
  type QueryContext,
  type Reply,
  type Responder,
  type ResponderOptions,
} from "./responder.ts";
import type { AnswerDatagram } from "./server-udp.ts";

/** What decides what the zones hold; plain values, which may be sent to another thread. */
export type ZoneSettings = Pick<
  ResponderOptions,
  "zones" | "allowedDomains" | "clientPort" | "nameServers" | "nameServerAddresses" | "scopes"
>;

export interface RateSettings {
  /** UDP answers a second for one client network; 0: no limit. */
  readonly perSecond: number;
  readonly table: RateTable;
}

/** Counted where it happens; each thread has its own. */
export interface DatagramCounts {
  queries: number;
  rateLimited: number;
}

/** Answers messages, and those it cannot find an answer to with SERVFAIL. Never rejects. */
export type Respond = (query: Uint8Array, context: QueryContext) => Reply | Promise<Reply>;

export function createServingResponder(
  settings: ZoneSettings,
  discovery: ResponderOptions["discovery"],
): Responder {
  const responder: Responder = createResponder({
    ...settings,
    discovery,
    onNotify: (message) => {
      const query = readQuery(message);
      const ours = responder.zoneNamed(questionLabels(message).join(".")) !== undefined;
      return query === undefined ? undefined : answerNotify(query, message, ours);
    },
  });
  return responder;
}

/** @param onError Told why there was no answer; throws what must stop the process. */
export function respondAlways(
  responder: Pick<Responder, "respond">,
  onError: (error: unknown) => void,
): Respond {
  return (message, context) => {
    const reply = responder.respond(message, context);
    if (!(reply instanceof Promise)) return reply;
    return reply.catch((error: unknown) => {
      onError(error);
      const query = readQuery(message);
      return query === undefined ? undefined : bareReply(query, message, RCODE.SERVFAIL);
    });
  };
}

const UDP: QueryContext = { transport: "udp" };

export function createDatagramAnswer(
  respond: Respond,
  rate: RateSettings,
  counts: DatagramCounts,
): AnswerDatagram {
  if (rate.perSecond === 0) {
    return (query) => {
      counts.queries++;
      return respond(query, UDP);
    };
  }
  const limiter = new ResponseRateLimiter(rate.perSecond, rate.table);
  return (query, from) => {
    counts.queries++;
    // The wall clock is the only one that all threads read alike.
    if (limiter.allow(from, Date.now())) return respond(query, UDP);
    counts.rateLimited++;
    return truncated(query);
  };
}

/** What a client beyond its rate gets: nothing but the advice to come over TCP, where its address is proven. */
function truncated(message: Uint8Array): Reply {
  const query = readQuery(message);
  if (query === undefined) return undefined;
  return query.problem === RCODE.NOERROR
    ? bareReply(query, message, RCODE.NOERROR, FLAG.TC)
    : bareReply(query, message, query.problem);
}
