/**
 * The application on its sockets: several addresses, plain or TLS, HTTP/1.1 and HTTP/2 on each, with the limits and
 * time-outs of a service that faces strangers, and a shutdown that breaks no answer.
 */
import type { Server, ServerOptions } from "node:http";
import { createServer } from "node:http";
import { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { getRequestListener } from "@hono/node-server";
import { assert } from "../../lib/assert.ts";
import { EnvironmentError } from "../../lib/errors.ts";
import type { Logger } from "../../lib/logger.ts";
import type { App } from "./app.ts";
import type { Connection } from "./context.ts";
import { whenProtocolIsKnown } from "./first-bytes.ts";
import { hostRefusal } from "./host-header.ts";
import { createHttp2, type Http2 } from "./http2.ts";
import type { OpenPolls } from "./open-polls.ts";
import { admit } from "./pipeline.ts";
import type { TlsSource } from "./tls.ts";
import { JSON_TYPE, type V2ErrorName, v2Error, v2ErrorBody } from "./v2-error.ts";

/** Bytes of a request's line and headers. */
const HEADER_BYTES_MAX = 16 * 1024;
const HEADER_COUNT_MAX = 100;
/** How long a client may take to send a request. */
export interface RequestTimeouts {
  /** From the first byte, or the connection, to the end of the headers. */
  readonly headersMs: number;
  /** From the first byte to the end of the body. */
  readonly requestMs: number;
  /** How often the two are checked. */
  readonly checkMs: number;
}

/** Generous: etcd itself gives up on a request after 5 s. */
const TIMEOUTS: RequestTimeouts = { headersMs: 10_000, requestMs: 30_000, checkMs: 2_000 };
/** An idle connection is kept for longer than load balancers do (60 s), so that they close first. */
const KEEP_ALIVE_MS = 75_000;
/** A connection on which nothing at all moved, in the middle of an answer, beyond what a quiet poll takes. */
const STALLED_MS = 60_000;
/** Connections to one address of ours; more are closed at once. One that waits costs some 30 KB (measured). */
const CONNECTIONS_MAX = 20_000;
/** Between looks for connections that have become idle, while shutting down. */
const DRAIN_CHECK_MS = 20;
const BACKLOG = 4096;

export interface ListenAddress {
  readonly scheme: "http" | "https";
  /** Name or address, IPv6 without brackets. */
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
}

export interface HttpServerOptions {
  readonly app: Pick<App, "fetch">;
  readonly listen: readonly ListenAddress[];
  /** Needed when an address is https. */
  readonly tls: TlsSource | undefined;
  readonly polls: OpenPolls;
  readonly waitTimeoutMs: number;
  readonly timeouts?: RequestTimeouts;
  /** The index that goes into answers to requests that no route ever sees. */
  readonly index: () => number;
  readonly logger: Logger;
}

export interface HttpServer {
  /** As bound, as URLs: `http://127.0.0.1:8087`. */
  readonly addresses: readonly string[];
  /**
   * Takes no new connection, ends the polls, answers what is in flight, and resolves when all connections are closed.
   * @param deadlineMs What is still open then is cut.
   */
  close(deadlineMs: number): Promise<void>;
}

/** @throws EnvironmentError when an address cannot be listened on; none is left open then. */
export async function startHttp(options: HttpServerOptions): Promise<HttpServer> {
  const { timeouts = TIMEOUTS, waitTimeoutMs, logger } = options;
  const servers: Server[] = [];
  const sockets = new Set<Socket>();
  let closing = false;
  const listener = getRequestListener(options.app.fetch, {
    // What the request line or the Host header made impossible: no route has seen it.
    errorHandler: () =>
      v2Error("invalidField", "the request's target and its host make no valid URL", options.index()),
  });
  const onRequest = (incoming: Connection["incoming"], outgoing: Connection["outgoing"]): void => {
    if (!(outgoing instanceof Http2ServerResponse)) {
      if (!admit(incoming.socket, outgoing)) return;
      const refusal = hostRefusal(incoming.rawHeaders, incoming.httpVersion);
      if (refusal !== undefined) {
        const body = v2ErrorBody("invalidField", refusal, options.index());
        // In its turn, after the answers to what came before, and as the last one.
        outgoing.shouldKeepAlive = false;
        outgoing.writeHead(400, {
          "Content-Type": JSON_TYPE,
          "Content-Length": Buffer.byteLength(body),
          "X-Etcd-Index": options.index(),
        });
        outgoing.end(body);
        return;
      }
    }
    // HTTP/1.0, as simple health probes still speak it, has no Host header: the address it came to stands in.
    if (incoming.headers.host === undefined && incoming.httpVersion === "1.0") {
      const { localAddress = "localhost", localPort } = incoming.socket;
      incoming.headers.host = `${hostText(localAddress)}:${localPort}`;
    }
    if (incoming instanceof Http2ServerRequest) incoming.headers.host = incoming.authority;
    // `OPTIONS *` asks about the server as a whole (RFC 9110 §9.3.7).
    if (incoming.url === "*" && incoming.method === "OPTIONS") incoming.url = "/";
    if (closing && !(outgoing instanceof Http2ServerResponse)) outgoing.shouldKeepAlive = false;
    void listener(incoming, outgoing);
  };

  const http2 = createHttp2({
    onRequest,
    // As many as HTTP/1.1 can have: there it is one on each connection.
    requestsMax: CONNECTIONS_MAX,
    headerBytesMax: HEADER_BYTES_MAX,
    headerCountMax: HEADER_COUNT_MAX,
    headersMs: timeouts.headersMs,
    requestMs: timeouts.requestMs,
    keepAliveMs: KEEP_ALIVE_MS,
    stalledMs: waitTimeoutMs + STALLED_MS,
    logger,
  });

  try {
    for (const address of options.listen) {
      const server = await listen(address, onRequest, http2, options);
      server.on("connection", (socket: Socket) => {
        sockets.add(socket);
        socket.once("close", () => sockets.delete(socket));
      });
      servers.push(server);
    }
  } catch (error) {
    for (const server of servers) server.close();
    throw error;
  }

  const close = async (deadlineMs: number): Promise<void> => {
    closing = true;
    const closed = servers.map((server) => new Promise((resolve) => server.close(resolve)));
    options.polls.endAll();
    http2.close();
    const closeIdle = setInterval(() => {
      for (const server of servers) server.closeIdleConnections();
      // Nothing was asked on these, not even in which protocol.
      for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy();
    }, DRAIN_CHECK_MS);
    const deadline = setTimeout(() => {
      logger.warn("connections were still open at the end of the shutdown; closing them");
      for (const socket of sockets) socket.destroy();
    }, deadlineMs);
    await Promise.all(closed);
    clearInterval(closeIdle);
    clearTimeout(deadline);
  };

  return {
    addresses: servers.map((server, at) => urlOf(options.listen[at]?.scheme ?? "http", server)),
    close,
  };
}

async function listen(
  address: ListenAddress,
  onRequest: (incoming: Connection["incoming"], outgoing: Connection["outgoing"]) => void,
  http2: Http2,
  { tls, waitTimeoutMs, timeouts = TIMEOUTS, index, logger }: HttpServerOptions,
): Promise<Server> {
  const limits: ServerOptions = {
    maxHeaderSize: HEADER_BYTES_MAX,
    headersTimeout: timeouts.headersMs,
    requestTimeout: timeouts.requestMs,
    connectionsCheckingInterval: timeouts.checkMs,
    keepAliveTimeout: KEEP_ALIVE_MS,
    // The listener refuses a missing Host itself, in JSON.
    requireHostHeader: false,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: STALLED_MS,
  };
  let server: Server;
  if (address.scheme === "https") {
    if (tls === undefined) throw new Error("an https address without certificate files");
    const secure = createTlsServer(
      {
        ...limits,
        ...tls.current(),
        handshakeTimeout: timeouts.headersMs,
        ALPNProtocols: ["h2", "http/1.1"],
      },
      onRequest,
    );
    divert(secure, "secureConnection", (socket, http1) =>
      (socket as TLSSocket).alpnProtocol === "h2" ? http2.serve(socket) : http1(socket),
    );
    const stop = tls.onChange((material) => secure.setSecureContext(material));
    secure.once("close", stop);
    secure.on("tlsClientError", (error, socket) => {
      logger.debug("TLS handshake failed", { error, "remote-addr": socket.remoteAddress });
    });
    server = secure;
  } else {
    server = createServer(limits, onRequest);
    divert(server, "connection", (socket, http1) =>
      whenProtocolIsKnown(socket, timeouts.headersMs, (protocol) =>
        protocol === "http2" ? http2.serve(socket) : http1(socket),
      ),
    );
  }
  server.maxHeadersCount = HEADER_COUNT_MAX;
  server.maxConnections = CONNECTIONS_MAX;
  server.timeout = waitTimeoutMs + STALLED_MS;
  server.on("clientError", (error: NodeJS.ErrnoException, socket) =>
    refuseBroken(error, socket as Socket, index()),
  );
  server.on("connect", (_incoming, socket) => {
    const cause = "CONNECT is for proxies, and this is none";
    refuseByHand(socket as Socket, "405 Method Not Allowed", "methodNotAllowed", cause, index(), ALLOW);
  });

  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => reject(listenError(address, error)));
    server.listen({ host: address.host, port: address.port, backlog: BACKLOG }, resolve);
  });
  server.on("error", (error) => logger.error("the HTTP server failed", { error }));
  return server;
}

/** Puts a choice before node's own listener, which serves HTTP/1.1. @param event It is told of connections by. */
function divert(
  server: Server,
  event: "connection" | "secureConnection",
  choose: (socket: Socket, http1: (socket: Socket) => void) => void,
): void {
  const [listener, ...others] = server.listeners(event);
  assert(listener !== undefined && others.length === 0, () => `node serves ${event} in another way now`);
  server.removeAllListeners(event);
  const http1 = listener.bind(server) as (socket: Socket) => void;
  server.on(event, (socket: Socket) => choose(socket, http1));
}

/** Answers what is no HTTP, or too much of it: the parser gave up, so this is written by hand. */
function refuseBroken(error: NodeJS.ErrnoException, socket: Socket, index: number): void {
  if (!socket.writable || error.code === "ECONNRESET") {
    socket.destroy();
    return;
  }
  const [status, cause] = BROKEN[error.code ?? ""] ?? ["400 Bad Request", "the request is not valid HTTP"];
  refuseByHand(socket, status, "invalidField", cause, index);
}

/** Answers without a request's own answer to write to, and closes the connection. @param extra Whole header lines. */
function refuseByHand(
  socket: Socket,
  status: string,
  name: V2ErrorName,
  cause: string,
  index: number,
  extra = "",
): void {
  const body = v2ErrorBody(name, cause, index);
  // node has taken its own hands, and with them its error handler, off some of these.
  socket.on("error", () => socket.destroy());
  socket.end(
    `HTTP/1.1 ${status}\r\nContent-Type: ${JSON_TYPE}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n` +
      `X-Etcd-Index: ${index}\r\n${extra}Connection: close\r\n\r\n${body}`,
    () => socket.destroySoon(),
  );
}

/** What some path or other allows. */
const ALLOW = "Allow: GET, HEAD, POST, PUT, DELETE, OPTIONS\r\n";

const BROKEN: Readonly<Record<string, readonly [status: string, cause: string]>> = {
  HPE_HEADER_OVERFLOW: [
    "431 Request Header Fields Too Large",
    `the request's line and headers are longer than ${HEADER_BYTES_MAX} bytes`,
  ],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: ["413 Payload Too Large", "the body's chunk extensions are too long"],
  ERR_HTTP_REQUEST_TIMEOUT: ["408 Request Timeout", "the request did not arrive in time"],
};

function listenError(address: ListenAddress, error: NodeJS.ErrnoException): EnvironmentError {
  const where = `--listen-http ${address.scheme}://${hostText(address.host)}:${address.port}`;
  const reason = LISTEN_REASONS[error.code ?? ""] ?? error.message;
  return new EnvironmentError("listen_failed", `cannot listen on ${where}: ${reason}`, { cause: error });
}

const LISTEN_REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: "the port is in use; stop the program that uses it, or choose another port",
  EACCES: "not allowed; ports below 1024 need more rights, choose a higher one",
  EADDRNOTAVAIL: "this machine does not have that address",
  ENOTFOUND: "the name has no address",
  EAI_AGAIN: "the name cannot be looked up now",
};

function urlOf(scheme: string, server: Server): string {
  const { address, port } = server.address() as AddressInfo;
  return `${scheme}://${hostText(address)}:${port}`;
}

/** An IPv6 address in brackets, anything else as it is. */
export function hostText(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}
