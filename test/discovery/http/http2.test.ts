/** HTTP/2 on the same ports: what it shares with HTTP/1.1, and what only streams can do. */
import { readFileSync } from "node:fs";
import { constants } from "node:http2";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { createHttp2, type Http2Options } from "../../../src/discovery/http/http2.ts";
import { openTls } from "../../../src/discovery/http/tls.ts";
import { createLogger } from "../../../src/lib/logger.ts";
import { HAS_OPENSSL, makeAuthority } from "./certificates.ts";
import { FLAG, FRAME, type Frame, fields, frame, framesOf, get, PREFACE, reset } from "./frames.ts";
import { type Client, openClient, valueOf } from "./http2-client.ts";
import { slowRegistrations } from "./slow-registrations.ts";
import { openServer, openWire, registration, type ServerHarness, type Wire } from "./socket.ts";

const M1 = "m1=http://10.0.0.1:2380";
const CANCEL = constants.NGHTTP2_CANCEL;

async function open(...args: Parameters<typeof openServer>): Promise<ServerHarness & { client: Client }> {
  const harness = await openServer(...args);
  return { ...harness, client: openClient(harness.url) };
}

async function untilWaiting({ discovery }: ServerHarness, count: number): Promise<void> {
  await expect.poll(() => discovery.waiting, { interval: 2 }).toBe(count);
}

const framesFrom = (wire: Wire): readonly Frame[] => framesOf(Buffer.from(wire.text(), "latin1"));
/** Of every RST_STREAM: its stream and its code. */
const resetsIn = (wire: Wire): (readonly [stream: number, code: number])[] =>
  framesFrom(wire)
    .filter(({ type }) => type === FRAME.rstStream)
    .map(({ stream, payload }) => [stream, payload.readUInt32BE()]);
const openedWith = Buffer.concat([PREFACE, frame(FRAME.settings, 0, 0)]);

test("a cluster's life on one connection", async () => {
  const { client, url } = await open();
  const token = await client.ask("GET", "/new?size=1");
  expect(token.text).toMatch(new RegExp(`^${url}/[0-9a-f]{32}$`));
  const path = new URL(token.text).pathname;
  const put = await client.ask("PUT", `${path}/a1?prevExist=false`, valueOf(M1));
  expect(put).toMatchObject({ status: 201, headers: { "x-etcd-index": "3" }, resetCode: 0 });
  expect(JSON.parse(put.text)).toMatchObject({ action: "create", node: { value: M1 } });
  expect((await client.ask("GET", `${path}?status`)).text).toContain('"from": "127.0.0.1"');
  expect(await client.ask("GET", "/nothing")).toMatchObject({ status: 404, resetCode: 0 });
  expect(await client.ask("HEAD", "/version")).toMatchObject({
    status: 200,
    text: "",
    headers: { "content-length": (await client.ask("GET", "/version")).headers["content-length"] },
  });
});

test("HTTP/1.1 and HTTP/2 are told apart however their bytes come", async () => {
  const { connect, newToken } = await openServer();
  const inPieces = async (bytes: Buffer): Promise<Wire> => {
    const wire = await connect();
    for (const byte of bytes) {
      await new Promise((resolve) => wire.socket.write(Buffer.of(byte), resolve));
    }
    return wire;
  };
  const second = await inPieces(Buffer.concat([openedWith, get(1, "/health")]));
  await second.until(/OK$/);
  expect(framesFrom(second)[0]).toMatchObject({ type: FRAME.settings, stream: 0 });
  const first = await inPieces(Buffer.from(registration(`${await newToken()}/a1`, M1)));
  expect(await first.until(/\}\}$/)).toMatch(/^HTTP\/1\.1 201 Created\r\n/);
  const neither = await inPieces(Buffer.from("PRI * HTTP/2.0\r\n\r\nXX"));
  expect(await neither.until(/\}/)).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
});

test.each(["end", "resetAndDestroy"] as const)("a connection that goes before it speaks: %s", async (how) => {
  const harness = await open();
  for (const bytes of ["", "PRI * HT"]) {
    const wire = await harness.connect();
    wire.write(bytes);
    wire.socket[how]();
    await wire.closed;
  }
  expect((await harness.client.ask("GET", "/health")).text).toBe("OK");
});

test.each([
  ["no authority", {}],
  ["a strange authority", { ":authority": "a b" }],
  ["a strange host", { host: "q/../x" }],
  ["an absolute path", { ":authority": "q", ":path": "http://q/version" }],
])("%s is malformed", async (_what, request) => {
  const wire = await (await openServer()).connect();
  const whole = { ":method": "GET", ":scheme": "http", ":path": "/version", ...request };
  wire.socket.write(openedWith);
  wire.socket.write(frame(FRAME.headers, FLAG.endHeaders + FLAG.endStream, 1, fields(whole)));
  await expect.poll(() => resetsIn(wire), { interval: 2 }).toEqual([[1, constants.NGHTTP2_PROTOCOL_ERROR]]);
});

test.each([
  ["a scheme", { ":scheme": "ftp", ":authority": "q" }],
  ["a path", { ":scheme": "http", ":authority": "q", ":path": "/a\\b" }],
])("%s that is none is refused in JSON", async (_what, request) => {
  const wire = await (await openServer()).connect();
  wire.socket.write(openedWith);
  const whole = { ":method": "GET", ":path": "/version", ...request };
  wire.socket.write(frame(FRAME.headers, FLAG.endHeaders + FLAG.endStream, 1, fields(whole)));
  expect(await wire.until(/\}/)).toContain('"errorCode":209');
});

test("Host stands in for the authority, OPTIONS * is answered, CONNECT is not", async () => {
  const { client, connect } = await open();
  const wire = await connect();
  const request = { ":method": "GET", ":scheme": "http", ":path": "/new", host: "d.test:99" };
  wire.socket.write(openedWith);
  wire.socket.write(frame(FRAME.headers, FLAG.endHeaders + FLAG.endStream, 1, fields(request)));
  await wire.until(/http:\/\/d\.test:99\/[0-9a-f]{32}/);
  expect(await client.ask("OPTIONS", "*")).toMatchObject({
    status: 204,
    headers: { allow: "GET, HEAD, OPTIONS" },
  });
  const tunnel = client.session.request({ ":method": "CONNECT", ":authority": "q:1" });
  const status = await new Promise((resolve) => {
    tunnel.once("response", (headers) => resolve(headers[":status"]));
  });
  expect(status).toBe(405);
});

describe("long polls", () => {
  test("headers arrive before the event, on many polls of one connection", async () => {
    const harness = await open();
    const path = await harness.newToken();
    const polls = Array.from({ length: 50 }, () =>
      harness.client.send("GET", `${path}?wait=true&waitIndex=3`),
    );
    for (const poll of polls)
      expect(await poll.headers).toMatchObject({ ":status": 200, "x-etcd-index": "2" });
    await harness.client.ask("PUT", `${path}/a1`, valueOf(M1));
    for (const poll of polls) {
      expect(await poll.answer).toMatchObject({ resetCode: 0, text: expect.stringContaining(M1) as unknown });
    }
  });

  test("a quiet one ends empty", async () => {
    const { client, newToken } = await open({ waitTimeoutMs: 20 });
    const answer = await client.ask("GET", `${await newToken()}?wait=true&waitIndex=3`);
    expect(answer).toMatchObject({ status: 200, text: "", resetCode: 0 });
  });

  test.each(["its stream", "its connection", "half of its connection"])(
    "a client that ends %s",
    async (what) => {
      const harness = await open();
      const wire = await harness.connect();
      wire.socket.write(openedWith);
      wire.socket.write(get(1, `${await harness.newToken()}?wait=true&waitIndex=3`));
      await untilWaiting(harness, 1);
      if (what === "its stream") wire.socket.write(reset(1));
      else if (what === "its connection") wire.socket.resetAndDestroy();
      else wire.socket.end();
      await untilWaiting(harness, 0);
      expect(harness.polls.size).toBe(0);
    },
  );

  test("one that counted a member deleted since is cut off, and the others are not", async () => {
    const harness = await open();
    const path = await harness.newToken();
    await harness.put(`${path}/a1`, M1);
    const stale = harness.client.send("GET", `${path}?wait=true&waitIndex=4`);
    const fresh = harness.client.send("GET", `${await harness.newToken()}?wait=true`);
    await stale.headers;
    await fresh.headers;
    await untilWaiting(harness, 2);
    await harness.client.ask("DELETE", `${path}/a1`);
    expect(await stale.answer).toMatchObject({ status: 200, text: "", resetCode: CANCEL });
    expect((await harness.client.ask("GET", `${path}?wait=true&waitIndex=4`)).resetCode).toBe(CANCEL);
    harness.polls.endAll();
    expect(await fresh.answer).toMatchObject({ text: "", resetCode: 0 });
  });
});

describe("an answer is lost", () => {
  test.each(["cancelled", "closed", "half-closed"])("when it was %s before", async (how) => {
    const slow = slowRegistrations();
    const harness = await openServer({ wrap: slow.wrap });
    const path = await harness.newToken("?size=1");
    const wire = await harness.connect();
    wire.socket.write(openedWith);
    wire.socket.write(putFrames(1, `${path}/a1`));
    await slow.arrived;
    const closed = new Promise((resolve) => harness.latestSocket().once("close", resolve));
    if (how === "cancelled") wire.socket.write(reset(1));
    else if (how === "closed") wire.socket.destroy();
    else wire.socket.end();
    if (how === "cancelled") await untilAcknowledged(wire);
    else await closed;
    slow.release();
    await expect.poll(() => slow.lost, { interval: 5 }).toEqual(["a1 3"]);
    expect((await harness.put(`${path}/a1`, M1)).status).toBe(201);
  });

  test("when its client never took it", async () => {
    const slow = slowRegistrations();
    const harness = await openServer({ wrap: slow.wrap });
    slow.release();
    const path = await harness.newToken("?size=1");
    const client = openClient(harness.url, { settings: { initialWindowSize: 0 } });
    const put = client.send("PUT", `${path}/a1`, valueOf(M1));
    await put.headers;
    expect(slow.lost).toEqual([]);
    put.stream.close(CANCEL);
    await expect.poll(() => slow.lost, { interval: 5 }).toEqual(["a1 3"]);
  });

  test("but not when it went out, whatever comes afterwards", async () => {
    const slow = slowRegistrations();
    const harness = await openServer({ wrap: slow.wrap });
    slow.release();
    const path = await harness.newToken("?size=1");
    const client = openClient(harness.url);
    expect((await client.ask("PUT", `${path}/a1`, valueOf(M1))).status).toBe(201);
    client.session.destroy();
    await client.closed;
    expect((await harness.put(`${path}/a1`, M1)).status).toBe(412);
    expect(slow.lost).toEqual([]);
  });
});

describe("bounds", () => {
  test("headers: their bytes and their number", async () => {
    const { client } = await open();
    const refused = { status: 0, resetCode: constants.NGHTTP2_ENHANCE_YOUR_CALM };
    expect(await client.ask("GET", "/version", undefined, { long: "x".repeat(17_000) })).toMatchObject(
      refused,
    );
    const many = Object.fromEntries(Array.from({ length: 101 }, (_value, i) => [`h${i}`, "x"]));
    expect(await client.ask("GET", "/version", undefined, many)).toMatchObject(refused);
    expect((await client.ask("GET", "/version")).status).toBe(200);
  });

  test("bodies: a long one is refused and does not hold up the next request", async () => {
    const { client, newToken } = await open();
    const path = await newToken();
    for (const headers of [{ "content-length": "200000" }, {}] as Record<string, string>[]) {
      const { status, text } = await client.ask("PUT", `${path}/a1`, "x".repeat(200_000), headers);
      expect([status, text]).toEqual([413, expect.stringContaining('"errorCode":210')]);
    }
    // Nobody reads this one: it must not use up what the connection may have in flight.
    for (let n = 0; n < 4; n++) {
      expect((await client.ask("PATCH", path, "x".repeat(200_000))).status).toBe(405);
    }
    expect((await client.ask("PUT", `${path}/a1`, valueOf(M1))).status).toBe(201);
  });

  test("requests at once: more than a hundred are refused, and end the connection of who knew", async () => {
    const harness = await openServer();
    const path = `${await harness.newToken()}?wait=true&waitIndex=9`;
    const many = Buffer.concat(Array.from({ length: 101 }, (_value, n) => get(2 * n + 1, path)));
    const unaware = await harness.connect();
    unaware.socket.write(Buffer.concat([openedWith, many]));
    await untilWaiting(harness, 100);
    await expect
      .poll(() => resetsIn(unaware), { interval: 2 })
      .toEqual([[201, constants.NGHTTP2_REFUSED_STREAM]]);
    unaware.socket.destroy();
    await untilWaiting(harness, 0);

    const aware = await harness.connect();
    aware.socket.write(Buffer.concat([openedWith, frame(FRAME.settings, FLAG.acknowledge, 0), many]));
    await aware.closed;
    expect(framesFrom(aware).at(-1)?.type).toBe(FRAME.goaway);
    await untilWaiting(harness, 0);
  });

  test("rapid resets end the connection, and only it", async () => {
    const { connect, client, discovery, newToken } = await open();
    const wire = await connect();
    const path = `${await newToken()}?wait=true&waitIndex=9`;
    wire.socket.write(openedWith);
    for (let n = 0; n < 3000; n++) wire.socket.write(Buffer.concat([get(2 * n + 1, path), reset(2 * n + 1)]));
    await wire.closed;
    expect(framesFrom(wire).at(-1)?.type).toBe(FRAME.goaway);
    await expect.poll(() => discovery.waiting, { interval: 2 }).toBe(0);
    expect((await client.ask("GET", "/health")).text).toBe("OK");
  });

  test.each([
    ["nothing after the preface", PREFACE],
    ["part of a preface", PREFACE.subarray(0, 9)],
    [
      "headers without end",
      Buffer.concat([openedWith, frame(FRAME.headers, 0, 1, fields({ ":method": "GET" }))]),
    ],
    ["settings and pings for ever", openedWith],
  ])("a client that sends %s is sent away", async (what, bytes) => {
    const { connect } = await openServer({}, { timeouts: { headersMs: 50, requestMs: 60_000, checkMs: 10 } });
    const wire = await connect();
    wire.socket.write(bytes);
    if (what.includes("for ever")) {
      const busy = setInterval(() => {
        wire.socket.write(frame(FRAME.settings, 0, 0));
        wire.socket.write(frame(FRAME.ping, 0, 0, Buffer.alloc(8)));
      }, 5);
      onTestFinished(() => clearInterval(busy));
    }
    await wire.closed;
    expect(wire.text()).not.toContain("HTTP/1.1");
  });

  test("a body without end is cancelled; its connection lives", async () => {
    const { client, newToken, discovery } = await open(
      {},
      { timeouts: { headersMs: 500, requestMs: 500, checkMs: 100 } },
    );
    const path = await newToken();
    const { resetCode, status } = await client.ask("PUT", `${path}/a1`, null);
    expect([status, resetCode]).toEqual([0, CANCEL]);
    expect((await client.ask("PUT", `${path}/a1`, valueOf(M1))).status).toBe(201);
    expect(discovery.index).toBe(3);
  });

  /** The HTTP/2 side alone, with times of the test's choice. */
  async function bare(times: Partial<Http2Options>): Promise<{ port: number; accepted: Promise<Socket> }> {
    const http2 = createHttp2({
      onRequest: (_incoming, outgoing) => outgoing.end("x".repeat(100)),
      requestsMax: 100,
      headerBytesMax: 1000,
      headerCountMax: 100,
      headersMs: 10_000,
      requestMs: 10_000,
      keepAliveMs: 10_000,
      stalledMs: 10_000,
      logger: createLogger("error", () => undefined),
      ...times,
    });
    const server = createServer((socket) => http2.serve(socket));
    const accepted = new Promise<Socket>((resolve) => server.once("connection", resolve));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => {
      server.close();
    });
    return { port: (server.address() as AddressInfo).port, accepted };
  }

  test("requests of all connections together: more are refused until some have ended", async () => {
    const { port } = await bare({ requestsMax: 2, onRequest: () => undefined });
    const [one, two] = [await openWire(port), await openWire(port)];
    one.socket.write(Buffer.concat([openedWith, get(1, "/"), get(3, "/")]));
    await untilAcknowledged(one);
    two.socket.write(Buffer.concat([openedWith, get(1, "/")]));
    await expect.poll(() => resetsIn(two), { interval: 2 }).toEqual([[1, constants.NGHTTP2_REFUSED_STREAM]]);
    one.socket.write(reset(3));
    await untilAcknowledged(one);
    two.socket.write(get(3, "/"));
    await untilAcknowledged(two);
    expect(resetsIn(two)).toHaveLength(1);
  });

  test("an idle connection is told so, and closed although its client does not", async () => {
    const { port, accepted } = await bare({ keepAliveMs: 30 });
    const wire = await openWire(port);
    wire.socket.allowHalfOpen = true;
    wire.socket.write(Buffer.concat([openedWith, get(1, "/")]));
    await wire.until(/x{100}/);
    const server = await accepted;
    await expect.poll(() => server.destroyed, { interval: 10, timeout: 5000 }).toBe(true);
    expect(framesFrom(wire).at(-1)?.type).toBe(FRAME.goaway);
  });

  test("an answer that is not taken is broken off; its connection lives", async () => {
    const { port } = await bare({ stalledMs: 30 });
    const wire = await openWire(port);
    const window = Buffer.from([0, 4, 0, 0, 0, 10]);
    wire.socket.write(Buffer.concat([PREFACE, frame(FRAME.settings, 0, 0, window), get(1, "/")]));
    await expect.poll(() => resetsIn(wire), { interval: 2 }).toEqual([[1, CANCEL]]);
    await untilAcknowledged(wire);
  });
});

describe("shutdown", () => {
  test("ends polls, answers what is in flight, takes no more", async () => {
    const slow = slowRegistrations();
    const harness = await openServer({ wrap: slow.wrap });
    const path = await harness.newToken();
    const [idle, busy] = [openClient(harness.url), openClient(harness.url)];
    const silent = await harness.connect();
    await idle.ask("GET", "/version");
    const poll = busy.send("GET", `${path}?wait=true&waitIndex=9`);
    await untilWaiting(harness, 1);
    const put = busy.send("PUT", `${path}/a1`, valueOf(M1));
    await slow.arrived;

    const closed = harness.server.close(10_000);
    expect(await poll.answer).toMatchObject({ status: 200, text: "", resetCode: 0 });
    await idle.closed;
    await silent.closed;
    slow.release();
    expect(await put.answer).toMatchObject({ status: 201, resetCode: 0 });
    await busy.closed;
    await closed;
  });

  test("cuts what does not end by the deadline", async () => {
    const slow = slowRegistrations();
    const harness = await openServer({ wrap: slow.wrap });
    const client = openClient(harness.url);
    const put = client.send("PUT", `${await harness.newToken()}/a1`, valueOf(M1));
    await slow.arrived;
    await harness.server.close(20);
    expect((await put.answer).status).toBe(0);
    slow.release();
  });
});

describe.skipIf(!HAS_OPENSSL)("under TLS (needs openssl)", () => {
  test("the client chooses by ALPN, and one that says nothing gets HTTP/1.1", async () => {
    const authority = makeAuthority();
    const tls = openTls(
      { ...authority.issue("one"), trustedCaFile: undefined },
      createLogger("error", () => undefined),
    );
    onTestFinished(() => tls.close());
    const harness = await openServer({}, { tls });
    const ca = readFileSync(authority.caFile);
    const client = openClient(harness.url, { ca });
    expect((await client.ask("GET", "/new")).text).toMatch(/^https:\/\/127\.0\.0\.1:\d+\/[0-9a-f]{32}$/);
    expect(client.session.alpnProtocol).toBe("h2");
    for (const options of [{}, { ALPNProtocols: ["http/1.1"] }, { ALPNProtocols: ["http/1.1", "h2"] }]) {
      const wire = await harness.connect({ ca, ...options });
      const isSecond = options.ALPNProtocols?.includes("h2") ?? false;
      wire.socket.write(
        isSecond ? Buffer.concat([openedWith, get(1, "/version")]) : "GET /version HTTP/1.0\r\n\r\n",
      );
      await wire.until(/quorate/);
      expect(wire.text().startsWith("HTTP/1.1 200 OK")).toBe(!isSecond);
    }
  });

  test("--client-cert-auth holds", async () => {
    const [authority, stranger] = [makeAuthority(), makeAuthority()];
    const files = { ...authority.issue("server"), trustedCaFile: authority.caFile };
    const tls = openTls(
      files,
      createLogger("error", () => undefined),
    );
    onTestFinished(() => tls.close());
    const { url } = await openServer({}, { tls });
    const status = async (from: typeof authority | undefined): Promise<number> => {
      const issued = from?.issue("client");
      const own =
        issued === undefined
          ? {}
          : { cert: readFileSync(issued.certFile), key: readFileSync(issued.keyFile) };
      const client = openClient(url, { ca: readFileSync(authority.caFile), ...own });
      return Promise.race([
        client.ask("GET", "/version").then((answer) => answer.status),
        client.closed.then(() => 0),
      ]);
    };
    expect(await status(authority)).toBe(200);
    expect(await status(stranger)).toBe(0);
    expect(await status(undefined)).toBe(0);
  });
});

test("X-Forwarded-For of a trusted proxy counts", async () => {
  const { client, newToken } = await open({ trustProxy: ["127.0.0.1"] });
  const path = await newToken();
  await client.ask("PUT", `${path}/a1`, valueOf(M1), { "x-forwarded-for": "192.0.2.7" });
  expect((await client.ask("GET", `${path}?status`)).text).toContain('"from": "192.0.2.7"');
  const forwarded = { "x-forwarded-host": "d.test", "x-forwarded-proto": "https" };
  expect((await client.ask("GET", "/new", undefined, forwarded)).text).toMatch(/^https:\/\/d\.test\//);
});

function putFrames(stream: number, path: string): Buffer {
  const request = { ":method": "PUT", ":scheme": "http", ":authority": "q", ":path": path };
  return Buffer.concat([
    frame(FRAME.headers, FLAG.endHeaders, stream, fields(request)),
    frame(FRAME.data, FLAG.endStream, stream, Buffer.from(valueOf(M1))),
  ]);
}

/** Resolves when the server has read all that was sent: it answers a PING. */
async function untilAcknowledged(wire: Wire): Promise<void> {
  wire.socket.write(frame(FRAME.ping, 0, 0, Buffer.from("all-read")));
  await wire.until(/all-read/);
}
