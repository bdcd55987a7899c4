/** HTTP as the bootstrap clients need it: a CA and certificate of one's own, limits on time and size, clear errors. */
import { readFileSync } from "node:fs";
import { Agent, type Dispatcher, errors, interceptors, request } from "undici";
import { EnvironmentError } from "../lib/errors.ts";

/** Paths of PEM files; empty for none. */
export interface ClientTls {
  /** Trusted instead of the system's authorities. */
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
}

export interface HttpRequest {
  readonly method: "GET" | "PUT" | "POST";
  readonly form?: URLSearchParams;
  /** From the start until the whole answer is there. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

export interface HttpAnswer {
  readonly status: number;
  /** @returns null when the answer has no such header. */
  readonly headers: Pick<Headers, "get">;
  readonly body: string;
}

/** No complete answer came. `reason` says it without the URL: "connection refused". */
export class UnreachableError extends EnvironmentError {
  readonly reason: string;
  /** True when only the time was up; the connection may be fine. */
  readonly timedOut: boolean;

  constructor(url: URL, reason: string, timedOut: boolean, options?: ErrorOptions) {
    super("unreachable", `cannot reach ${url.origin}: ${reason}`, options);
    this.reason = reason;
    this.timedOut = timedOut;
  }
}

/** A longer answer is cut off: the connection ends with an error. Room for thousands of members. */
const RESPONSE_BYTES_MAX = 4 * 1024 * 1024;
const CONNECT_TIMEOUT_MS = 5000;
const REDIRECTS_MAX = 10;

export class HttpClient {
  readonly #agent: Agent;
  readonly #dispatcher: Dispatcher;
  readonly #hasCertificate: boolean;

  /** @throws EnvironmentError file_unreadable. */
  constructor(tls: ClientTls) {
    const read = (file: string): { readonly pem?: Buffer } => (file === "" ? {} : { pem: readPem(file) });
    const [ca, cert, key] = [read(tls.caFile).pem, read(tls.certFile).pem, read(tls.keyFile).pem];
    this.#hasCertificate = cert !== undefined;
    this.#agent = new Agent({
      connect: {
        timeout: CONNECT_TIMEOUT_MS,
        ...(ca === undefined ? {} : { ca }),
        ...(cert === undefined ? {} : { cert }),
        ...(key === undefined ? {} : { key }),
      },
      // Each request has its own limit; a long poll is silent for as long as nobody registers.
      headersTimeout: 0,
      bodyTimeout: 0,
      maxResponseSize: RESPONSE_BYTES_MAX,
    });
    this.#dispatcher = this.#agent.compose(interceptors.redirect({ maxRedirections: REDIRECTS_MAX }));
  }

  /** @throws UnreachableError; whatever `signal` was aborted with. */
  async request(url: URL, { method, form, timeoutMs, signal }: HttpRequest): Promise<HttpAnswer> {
    const timeout = AbortSignal.timeout(timeoutMs);
    try {
      // Not fetch: that refuses the ports which browsers refuse, 6000 and 10080 among them.
      const { statusCode, headers, body } = await request(url, {
        method,
        dispatcher: this.#dispatcher,
        signal: signal === undefined ? timeout : AbortSignal.any([timeout, signal]),
        ...(form === undefined
          ? {}
          : {
              body: form.toString(),
              headers: { "Content-Type": "application/x-www-form-urlencoded" },
            }),
      });
      return {
        status: statusCode,
        headers: { get: (name) => textOf(headers[name.toLowerCase()]) },
        body: await body.text(),
      };
    } catch (error) {
      signal?.throwIfAborted();
      if (timeout.aborted)
        throw new UnreachableError(url, `no answer within ${timeoutMs / 1000}s`, true, { cause: error });
      const reason = reasonOf(error);
      // Under TLS 1.3 a server refuses a client after the handshake, often without a word.
      const perhaps =
        url.protocol === "https:" && !this.#hasCertificate && reason === CLOSED ? MAYBE_CERTIFICATE : "";
      throw new UnreachableError(url, reason + perhaps, false, { cause: error });
    }
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }
}

function textOf(header: string | string[] | undefined): string | null {
  return (Array.isArray(header) ? header.join(", ") : header) ?? null;
}

function readPem(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new EnvironmentError("file_unreadable", `cannot read ${file}: ${reason}`, { cause: error });
  }
}

const CLOSED = "the connection closed before the whole answer was there";
const MAYBE_CERTIFICATE = "; does it want a client certificate (--cert-file, --key-file)?";

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused; is the service running there?",
  ECONNRESET: "the connection was reset",
  EPIPE: "the connection was closed",
  EHOSTUNREACH: "no route to the host",
  ENETUNREACH: "the network is unreachable",
  ETIMEDOUT: "the connection timed out",
  ENOTFOUND: "no such host",
  EAI_AGAIN: "the name server does not answer",
  UND_ERR_CONNECT_TIMEOUT: `no connection within ${CONNECT_TIMEOUT_MS / 1000}s`,
  UND_ERR_SOCKET: CLOSED,
  UND_ERR_INVALID_ARG: "it redirects in a circle, or to what is no http URL",
  UND_ERR_RES_EXCEEDED_MAX_SIZE: `the answer is longer than ${RESPONSE_BYTES_MAX} bytes`,
  DEPTH_ZERO_SELF_SIGNED_CERT: "its certificate is self-signed; give its authority with --ca-file",
  SELF_SIGNED_CERT_IN_CHAIN: "its certificate's authority is unknown here; give it with --ca-file",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "its certificate's authority is unknown here; give it with --ca-file",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "its certificate's authority is unknown here; give it with --ca-file",
  CERT_HAS_EXPIRED: "its certificate has expired",
  ERR_TLS_CERT_ALTNAME_INVALID: "its certificate is for another name",
  ERR_SSL_WRONG_VERSION_NUMBER: "it does not speak TLS there; is it http?",
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: `${CLOSED}${MAYBE_CERTIFICATE}`,
};

/** fetch wraps what happened, sometimes twice, and a name with several addresses fails once for each. */
function reasonOf(error: unknown): string {
  for (let at = error; at instanceof Error; at = at.cause) {
    const found = at instanceof AggregateError ? (at.errors.at(-1) as unknown) : at;
    const code = found instanceof Error && "code" in found ? found.code : undefined;
    if (typeof code === "string" && REASONS[code] !== undefined) return REASONS[code];
    if (at.cause === undefined || at instanceof errors.UndiciError)
      return found instanceof Error ? found.message : String(found);
  }
  return String(error);
}
