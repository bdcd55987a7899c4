/** Reads parameters: the query, and an urlencoded body of bounded size, whose values come first. */
import { connectionOf, type HttpContext } from "./context.ts";
import { endAfterAnswer } from "./delivery.ts";
import { BODY_BYTES_MAX } from "./limits.ts";
import { V2Refusal } from "./v2-error.ts";

const FORM_TYPE = "application/x-www-form-urlencoded";
const BROKEN_ESCAPE = /%(?![0-9a-f]{2})/i;
const NO_PARAMETERS: URLSearchParams = new URLSearchParams();

/** The query of an absolute URL, without `?`; empty when there is none. */
export function queryText(url: string): string {
  const start = url.indexOf("?");
  return start === -1 ? "" : url.slice(start + 1);
}

/** A query whose escapes are broken is read as far as it can be: it may belong to somebody on the way. */
export function queryOf(c: HttpContext): URLSearchParams {
  const text = queryText(c.req.raw.url);
  return text === "" ? NO_PARAMETERS : new URLSearchParams(text);
}

/**
 * The body's parameters.
 * @throws V2Refusal bodyTooLarge, or invalidForm when it is of another type, compressed, or cannot be decoded.
 */
export async function formOf(c: HttpContext): Promise<URLSearchParams> {
  const type = c.req.header("content-type");
  const text = await bodyText(c);
  if (text === "") return NO_PARAMETERS;
  const encoding = c.req.header("content-encoding");
  if (encoding !== undefined && encoding.toLowerCase() !== "identity") {
    throw new V2Refusal("invalidForm", `the body is encoded (${quote(encoding)}); send the form as it is`);
  }
  if (type !== undefined && type.split(";", 1)[0]?.trim().toLowerCase() !== FORM_TYPE) {
    throw new V2Refusal("invalidForm", `the body is ${quote(type)}; send a form: ${FORM_TYPE}`);
  }
  if (BROKEN_ESCAPE.test(text)) {
    throw new V2Refusal("invalidForm", "the body has a % that is not followed by two hex digits");
  }
  return new URLSearchParams(text);
}

/** Everything the body holds, as text, never more than the limit in memory. */
async function bodyText(c: HttpContext): Promise<string> {
  const declared = c.req.header("content-length");
  if (declared !== undefined) {
    if (declared === "0") return "";
    // Both parsers deliver exactly as many bytes as were declared.
    if (Number(declared) > BODY_BYTES_MAX) throw tooLarge(c);
    return c.req.text();
  }
  const reader = c.req.raw.body?.getReader();
  if (reader === undefined) return "";
  const decoder = new TextDecoder();
  let bytes = 0;
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    const chunk = value as Uint8Array;
    bytes += chunk.byteLength;
    if (bytes > BODY_BYTES_MAX) {
      await reader.cancel();
      throw tooLarge(c);
    }
    text += decoder.decode(chunk, { stream: true });
  }
}

function tooLarge(c: HttpContext): V2Refusal {
  endAfterAnswer(connectionOf(c));
  return new V2Refusal("bodyTooLarge", `the body is longer than ${BODY_BYTES_MAX} bytes`);
}

const QUOTED_LENGTH_MAX = 80;

/** What somebody sent, for a sentence: quoted and cut to a length that fits one. */
export function quote(text: string): string {
  return JSON.stringify(text.length > QUOTED_LENGTH_MAX ? `${text.slice(0, QUOTED_LENGTH_MAX)}…` : text);
}

/**
 * A flag of etcd's v2 API, as Go's `strconv.ParseBool` reads it; false when absent.
 * @throws V2Refusal invalidField.
 */
export function booleanParameter(parameters: URLSearchParams, name: string): boolean {
  return optionalBoolean(parameters, name) ?? false;
}

/** As `booleanParameter`; undefined when absent. */
export function optionalBoolean(parameters: URLSearchParams, name: string): boolean | undefined {
  const given = parameters.get(name);
  if (given === null) return undefined;
  if (["1", "t", "T", "true", "TRUE", "True"].includes(given)) return true;
  if (["0", "f", "F", "false", "FALSE", "False"].includes(given)) return false;
  throw new V2Refusal("invalidField", `${name} is ${quote(given)}; expected true or false`);
}
