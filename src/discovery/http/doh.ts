/**
 * DNS over HTTPS (RFC 8484): the DNS server's answers, one a request, by GET with `?dns=` in base64url or by POST.
 * A DNS error (NXDOMAIN, REFUSED …) is a 200 like any answer; HTTP errors are for what is not a DNS query at all.
 */
import { cacheableSeconds } from "../../dns/message.ts";
import { connectionOf, type HttpContext, type HttpHandler } from "./context.ts";
import { endAfterAnswer } from "./delivery.ts";
import { queryOf } from "./form.ts";
import { plainError } from "./v2-error.ts";

const MEDIA_TYPE = "application/dns-message";
/** The longest DNS message there is (RFC 1035 §4.2.2). */
const MESSAGE_BYTES_MAX = 65_535;
/** No padding (RFC 8484 §4.1, §6). */
const BASE64URL = /^[A-Za-z0-9_-]+$/;

/** @returns an answer in wire format; undefined when the message deserves none. */
export type AnswerMessage = (query: Uint8Array) => Promise<Uint8Array<ArrayBuffer> | undefined>;

/** @returns the handler of `/dns-query`, for GET and POST. */
export function createDnsQuery(answer: AnswerMessage): HttpHandler {
  return async (c) => {
    const query = c.req.method === "POST" ? await bodyOf(c) : parameterOf(c);
    if (query instanceof Response) return query;
    const message = await answer(query);
    if (message === undefined)
      return plainError(400, "this is not a DNS query: it is shorter than a header, or a response");
    const headers = {
      "Content-Type": MEDIA_TYPE,
      "Cache-Control": `max-age=${cacheableSeconds(message)}`,
    };
    return new Response(message, { headers });
  };
}

function parameterOf(c: HttpContext): Uint8Array | Response {
  const text = queryOf(c).get("dns");
  if (text === null) return plainError(400, "the query belongs into ?dns=, in base64url; or POST it");
  if (!BASE64URL.test(text) || text.length % 4 === 1) {
    return plainError(400, "?dns= is not base64url without padding");
  }
  return Buffer.byteLength(text, "base64url") > MESSAGE_BYTES_MAX
    ? tooLong(c, 414)
    : Buffer.from(text, "base64url");
}

/** The body, of which no more than a DNS message is ever kept. */
async function bodyOf(c: HttpContext): Promise<Uint8Array | Response> {
  const type = c.req.header("content-type")?.split(";", 1)[0]?.trim().toLowerCase();
  if (type !== MEDIA_TYPE) return plainError(415, `the body must be ${MEDIA_TYPE}`);
  if (Number(c.req.header("content-length") ?? 0) > MESSAGE_BYTES_MAX) return tooLong(c, 413);
  const reader = c.req.raw.body?.getReader();
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for (let part = await reader?.read(); part?.value !== undefined; part = await reader?.read()) {
    const chunk = part.value as Uint8Array;
    bytes += chunk.length;
    if (bytes > MESSAGE_BYTES_MAX) {
      await reader?.cancel();
      return tooLong(c, 413);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, bytes);
}

function tooLong(c: HttpContext, status: 413 | 414): Response {
  endAfterAnswer(connectionOf(c));
  return plainError(status, `a DNS message has ${MESSAGE_BYTES_MAX} bytes at most`);
}
