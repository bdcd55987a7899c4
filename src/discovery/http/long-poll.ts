/**
 * `?wait=true`: one event, as soon as there is one. The headers leave at once, so that proxies and clients see the
 * poll alive; a quiet poll ends with an empty body, and the client asks again without a pause.
 */
import { setTimeout as delay, setImmediate as nextTurn } from "node:timers/promises";
import { unreachable } from "../../lib/assert.ts";
import { InvariantError } from "../../lib/errors.ts";
import type { WaitOutcome } from "../discovery.ts";
import type { HttpContext, HttpServices } from "./context.ts";
import { connectionOf } from "./context.ts";
import { breakOff } from "./delivery.ts";
import { quote } from "./form.ts";
import type { KeyName } from "./key-path.ts";
import { JSON_TYPE, V2Refusal } from "./v2-error.ts";
import { eventBody, memberNode } from "./v2-node.ts";

/** When the registry cannot be read: the poll ends after this, so that its client does not ask in a hot loop. */
const UNREADABLE_PAUSE_MS = 2000;

/** A poll of a live token. @throws V2Refusal for a bad waitIndex, or when there is nothing to wait for. */
export async function answerPoll(
  services: HttpServices,
  c: HttpContext,
  key: KeyName,
  parameters: URLSearchParams,
): Promise<Response> {
  if (key.node.type === "size" || key.node.type === "config") {
    throw new V2Refusal("invalidField", "the size of a token never changes: there is nothing to wait for");
  }
  const ended = new AbortController();
  const connection = connectionOf(c);
  const cutOff = (): void => {
    if (connection !== undefined) breakOff(connection);
  };
  const waited = outcomeOf(services, {
    token: key.token,
    id: key.node.type === "member" ? key.node.id : undefined,
    waitIndex: waitIndexOf(parameters),
    timeoutMs: services.waitTimeoutMs,
    signal: ended.signal,
  });
  // What is in the history already is answered in one piece; only a real wait becomes a stream.
  const settled = await Promise.race([waited, nextTurn(undefined)]);
  const headers = {
    "Content-Type": JSON_TYPE,
    "X-Etcd-Index": String(settled?.type === "event" ? settled.index : services.discovery.index),
    "Cache-Control": "no-store",
  };
  if (settled !== undefined) {
    if (settled.type === "stale") cutOff();
    return new Response(bodyOf(key, settled), { headers });
  }

  let cancelled = false;
  const body = new ReadableStream<Uint8Array>({
    async start(controller) {
      const forget = services.polls.add(() => ended.abort());
      const outcome = await Promise.race([waited, aborted(ended.signal)]);
      forget();
      if (cancelled) return;
      // Headers have left: only an answer that breaks off makes etcd read the token anew.
      if (outcome?.type === "stale") cutOff();
      const text = outcome === undefined ? "" : bodyOf(key, outcome);
      if (text !== "") controller.enqueue(new TextEncoder().encode(text));
      controller.close();
    },
    cancel() {
      cancelled = true;
      ended.abort();
    },
  });
  return new Response(body, { headers });
}

/** The event's JSON, or nothing: a deleted token too ends its polls empty, and the next request is told with a 404. */
function bodyOf(key: KeyName, outcome: WaitOutcome): string {
  switch (outcome.type) {
    case "event":
      return eventBody("create", memberNode(key, outcome.member));
    case "quiet":
    case "gone":
    case "stale":
      return "";
    default:
      return unreachable(outcome);
  }
}

/** `discovery.wait`, which an unreadable registry makes a quiet one: a poll must never get a 5xx. */
async function outcomeOf(
  { discovery, logger }: HttpServices,
  request: Parameters<HttpServices["discovery"]["wait"]>[0],
): Promise<WaitOutcome> {
  try {
    return await discovery.wait(request);
  } catch (error) {
    if (error instanceof InvariantError) throw error;
    logger.error("a long poll could not read the registry", { error });
    await delay(UNREADABLE_PAUSE_MS, undefined, { signal: request.signal }).catch(() => undefined);
    return { type: "quiet", index: discovery.index };
  }
}

function aborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(undefined);
    else signal.addEventListener("abort", () => resolve(undefined), { once: true });
  });
}

/** The first event wanted; 0, and nothing given, mean the next one from now. */
function waitIndexOf(parameters: URLSearchParams): number {
  const given = parameters.get("waitIndex") ?? "0";
  if (!/^\d{1,20}$/.test(given)) {
    throw new V2Refusal("invalidField", `waitIndex is ${quote(given)}; expected a whole number`);
  }
  return Math.min(Number(given), Number.MAX_SAFE_INTEGER);
}
