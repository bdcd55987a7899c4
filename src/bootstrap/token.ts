/** Finds a cluster's first members through a discovery token: asks what token-join.ts decides, and waits. */
import { setTimeout as sleep } from "node:timers/promises";
import { unreachable } from "../lib/assert.ts";
import { RefusedError } from "../lib/errors.ts";
import { type ClientTls, HttpClient, UnreachableError } from "./http-client.ts";
import type { InitialCluster } from "./initial-cluster.ts";
import { type Answer, readAnswer } from "./token-answer.ts";
import { type Ask, type JoinRequest, type Progress, TokenJoin } from "./token-join.ts";

export interface JoinWatcher {
  /** Called at first and whenever the number of members known, or the size, changed. */
  readonly progress: (progress: Progress) => void;
  /** The service could not be asked; the next try comes in `ms`. */
  readonly retry: (reason: string, ms: number) => void;
}

export interface Joined {
  readonly cluster: InitialCluster;
  /** The member had registered before this call, and maybe ran already. */
  readonly before: boolean;
}

/** etcd's own limit for everything but a long poll. */
const REQUEST_TIMEOUT_MS = 5000;
/** A poll is asked anew after this long: whatever sits in between may have forgotten the connection. */
const POLL_TIMEOUT_MS = 120_000;

/**
 * Registers and waits until the cluster is complete, for as long as it takes.
 * @throws RefusedError cluster_full, duplicate_id, duplicate_name, token_unknown … ; whatever `signal` was aborted with.
 */
export async function joinByToken(
  request: JoinRequest & { readonly tls: ClientTls },
  watcher: JoinWatcher,
  signal: AbortSignal,
): Promise<Joined> {
  const base = parseTokenUrl(request.tokenUrl);
  const client = new HttpClient(request.tls);
  try {
    const join = new TokenJoin(request);
    let step = join.start();
    let shown = "";
    for (;;) {
      const { progress } = join;
      const now = JSON.stringify(progress ?? "");
      if (progress !== undefined && now !== shown) watcher.progress(progress);
      shown = now;
      switch (step.type) {
        case "ask":
          step = join.answered(await ask(client, base, step.ask, signal), Math.random());
          break;
        case "pause":
          if (step.reason !== undefined) watcher.retry(step.reason, step.ms);
          await sleep(step.ms, undefined, { signal }).catch((error: unknown) => {
            signal.throwIfAborted();
            throw error;
          });
          step = join.resumed();
          break;
        case "joined":
          return { cluster: step.cluster, before: step.before };
        case "failed":
          throw step.error;
        default:
          return unreachable(step);
      }
    }
  } finally {
    await client.close();
  }
}

async function ask(client: HttpClient, base: URL, question: Ask, signal: AbortSignal): Promise<Answer> {
  const url = urlOf(base, question);
  const watching = question.type === "watchSelf" || question.type === "watchPeers";
  const started = performance.now();
  const lasted = (): number => performance.now() - started;
  try {
    const { status, headers, body } = await client.request(url, {
      method: question.type === "register" ? "PUT" : "GET",
      ...(question.type === "register" ? { form: new URLSearchParams({ value: question.value }) } : {}),
      timeoutMs: watching ? POLL_TIMEOUT_MS : REQUEST_TIMEOUT_MS,
      signal,
    });
    return readAnswer(status, headers.get("X-Etcd-Index"), body, lasted());
  } catch (error) {
    if (!(error instanceof UnreachableError)) throw error;
    if (watching && error.timedOut) return { type: "quiet", afterMs: lasted() };
    return { type: "unavailable", reason: error.message };
  }
}

/** The token's URL as it goes on the wire. etcd drops user and fragment too, and keeps a query. */
export function parseTokenUrl(text: string): URL {
  const refuse = (what: string): never => {
    throw new RefusedError(
      "token_url",
      `${JSON.stringify(text)} is not a discovery URL: ${what}, expected one such as \`quorate new\` prints`,
    );
  };
  const url = URL.canParse(text) ? new URL(text) : refuse("it is not a URL");
  if (url.protocol !== "http:" && url.protocol !== "https:") refuse("its scheme is not http or https");
  if (/^\/*$/.test(url.pathname)) refuse("it has no token after the host");
  if (url.pathname === "/new") refuse("it makes a new token at each request");
  url.pathname = url.pathname.replaceAll(/\/{2,}/g, "/");
  url.username = "";
  url.password = "";
  url.hash = "";
  return url;
}

/** Parameters are those that etcd's client sends, for servers that read them. */
function urlOf(base: URL, question: Ask): URL {
  const url = new URL(base);
  const below = (path: string): void => {
    url.pathname = `${url.pathname.replace(/\/+$/, "")}/${path}`;
  };
  const set = (parameters: Readonly<Record<string, string | number>>): void => {
    for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, String(value));
  };
  switch (question.type) {
    case "size":
      below("_config/size");
      set({ quorum: "false", recursive: "false", sorted: "false" });
      return url;
    case "list":
      set({ quorum: "false", recursive: "false", sorted: "false" });
      return url;
    case "register":
      below(question.id);
      set({ prevExist: "false" });
      return url;
    case "watchSelf":
      below(question.id);
      set({ recursive: "false", wait: "true", waitIndex: question.waitIndex });
      return url;
    case "watchPeers":
      set({ recursive: "true", wait: "true", waitIndex: question.waitIndex });
      return url;
    default:
      return unreachable(question);
  }
}
