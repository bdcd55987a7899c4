/**
 * Anything at all over HTTP: no crash, never a 5xx, etcd's JSON on every error below a token, and nothing that grows.
 * A failure prints its seed and the smallest input; `fc.assert(…, { seed, path })` replays it.
 */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { FLAG, FRAME, fields, frame, get, PREFACE, reset } from "./frames.ts";
import { connectionFrom, openHarness, type V2Answer } from "./harness.ts";
import { openServer, openWire } from "./socket.ts";

const HEX = "0123456789abcdef".split("");
const METHODS = ["GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "PATCH", "PROPFIND"] as const;

/** Pieces that mean something to the service, so that deep paths are reached, beside pieces that mean nothing. */
function segments(token: string): fc.Arbitrary<string> {
  return fc.oneof(
    {
      weight: 5,
      arbitrary: fc.constantFrom(token, "v2", "keys", "discovery", "_config", "size", "new", "health"),
    },
    { weight: 3, arbitrary: fc.string({ unit: fc.constantFrom(...HEX), minLength: 1, maxLength: 20 }) },
    {
      weight: 2,
      arbitrary: fc.constantFrom(
        "",
        ".",
        "..",
        "%2e%2e",
        "%2F",
        "%zz",
        "%",
        "%00",
        "%c3%28",
        "ä",
        "a b",
        "\\",
      ),
    },
    { weight: 1, arbitrary: fc.string({ maxLength: 12 }) },
    { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 12 }) },
  );
}

const numbers = fc.oneof(
  fc.integer().map(String),
  fc.constantFrom(
    "",
    "0",
    "1",
    "3",
    "-1",
    "1e3",
    "3.5",
    "0x3",
    "007",
    "18446744073709551616",
    "99999999999999999999999",
  ),
);
const booleans = fc.constantFrom("true", "false", "1", "0", "", "yes", "TRUE");
const urls = fc.oneof(
  fc
    .tuple(
      fc.constantFrom("http", "https", "ftp", ""),
      fc.constantFrom("10.0.0.1", "localhost", "[::1]", "h", "", "0.0.0.0"),
      numbers,
    )
    .map(([s, h, p]) => `${s}://${h}:${p}`),
  fc.webUrl(),
  fc.string(),
);
const values = fc.oneof(
  fc.tuple(fc.constantFrom("m1", "m2", "m3", "", "é"), urls).map(([name, url]) => `${name}=${url}`),
  fc
    .array(
      fc.tuple(fc.constantFrom("m1", "m2"), urls).map(([name, url]) => `${name}=${url}`),
      { maxLength: 20 },
    )
    .map((pairs) => pairs.join(",")),
  fc.string({ unit: "binary", maxLength: 300 }),
);

const parameters = fc.array(
  fc.oneof(
    fc.tuple(fc.constantFrom("size", "waitIndex", "prevIndex", "ttl"), numbers),
    fc.tuple(fc.constantFrom("recursive", "sorted", "quorum", "prevExist", "dir", "refresh"), booleans),
    fc.tuple(fc.constantFrom("value", "member", "prevValue"), values),
    fc.tuple(fc.constantFrom("status", "domain", "x", "dns"), fc.string({ maxLength: 20 })),
    fc.tuple(fc.string({ maxLength: 5 }), fc.string({ maxLength: 5 })),
  ),
  { maxLength: 5 },
);

const text = fc.oneof(
  parameters.map((pairs) => new URLSearchParams(pairs).toString()),
  parameters.map((pairs) => pairs.map((pair) => pair.join("=")).join("&")),
);

const contentTypes = fc.constantFrom(
  undefined,
  "application/x-www-form-urlencoded",
  "application/json",
  "text/plain",
  ";",
  "multipart/form-data; boundary=x",
);

/** What is wrong with an answer, in words. */
async function problemOf(response: Response, method: string, wait: boolean): Promise<string | undefined> {
  const answer = await response.text();
  const { status } = response;
  if (status >= 500 || status === 429) return `status ${status}: ${answer}`;
  const isKey = response.headers.has("x-etcd-index");
  if (!isKey || method === "HEAD" || status === 204) return undefined;
  // Below a token: a quiet poll, the status, or JSON with a node or an error; never an empty object.
  if (answer === "") return status === 200 && wait ? undefined : `an empty ${status}`;
  const json = JSON.parse(answer) as V2Answer;
  if (status < 300)
    return json.node !== undefined || "state" in json ? undefined : `a success without node: ${answer}`;
  const words = typeof json.message === "string" && typeof json.cause === "string";
  return typeof json.errorCode === "number" && words
    ? undefined
    : `an error that etcd cannot read: ${answer}`;
}

test("requests made of everything", async () => {
  const { app, discovery, newToken, polls } = await openHarness({
    waitTimeoutMs: 1,
    allowedDomains: ["example.com"],
  });
  const token = (await newToken("?size=7")).slice(1);
  const request = fc.record({
    method: fc.constantFrom(...METHODS),
    path: fc.oneof(
      fc.array(segments(token), { maxLength: 6 }).map((parts) => `/${parts.join("/")}`),
      fc.constantFrom("a1", "a2", "a3", "a4").map((id) => `/${token}/${id}`),
    ),
    query: fc.oneof(fc.constantFrom("", "prevExist=false"), text),
    wait: fc.boolean(),
    body: fc.oneof(
      text,
      fc.integer({ min: 1, max: 5 }).map((n) => `value=m${n}%3Dhttp%3A%2F%2F10.0.0.${n}%3A2380`),
    ),
    type: fc.oneof(fc.constant("application/x-www-form-urlencoded"), contentTypes),
    from: fc.constantFrom("10.0.0.1", "10.0.0.2", "2001:db8::1", ""),
    host: fc.oneof(fc.constantFrom("q", "q:1", "[::1]:1", ""), fc.string({ maxLength: 10 })),
  });
  await fc.assert(
    fc.asyncProperty(request, async ({ method, path, query, wait, body, type, from, host }) => {
      const hasBody = method !== "GET" && method !== "HEAD";
      const response = await app.request(
        `http://q.test${path}?${wait ? "wait=true&" : ""}${query}`,
        {
          method,
          ...(hasBody ? { body } : {}),
          headers: type === undefined ? {} : { "Content-Type": type },
        },
        connectionFrom(from, { host }),
      );
      expect(await problemOf(response, method, wait)).toBeUndefined();
    }),
    { numRuns: 20_000, interruptAfterTimeLimit: 100_000, markInterruptAsFailure: true },
  );
  expect([discovery.waiting, polls.size]).toEqual([0, 0]);
}, 120_000);

/** Bytes that nearly are HTTP. */
const nearlyHttp = fc
  .record({
    line: fc.oneof(
      fc
        .tuple(
          fc.constantFrom(...METHODS, "get", "G\u0000T", ""),
          fc.constantFrom("/", "/new", "*", "http://q/new", "//x", "/%zz", "x", "\\"),
          fc.constantFrom("HTTP/1.1", "HTTP/1.0", "HTTP/2.0", ""),
        )
        .map((parts) => parts.join(" ")),
      fc.string({ unit: "binary-ascii", maxLength: 40 }),
    ),
    headers: fc.array(
      fc.oneof(
        fc.constantFrom(
          "Host: q",
          "Host: a b",
          "Host:",
          "Content-Length: 5",
          "Content-Length: -1",
          "Content-Length: 5, 6",
          "Transfer-Encoding: chunked",
          "Transfer-Encoding: gzip, chunked",
          "Connection: close",
          "Connection: upgrade",
          "Upgrade: h2c",
          "Expect: 100-continue",
          "Expect: x",
          "X-Forwarded-For: ,,,",
        ),
        fc.string({ unit: "binary-ascii", maxLength: 30 }),
      ),
      { maxLength: 6 },
    ),
    body: fc.oneof(
      fc.constantFrom("", "size=", "5\r\nsize=\r\n0\r\n\r\n", "zz\r\n", "ffffffffffffffff\r\n"),
      fc.string({ unit: "binary-ascii", maxLength: 40 }),
    ),
  })
  .map(({ line, headers, body }) => `${[line, ...headers].join("\r\n")}\r\n\r\n${body}`);

test("bytes that nearly are HTTP", async () => {
  const harness = await openServer({ waitTimeoutMs: 1 });
  await fc.assert(
    fc.asyncProperty(nearlyHttp, async (bytes) => {
      const wire = await openWire(harness.port);
      wire.socket.end(bytes, "latin1");
      const answer = await wire.closed;
      wire.socket.removeAllListeners();
      for (const [, status] of answer.matchAll(/^HTTP\/1\.1 (\d+)/gm))
        expect(Number(status)).toBeLessThan(500);
    }),
    { numRuns: 2_000, interruptAfterTimeLimit: 60_000, markInterruptAsFailure: true },
  );
  expect(await (await fetch(`${harness.url}/health`)).text()).toBe("OK");
  expect(harness.logged.filter((line) => line.includes('"level":"error"'))).toEqual([]);
}, 120_000);

/** What follows a preface: frames that are right, right in the wrong place, or made of anything. */
function nearlyFrames(path: string): fc.Arbitrary<Buffer> {
  const stream = fc.constantFrom(0, 1, 1, 3, 3, 5, 2);
  const bytes = (max: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ maxLength: max });
  const below = fc.constantFrom(
    "/new",
    "/health",
    "/nothing",
    path,
    `${path}/a1`,
    `${path}?wait=true&waitIndex=99`,
  );
  const request = fc.record({
    ":method": fc.constantFrom(...METHODS, "CONNECT"),
    ":scheme": fc.constantFrom("http", "https", "x"),
    ":authority": fc.constantFrom("q", "", "a b"),
    ":path": below,
  });
  const piece = fc.oneof(
    fc.tuple(stream, below).map(([at, to]) => get(at, to)),
    fc
      .tuple(stream, fc.nat(7), request)
      .map(([at, flags, of]) => frame(FRAME.headers, flags, at, fields(of))),
    fc.tuple(stream, fc.nat(1), bytes(99)).map(([at, flags, of]) => frame(FRAME.data, flags, at, of)),
    stream.map(reset),
    fc.tuple(fc.nat(11), fc.nat(255), stream, bytes(40)).map((of) => frame(...of)),
    fc.constant(frame(FRAME.settings, FLAG.acknowledge, 0)),
    bytes(30).map((of) => Buffer.from(of)),
  );
  // Without these first, the connection ends before anything else is looked at.
  const settings = fc.constantFrom(frame(FRAME.settings, 0, 0), frame(FRAME.settings, 0, 0), Buffer.alloc(0));
  return fc
    .tuple(settings, fc.array(piece, { maxLength: 20 }))
    .map(([first, pieces]) => Buffer.concat([PREFACE, first, ...pieces]));
}

test("bytes that nearly are HTTP/2", async () => {
  const harness = await openServer();
  await fc.assert(
    fc.asyncProperty(nearlyFrames(await harness.newToken()), fc.boolean(), async (bytes, isReset) => {
      const wire = await openWire(harness.port);
      await new Promise((resolve) => wire.socket.write(bytes, resolve));
      if (isReset) wire.socket.resetAndDestroy();
      else wire.socket.end();
      await wire.closed;
      wire.socket.removeAllListeners();
    }),
    { numRuns: 2_000, interruptAfterTimeLimit: 60_000, markInterruptAsFailure: true },
  );
  // Some of them were requests.
  expect(harness.discovery.index).toBeGreaterThan(10);
  expect(await (await fetch(`${harness.url}/health`)).text()).toBe("OK");
  await expect.poll(() => harness.discovery.waiting, { interval: 5 }).toBe(0);
  expect(harness.logged.filter((line) => line.includes('"level":"error"'))).toEqual([]);
}, 120_000);

test("many polls and misses leave nothing behind", async () => {
  const harness = await openServer();
  const path = await harness.newToken();
  for (let round = 0; round < 20; round++) {
    const wires = await Promise.all(Array.from({ length: 50 }, () => openWire(harness.port)));
    for (const wire of wires) wire.write(`GET ${path}?wait=true&waitIndex=99 HTTP/1.1\r\nHost: q\r\n\r\n`);
    await Promise.all(wires.map((wire) => wire.until(/\r\n\r\n/)));
    for (const wire of wires) wire.socket.destroy();
  }
  await expect.poll(() => harness.discovery.waiting, { interval: 5 }).toBe(0);
  expect(harness.polls.size).toBe(0);
});
