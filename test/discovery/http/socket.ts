/** The app on a real port, and a client that writes bytes and reads what comes back. */
import { connect, type Socket } from "node:net";
import { type ConnectionOptions, connect as connectTls } from "node:tls";
import { onTestFinished } from "vitest";
import type { Connection } from "../../../src/discovery/http/context.ts";
import { type HttpServer, startHttp } from "../../../src/discovery/http/server.ts";
import type { TlsSource } from "../../../src/discovery/http/tls.ts";
import { must } from "../../../src/lib/assert.ts";
import { createLogger } from "../../../src/lib/logger.ts";
import { type Harness, type HarnessOptions, openHarness } from "./harness.ts";

export interface ServerHarness extends Harness {
  readonly server: HttpServer;
  readonly url: string;
  readonly port: number;
  /** The server's end of the connection that brought the latest request. */
  readonly latestSocket: () => Socket;
  /** Opens a connection, which is closed when the test ends. */
  readonly connect: (tls?: ConnectionOptions) => Promise<Wire>;
}

export async function openServer(
  options: HarnessOptions = {},
  listen: Partial<Parameters<typeof startHttp>[0]> & { readonly tls?: TlsSource } = {},
): Promise<ServerHarness> {
  const harness = await openHarness(options);
  let latest: Socket | undefined;
  const fetch: typeof harness.app.fetch = (request, env, context) => {
    latest = (env as Connection).incoming.socket;
    return harness.app.fetch(request, env, context);
  };
  const server = await startHttp({
    app: { fetch },
    listen: [{ scheme: listen.tls === undefined ? "http" : "https", host: "127.0.0.1", port: 0 }],
    polls: harness.polls,
    waitTimeoutMs: options.waitTimeoutMs ?? 50_000,
    index: () => harness.discovery.index,
    logger: createLogger("debug", (line) => harness.logged.push(line)),
    tls: undefined,
    ...listen,
  });
  onTestFinished(() => server.close(1000));
  const url = server.addresses[0] ?? "";
  const port = Number(new URL(url).port);
  return {
    ...harness,
    server,
    url,
    port,
    latestSocket: () => must(latest, () => "no request has come"),
    connect: (tls) => openWire(port, tls),
  };
}

/** One connection, read as text. */
export interface Wire {
  readonly socket: Socket;
  /** Everything received so far. */
  readonly text: () => string;
  readonly write: (text: string) => void;
  /** Resolves with all received text as soon as it matches. Rejects when the connection closes before. */
  readonly until: (pattern: RegExp) => Promise<string>;
  /** Resolves with all received text when the server has closed the connection. */
  readonly closed: Promise<string>;
}

export async function openWire(port: number, tls?: ConnectionOptions): Promise<Wire> {
  const socket =
    tls === undefined ? connect(port, "127.0.0.1") : connectTls({ port, host: "127.0.0.1", ...tls });
  onTestFinished(() => {
    socket.destroy();
  });
  await new Promise<void>((resolve, reject) => {
    socket.once(tls === undefined ? "connect" : "secureConnect", resolve);
    socket.once("error", reject);
  });
  let text = "";
  const looks = new Set<() => void>();
  socket.setEncoding("latin1");
  socket.on("data", (chunk: string) => {
    text += chunk;
    for (const look of looks) look();
  });
  socket.on("error", () => undefined);
  const closed = new Promise<string>((resolve) => {
    socket.once("close", () => resolve(text));
  });
  return {
    socket,
    text: () => text,
    write: (out) => socket.write(out),
    until: (pattern) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (!pattern.test(text)) return;
          looks.delete(look);
          resolve(text);
        };
        looks.add(look);
        look();
        void closed.then(() => reject(new Error(`closed before ${String(pattern)}: ${text}`)));
      }),
    closed,
  };
}

/** A PUT of a member's value as etcd sends it. */
export function registration(path: string, value: string): string {
  const body = `value=${encodeURIComponent(value)}`;
  return `PUT ${path}?prevExist=false HTTP/1.1\r\nHost: q\r\nContent-Length: ${body.length}\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\n${body}`;
}
