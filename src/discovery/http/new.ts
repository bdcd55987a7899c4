/**
 * `/new`: makes a token and answers with its URL, as plain text without a newline (so did discovery.etcd.io).
 * This is the busiest path of all: what is not needed for an ordinary request is not done for it.
 */

import { RefusedError } from "../../lib/errors.ts";
import type { CreateRequest, Declaration } from "../discovery.ts";
import { warningsOf } from "../warnings.ts";
import type { HttpContext, HttpHandler, HttpServices } from "./context.ts";
import { formOf, queryText, quote } from "./form.ts";
import { plainError } from "./v2-error.ts";
import { warningHeader } from "./warning-header.ts";

const DEFAULT_SIZE = 3;

/** The whole query of nearly every request. */
const ONLY_SIZE = /^size=([1-9]\d{0,8})$/;

const HEADERS = { "Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-store" };

export function createNew(services: HttpServices): HttpHandler {
  const { discovery, limiter, clients, urls } = services;
  return async (c) => {
    if (limiter !== undefined) {
      const retryAfter = await limiter.take(clients.addressOf(c));
      if (retryAfter !== undefined) {
        return plainError(429, `too many new tokens from your address; try again in ${retryAfter} s`, {
          "Retry-After": String(retryAfter),
        });
      }
    }
    const baseUrl = urls.baseOf(c);
    const cluster = await discovery.create(await requestOf(c, baseUrl));
    const warnings = warningsOf(cluster);
    const headers = warnings.length === 0 ? HEADERS : { ...HEADERS, ...warningHeader(warnings) };
    return new Response(`${baseUrl}/${cluster.token}`, { headers });
  };
}

async function requestOf(c: HttpContext, baseUrl: string): Promise<CreateRequest> {
  const query = queryText(c.req.raw.url);
  if (c.req.method === "GET") {
    if (query === "") return { size: DEFAULT_SIZE, baseUrl };
    const plain = ONLY_SIZE.exec(query);
    if (plain !== null) return { size: Number(plain[1]), baseUrl };
  }
  const form = await formOf(c);
  const parameters = new URLSearchParams(query);
  const all = (name: string): string[] => {
    const inBody = form.getAll(name);
    return inBody.length > 0 ? inBody : parameters.getAll(name);
  };

  const domain = one("domain", all("domain"));
  const declared = all("member").map(declarationOf);
  return {
    size: sizeOf(one("size", all("size"))),
    baseUrl,
    ...(domain === undefined ? {} : { domain }),
    ...(declared.length === 0 ? {} : { declared }),
  };
}

function one(name: string, values: readonly string[]): string | undefined {
  if (values.length > 1) {
    throw new RefusedError("parameter_repeated", `${name} is given ${values.length} times; give it once`);
  }
  return values[0];
}

/** Whether the number is in range is the registry's to say. */
function sizeOf(given: string | undefined): number {
  if (given === undefined) return DEFAULT_SIZE;
  if (given === "") {
    throw new RefusedError("size_malformed", "size has no value; give the number of members, such as size=3");
  }
  // Beyond what a number holds exactly, the registry's sentence would not quote what was typed.
  if (!/^[+-]?\d+$/.test(given) || !Number.isSafeInteger(Number(given))) {
    throw new RefusedError(
      "size_malformed",
      `size is ${quote(given)}; expected a whole number such as 3, 5 or 7`,
    );
  }
  return Number(given);
}

/** `infra0=http://10.0.1.10:2380`. */
function declarationOf(given: string): Declaration {
  const at = given.indexOf("=");
  if (at < 1 || at === given.length - 1) {
    throw new RefusedError(
      "bad_declaration",
      `member is ${quote(given)}; expected NAME=URL, such as member=infra0=http://10.0.1.10:2380`,
    );
  }
  return { name: given.slice(0, at), peerUrl: given.slice(at + 1) };
}
