/**
 * `quorate discover`: does what etcd's `--discovery` does, and prints the result as etcd's variables, so that an etcd
 * without that flag (3.7 has none) boots from a token too. The cluster token printed is the discovery URL, as it is
 * with `--discovery`: members started in either way compute the same ids and may be mixed in one cluster.
 */
import type { InitialCluster } from "../bootstrap/initial-cluster.ts";
import { joinByToken, parseTokenUrl } from "../bootstrap/token.ts";
import type { JoinRequest, Progress } from "../bootstrap/token-join.ts";
import { choice, describeFlags, duration, formatDuration, list, parseFlags, text } from "../config/flags.ts";
import { parseMemberValue } from "../discovery/member-value.ts";
import { EnvironmentError, RefusedError, UsageError } from "../lib/errors.ts";
import { clientTls, refuseArguments, TLS_FLAGS, tellWarnings } from "./client-flags.ts";
import { FORMATS, formatEnvironment } from "./environment-format.ts";
import { createProgressLine, type ProgressLine } from "./progress-line.ts";
import type { Command } from "./run.ts";

/** Timers hold 31 bits of milliseconds; 500 h is below that. */
const TIMEOUT_MAX_MS = 500 * 3_600_000;

const FLAGS = {
  Member: {
    "token-url": text("the discovery URL, exactly as the other members have it", "", "URL"),
    name: text("this member's name, different from the others'", "", "NAME"),
    "peer-url": list("where the other members reach it, as http://HOST:PORT", { placeholder: "URL" }),
  },
  Output: {
    format: choice("how the variables are printed", FORMATS, "env"),
    timeout: duration(
      "give up when the cluster is not complete by then; 0s waits for ever",
      "0s",
      0,
      TIMEOUT_MAX_MS,
    ),
  },
  TLS: TLS_FLAGS,
};

/** Exit codes of its own: scripts start a proxy, or nothing, on FULL. */
const EXIT_FULL = 3;
const EXIT_SIGNAL: Readonly<Record<string, number>> = { SIGINT: 130, SIGTERM: 143 };

const HELP = `quorate discover: register this member under a token, wait for the others, print etcd's variables

Usage: quorate discover --token-url URL --name NAME --peer-url URL[,URL] [FLAGS]

Then, for example:
  env $(quorate discover ...) etcd --listen-peer-urls ... --listen-client-urls ... --advertise-client-urls ...

Exit codes: 0 printed, 1 failed, 2 bad usage, ${EXIT_FULL} the cluster is full.
`;

export function describeDiscoverFlags(): string {
  return describeFlags(FLAGS);
}

class Interrupted extends RefusedError {
  readonly exitCode: number;

  constructor(signal: string) {
    super(
      "interrupted",
      "stopped; a registration that was made stays, so the same command goes on where this one ended",
    );
    this.exitCode = EXIT_SIGNAL[signal] ?? 1;
  }
}

export const discover: Command = {
  flags: FLAGS,
  async run(argv, warnings) {
    const { values, rest, help } = parseFlags(FLAGS, argv, process.env);
    if (help) {
      process.stdout.write(`${HELP}\n${describeDiscoverFlags()}\n`);
      return 0;
    }
    refuseArguments(rest);
    tellWarnings(warnings);
    const request: JoinRequest = { tokenUrl: values.tokenUrl, name: values.name, peerUrls: values.peerUrl };
    checkRequest(request);
    const tls = clientTls(values);
    const line = createProgressLine(process.stderr, () => performance.now());
    const stop = stopper(values.timeout);
    try {
      const { cluster, before } = await joinByToken(
        { ...request, tls },
        {
          progress: (progress) => line.show(sentence(progress)),
          retry: (reason, ms) => line.note(`${reason}; trying again in ${(ms / 1000).toFixed(1)}s`),
        },
        stop.signal,
      );
      line.end();
      if (before) noteEarlierRegistration(line, request.name);
      process.stdout.write(formatEnvironment(variablesOf(request, cluster), values.format));
      return 0;
    } catch (error) {
      line.end();
      if (!(error instanceof RefusedError)) throw error;
      process.stderr.write(`quorate: ${error.message}\n`);
      if (error instanceof Interrupted) return error.exitCode;
      return error.code === "cluster_full" ? EXIT_FULL : 1;
    } finally {
      stop.done();
    }
  },
};

function variablesOf({ name, peerUrls }: JoinRequest, cluster: InitialCluster): Record<string, string> {
  return {
    ETCD_NAME: name,
    ETCD_INITIAL_ADVERTISE_PEER_URLS: peerUrls.join(","),
    ETCD_INITIAL_CLUSTER: cluster.text,
    ETCD_INITIAL_CLUSTER_STATE: "new",
    ETCD_INITIAL_CLUSTER_TOKEN: cluster.token,
  };
}

/** @throws UsageError for what the service, or every etcd that reads it, would refuse. */
function checkRequest({ tokenUrl, name, peerUrls }: JoinRequest): void {
  if (tokenUrl === "") throw new UsageError("--token-url is missing: the URL that `quorate new` printed");
  if (name === "") throw new UsageError("--name is missing: what the other members will call this one");
  // etcd takes blanks, but what is printed would not survive a shell; the others end the name in --initial-cluster.
  if (/[\s\p{C}=,]/u.test(name))
    throw new UsageError(`--name ${JSON.stringify(name)} holds white space, "=" or ",": take another`);
  if (peerUrls.length === 0)
    throw new UsageError("--peer-url is missing: where the other members reach this one, http://HOST:2380");
  try {
    parseTokenUrl(tokenUrl);
    parseMemberValue(peerUrls.map((url) => `${name}=${url}`).join(","));
    if (/[=,]/.test(name))
      throw new RefusedError("name", `the name ${JSON.stringify(name)} holds "=" or ","`);
  } catch (error) {
    if (error instanceof RefusedError) throw new UsageError(error.message, { cause: error });
    throw error;
  }
}

/** The same command printed the same before: right after a reboot in mid-start, wrong after a lost disk. */
function noteEarlierRegistration(line: ProgressLine, name: string): void {
  line.note(
    `${JSON.stringify(name)} had registered before; if it has run and its data directory is lost, do not start it ` +
      "with this: `etcdctl member remove` and `member add` bring it back",
  );
}

function sentence({ size, names }: Progress): string {
  const missing = size - names.length;
  const who = names.length === 0 ? "" : ` (${names.join(", ")})`;
  return `${names.length} of ${size} members registered${who}${missing > 0 ? `, waiting for ${missing} more` : ""}`;
}

/** A signal that is aborted by Ctrl-C, by SIGTERM, or when the time is up. */
function stopper(timeoutMs: number): { readonly signal: AbortSignal; readonly done: () => void } {
  const controller = new AbortController();
  const onSignal = (signal: NodeJS.Signals): void => controller.abort(new Interrupted(signal));
  const onTimeout = (): void =>
    controller.abort(
      new EnvironmentError(
        "timeout",
        `the cluster was not complete within ${formatDuration(timeoutMs)}; this member stays registered, and the same ` +
          "command goes on waiting",
      ),
    );
  const timer = timeoutMs === 0 ? undefined : setTimeout(onTimeout, timeoutMs);
  process.once("SIGINT", onSignal);
  process.once("SIGTERM", onSignal);
  return {
    signal: controller.signal,
    done: () => {
      clearTimeout(timer);
      process.off("SIGINT", onSignal);
      process.off("SIGTERM", onSignal);
    },
  };
}
