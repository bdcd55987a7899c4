/** One HTTP/2 connection to the service, by node's own client. */
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  type SecureClientSessionOptions,
} from "node:http2";
import { onTestFinished } from "vitest";

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly text: string;
  /** Of the RST_STREAM that ended it; 0: it ended as it should. */
  readonly resetCode: number;
}

export interface Client {
  readonly session: ClientHttp2Session;
  /** Sends a request. @param body Omitted: none; null: one that is left open. */
  readonly send: (
    method: string,
    path: string,
    body?: string | null,
    headers?: Record<string, string>,
  ) => Sent;
  /** Sends a request and waits for its whole answer. */
  readonly ask: (...request: Parameters<Client["send"]>) => Promise<Answer>;
  readonly closed: Promise<void>;
}

export interface Sent {
  readonly stream: ClientHttp2Stream;
  readonly headers: Promise<Answer["headers"]>;
  readonly answer: Promise<Answer>;
}

/** Closed when the test ends. */
export function openClient(url: string, options: SecureClientSessionOptions = {}): Client {
  const session = connect(url, options);
  onTestFinished(() => session.destroy());
  session.on("error", () => undefined);
  const closed = new Promise<void>((resolve) => {
    session.once("close", resolve);
  });
  const send: Client["send"] = (method, path, body, headers = {}) => {
    const stream = session.request(
      { ":method": method, ":path": path, ...headers },
      { endStream: body === undefined },
    );
    let text = "";
    let received: Record<string, unknown> = {};
    stream.setEncoding("utf8");
    stream.on("data", (chunk: string) => {
      text += chunk;
    });
    stream.on("error", () => undefined);
    const got = new Promise<Answer["headers"]>((resolve) => {
      stream.once("response", (response) => {
        received = response;
        resolve(response);
      });
    });
    const answer = new Promise<Answer>((resolve) => {
      stream.once("close", () =>
        resolve({
          status: Number(received[":status"] ?? 0),
          headers: received,
          text,
          resetCode: stream.rstCode ?? 0,
        }),
      );
    });
    if (typeof body === "string") stream.end(body);
    return { stream, headers: got, answer };
  };
  return { session, send, ask: (...request) => send(...request).answer, closed };
}

/** A registration's body. */
export function valueOf(value: string): string {
  return `value=${encodeURIComponent(value)}`;
}
