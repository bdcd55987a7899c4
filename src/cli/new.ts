/** `quorate new`: gets a token and prints its discovery URL, alone on standard output. */
import { HttpClient } from "../bootstrap/http-client.ts";
import { excerpt } from "../bootstrap/token-answer.ts";
import { describeFlags, duration, integer, list, parseFlags, text } from "../config/flags.ts";
import { RefusedError } from "../lib/errors.ts";
import { clientTls, refuseArguments, TLS_FLAGS, tellWarnings } from "./client-flags.ts";
import type { Command } from "./run.ts";

const FLAGS = {
  Token: {
    size: integer("number of members; odd is best, 3 or 5 for most", 3, 1, 1000),
    server: {
      ...text("the discovery service", "http://127.0.0.1:8087", "URL"),
      parse: parseServer,
    },
    member: list("a member declared before it runs, for pure DNS bootstrap; once for each", {
      placeholder: "NAME=URL",
    }),
    domain: text("DNS domain that the cluster shall own; the service must allow it", "", "DOMAIN"),
    timeout: duration("give up when the service has not answered by then", "10s", 1, 3_600_000),
  },
  TLS: TLS_FLAGS,
};

const HELP = `quorate new: get a token for a new cluster and print its discovery URL

Usage: quorate new [--size N] [--server URL] [FLAGS]
`;

export function describeNewFlags(): string {
  return describeFlags(FLAGS);
}

export const newToken: Command = {
  flags: FLAGS,
  async run(argv, warnings) {
    const { values, rest, help } = parseFlags(FLAGS, argv, process.env);
    if (help) {
      process.stdout.write(`${HELP}\n${describeNewFlags()}\n`);
      return 0;
    }
    refuseArguments(rest);
    tellWarnings(warnings);
    const client = new HttpClient(clientTls(values));
    try {
      const url = new URL(`${values.server}/new`);
      url.searchParams.set("size", String(values.size));
      for (const member of values.member) url.searchParams.append("member", member);
      if (values.domain !== "") url.searchParams.set("domain", values.domain);
      const { status, headers, body } = await client.request(url, {
        method: "POST",
        timeoutMs: values.timeout,
      });
      const warning = headers.get("X-Quorate-Warning");
      if (warning !== null) tellWarnings([warning]);
      process.stdout.write(`${readUrl(url, status, body, headers.get("Retry-After"))}\n`);
      return 0;
    } finally {
      await client.close();
    }
  },
};

/** @throws RefusedError with the service's own sentence, or one that says what answered instead of it. */
function readUrl(asked: URL, status: number, body: string, retryAfter: string | null): string {
  const answer = body.trim();
  if (status === 200 && /^https?:\/\/\S+$/.test(answer)) return answer;
  if (status === 200 || status === 404 || (status >= 300 && status < 400)) {
    throw new RefusedError(
      "not_a_service",
      `${asked.origin} is not a discovery service, or not under this path: ${asked.pathname} answered ${status}${excerpt(answer)}`,
    );
  }
  const later = retryAfter === null ? "" : ` (Retry-After: ${retryAfter})`;
  throw new RefusedError(
    "refused_by_service",
    `the service refused with ${status}${excerpt(answer)}${later}`,
  );
}

/** Without a final slash; what `/new` is appended to. */
function parseServer(given: string): string {
  const url = URL.canParse(given) ? new URL(given) : undefined;
  if (url === undefined || !["http:", "https:"].includes(url.protocol))
    throw new Error("expected a URL such as https://discovery.example.com");
  return `${url.origin}${url.pathname.replace(/\/+$/, "")}`;
}
