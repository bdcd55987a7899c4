/** What only a socket can show: early headers, odd requests, broken connections, limits, shutdown. */
import { request as httpRequest } from "node:http";
import { type AddressInfo, createServer } from "node:net";
import { expect, test } from "vitest";
import { startHttp } from "../../../src/discovery/http/server.ts";
import { EnvironmentError } from "../../../src/lib/errors.ts";
import { slowRegistrations } from "./slow-registrations.ts";
import type { ServerHarness } from "./socket.ts";
import { openServer, registration } from "./socket.ts";

const M1 = "m1=http://10.0.0.1:2380";
const M2 = "m2=http://10.0.0.2:2380";

async function untilWaiting({ discovery }: ServerHarness, count: number): Promise<void> {
  await expect.poll(() => discovery.waiting, { interval: 2 }).toBe(count);
}

test("a poll's headers arrive before its event", async () => {
  const harness = await openServer();
  const path = await harness.newToken();
  const wire = await harness.connect();
  wire.write(`GET ${path}?recursive=true&wait=true&waitIndex=3 HTTP/1.1\r\nHost: q\r\n\r\n`);
  const headers = await wire.until(/\r\n\r\n/);
  expect(headers).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  expect(headers).toContain("X-Etcd-Index: 2\r\n");
  expect(headers).toMatch(/\r\n\r\n$/);
  await harness.put(`${path}/a1`, M1);
  expect(await wire.until(/\r\n0\r\n\r\n$/)).toContain('"value":"m1=http://10.0.0.1:2380"');
});

test("a quiet poll ends empty and the connection lives on", async () => {
  const harness = await openServer({ waitTimeoutMs: 20 });
  const path = await harness.newToken();
  const wire = await harness.connect();
  wire.write(`GET ${path}?wait=true&waitIndex=3 HTTP/1.1\r\nHost: q\r\n\r\n`);
  await wire.until(/\r\n\r\n0\r\n\r\n$/);
  wire.write(`GET ${path}/_config/size HTTP/1.1\r\nHost: q\r\n\r\n`);
  expect(await wire.until(/"value":"3"/)).toContain("Content-Length");
});

test("a client that hangs up ends its poll", async () => {
  const harness = await openServer();
  const path = await harness.newToken();
  const wire = await harness.connect();
  wire.write(`GET ${path}?wait=true&waitIndex=3 HTTP/1.1\r\nHost: q\r\n\r\n`);
  await wire.until(/\r\n\r\n/);
  await untilWaiting(harness, 1);
  wire.socket.destroy();
  await untilWaiting(harness, 0);
  expect(harness.polls.size).toBe(0);
});

test("a poll that counted a member deleted since is cut off", async () => {
  const harness = await openServer();
  const path = await harness.newToken();
  await harness.put(`${path}/a1`, M1);
  const wire = await harness.connect();
  wire.write(`GET ${path}?wait=true&waitIndex=4 HTTP/1.1\r\nHost: q\r\n\r\n`);
  await wire.until(/\r\n\r\n/);
  await untilWaiting(harness, 1);
  await harness.app.request(`${path}/a1`, { method: "DELETE" });
  expect(await wire.closed).not.toContain("\r\n0\r\n");
  const late = await harness.connect();
  late.write(`GET ${path}?wait=true&waitIndex=4 HTTP/1.1\r\nHost: q\r\n\r\n`);
  expect(await late.closed).toBe("");
});

test("absolute-form, doubled slashes, OPTIONS *, HTTP/1.0 without Host", async () => {
  const harness = await openServer();
  const path = await harness.newToken();
  const ask = async (request: string): Promise<string> => {
    const wire = await harness.connect();
    wire.write(`${request}\r\n\r\n`);
    return wire.closed;
  };
  const close = "Connection: close";
  expect(await ask(`GET http://q.test${path}/_config/size HTTP/1.1\r\nHost: q.test\r\n${close}`)).toContain(
    '"value":"3"',
  );
  expect(await ask(`GET //${path}//_config//size// HTTP/1.1\r\nHost: q\r\n${close}`)).toContain(
    '"value":"3"',
  );
  expect(await ask(`GET http://q.test:99/new HTTP/1.1\r\nHost: q.test:99\r\n${close}`)).toMatch(
    /\r\n\r\nhttp:\/\/q\.test:99\/[0-9a-f]{32}$/,
  );
  expect(await ask(`OPTIONS * HTTP/1.1\r\nHost: q\r\n${close}`)).toMatch(
    /^HTTP\/1\.1 204 .*\r\nAllow: GET, HEAD, OPTIONS\r\n/s,
  );
  expect(await ask("GET /health HTTP/1.0")).toMatch(/^HTTP\/1\.1 200 OK\r\n.*\r\n\r\nOK$/s);
  expect(await ask("GET /new HTTP/1.0")).toMatch(new RegExp(`\\r\\n\\r\\n${harness.url}/[0-9a-f]{32}$`));
  expect(await ask(`HEAD ${path} HTTP/1.1\r\nHost: q\r\n${close}`)).toMatch(
    /^HTTP\/1\.1 200 OK\r\n.*x-etcd-index: \d+\r\n.*\r\n\r\n$/is,
  );
});

test("HEAD gets GET's headers, spelling and length, and no body, on every path", async () => {
  const harness = await openServer();
  const token = await harness.newToken();
  await harness.put(`${token}/a1`, M1);
  const paths = [
    "/",
    "/health",
    "/version",
    "/robots.txt",
    token,
    `${token}/_config`,
    `${token}/_config/size`,
  ];
  for (const path of [...paths, `${token}/a1`, `${token}/b2`, `${token}?status`, "/nothing", "/%"]) {
    const ask = async (method: string): Promise<string> => {
      const wire = await harness.connect();
      wire.write(`${method} ${path} HTTP/1.1\r\nHost: q\r\nConnection: close\r\n\r\n`);
      return (await wire.closed).replace(/\r\nDate: [^\r]+/, "");
    };
    const [headers, body] = (await ask("GET")).split("\r\n\r\n");
    const [inHead, inBody] = (await ask("HEAD")).split("\r\n\r\n");
    expect([path, inHead?.split("\r\n").toSorted()]).toEqual([path, headers?.split("\r\n").toSorted()]);
    expect(headers).toContain(`\r\nContent-Length: ${body?.length}`);
    expect(inBody).toBe("");
  }
  const wire = await harness.connect();
  wire.write(
    "HEAD /new HTTP/1.1\r\nHost: q\r\n\r\nHEAD /metrics HTTP/1.1\r\nHost: q\r\nConnection: close\r\n\r\n",
  );
  expect(await wire.closed).toMatch(
    /^HTTP\/1\.1 405 .*\r\nContent-Length: \d+\r\n.*200 OK.*Content-Length: \d+\r\n.*\r\n\r\n$/s,
  );
});

const NO_URL = "the request's target and its host make no valid URL";

const NOT_HTTP = "the request is not valid HTTP";
const TOO_LONG = "the request's line and headers are longer than 16384 bytes";

test.each([
  ["GET /x HTTP/1.1\r\n\r\n", "400 Bad Request", "the request has no Host header; HTTP/1.1 wants one"],
  [
    "GET /x HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n",
    "400 Bad Request",
    "the request has 2 Host headers; send one",
  ],
  [
    "GET /x HTTP/1.0\r\nHost: a\r\nHOST: a\r\n\r\n",
    "400 Bad Request",
    "the request has 2 Host headers; send one",
  ],
  ["GET /x HTTP/1.1\r\nHost: a b\r\n\r\n", "400 Bad Request", NO_URL],
  ["GET /x HTTP/1.1\r\nHost: q/../x\r\n\r\n", "400 Bad Request", NO_URL],
  ["GET \\x HTTP/1.1\r\nHost: q\r\n\r\n", "400 Bad Request", NOT_HTTP],
  ["GET http://[ HTTP/1.1\r\nHost: q\r\n\r\n", "400 Bad Request", NO_URL],
  ["nonsense\r\n\r\n", "400 Bad Request", NOT_HTTP],
  ["GET /x HTTP/9.9\r\nHost: q\r\n\r\n", "400 Bad Request", NOT_HTTP],
  ["POST /new HTTP/1.1\r\nHost: q\r\nContent-Length: x\r\n\r\n", "400 Bad Request", NOT_HTTP],
  [
    "POST /new HTTP/1.1\r\nHost: q\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
    "400 Bad Request",
    NOT_HTTP,
  ],
  [`GET /${"x".repeat(20_000)} HTTP/1.1\r\nHost: q\r\n\r\n`, "431 Request Header Fields Too Large", TOO_LONG],
  [
    `GET /x HTTP/1.1\r\nHost: q\r\nA: ${"x".repeat(20_000)}\r\n\r\n`,
    "431 Request Header Fields Too Large",
    TOO_LONG,
  ],
])("%j is refused in JSON", async (bytes, status, cause) => {
  const harness = await openServer();
  const wire = await harness.connect();
  wire.write(bytes);
  const answer = await wire.until(/\r\n\r\n.*\}/s);
  expect(answer.split("\r\n", 1)[0]).toBe(`HTTP/1.1 ${status}`);
  const body: unknown = JSON.parse(answer.slice(answer.indexOf("\r\n\r\n")));
  expect(body).toMatchObject({ errorCode: 209, index: 1, cause });
});

test("CONNECT is answered, even when its client has gone", async () => {
  const harness = await openServer();
  const wire = await harness.connect();
  wire.write("CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n");
  const answer = await wire.closed;
  expect(answer).toMatch(/^HTTP\/1\.1 405 Method Not Allowed\r\n.*Allow: GET, .*Connection: close\r\n/s);
  expect(JSON.parse(answer.slice(answer.indexOf("\r\n\r\n")))).toMatchObject({
    errorCode: 0,
    cause: "CONNECT is for proxies, and this is none",
  });
  const gone = await harness.connect();
  gone.write("CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n");
  gone.socket.resetAndDestroy();
  expect(await (await fetch(`${harness.url}/health`)).text()).toBe("OK");
});

test("a huge body is refused before it is read, declared or not", async () => {
  const harness = await openServer();
  const path = await harness.newToken();
  const head = `PUT ${path}/abc HTTP/1.1\r\nHost: q\r\nContent-Type: application/x-www-form-urlencoded\r\n`;
  const declared = await harness.connect();
  declared.write(`${head}Content-Length: 1000000000\r\n\r\nvalue=`);
  expect(await declared.until(/\r\n\r\n.*\}/s)).toMatch(/^HTTP\/1\.1 413 .*"errorCode":210/s);
  const chunked = await harness.connect();
  chunked.write(`${head}Transfer-Encoding: chunked\r\n\r\n`);
  for (let n = 0; n < 20; n++) chunked.write(`1000\r\n${"x".repeat(4096)}\r\n`);
  expect(await chunked.until(/\r\n\r\n.*\}/s)).toMatch(/^HTTP\/1\.1 413 .*"errorCode":210/s);
  await chunked.closed;
});

test("a body in chunks registers", async () => {
  const harness = await openServer();
  const path = await harness.newToken();
  const wire = await harness.connect();
  wire.write(`PUT ${path}/abc HTTP/1.1\r\nHost: q\r\nTransfer-Encoding: chunked\r\n\r\n`);
  for (const part of ["value=m1%3", "Dhttp%3A%2F%2F", "10.0.0.1%3A2380"])
    wire.write(`${part.length.toString(16)}\r\n${part}\r\n`);
  wire.write("0\r\n\r\n");
  expect(await wire.until(/\}$/)).toMatch(/^HTTP\/1\.1 201 Created\r\n.*m1=http:\/\/10\.0\.0\.1:2380/s);
});

test("pipelined requests are answered in their order", async () => {
  const harness = await openServer();
  const path = await harness.newToken();
  const wire = await harness.connect();
  const get = (below: string): string => `GET ${path}${below} HTTP/1.1\r\nHost: q\r\n\r\n`;
  wire.write(
    registration(`${path}/a1`, M1) + registration(`${path}/a2`, M2) + get("/_config") + get("/_config/size"),
  );
  const text = await wire.until(/_config\/size","value":"3".*\}\}$/s);
  const actions = [...text.matchAll(/\{"action":"(\w+)","node":\{"key":"[^"]+\/([^"/]+)"/g)];
  expect(actions.map(([, action, key]) => `${action} ${key}`)).toEqual([
    "create a1",
    "create a2",
    "get _config",
    "get size",
  ]);
});

test("32 requests may be pipelined, again and again; one more without an answer closes the connection", async () => {
  const slow = slowRegistrations();
  const harness = await openServer({ wrap: slow.wrap });
  const path = await harness.newToken("?size=3");
  const get = `GET ${path}/_config/size HTTP/1.1\r\nHost: q\r\n\r\n`;
  const patient = await harness.connect();
  for (let round = 1; round <= 3; round++) {
    patient.write(get.repeat(32));
    await expect.poll(() => patient.text().split('"value":"3"').length - 1, { interval: 5 }).toBe(32 * round);
  }
  const hasty = await harness.connect();
  hasty.write(registration(`${path}/a1`, M1) + get.repeat(31));
  await slow.arrived;
  expect(hasty.text()).toBe("");
  hasty.write(get);
  expect(await hasty.closed).toBe("");
  slow.release();
  await expect.poll(() => slow.lost, { interval: 5 }).toEqual(["a1 3"]);
});

test.each(["closed", "reset", "half-closed"])(
  "an answer is lost when the connection was %s before it",
  async (how) => {
    const slow = slowRegistrations();
    const harness = await openServer({ wrap: slow.wrap });
    const path = await harness.newToken("?size=1");
    const wire = await harness.connect();
    wire.write(registration(`${path}/a1`, M1));
    await slow.arrived;
    // The server must have seen the end before it answers: that is the case in question.
    const seen = new Promise((resolve) => {
      for (const event of ["end", "close"]) harness.latestSocket().once(event, resolve);
    });
    if (how === "closed") wire.socket.destroy();
    else if (how === "reset") wire.socket.resetAndDestroy();
    else wire.socket.end();
    await seen;
    slow.release();
    await expect.poll(() => slow.lost, { interval: 5 }).toEqual(["a1 3"]);
    // So the member may come again, although the cluster is sealed.
    expect((await harness.put(`${path}/a1`, M1)).status).toBe(201);
  },
);

test("an answer that went out is not lost, whatever the client does afterwards", async () => {
  const slow = slowRegistrations();
  const harness = await openServer({ wrap: slow.wrap });
  const path = await harness.newToken("?size=1");
  slow.release();
  const wire = await harness.connect();
  wire.write(registration(`${path}/a1`, M1));
  await wire.until(/\}\}$/);
  wire.socket.resetAndDestroy();
  await wire.closed;
  expect((await harness.put(`${path}/a1`, M1)).status).toBe(412);
  expect(slow.lost).toEqual([]);
});

test("a connection that breaks inside a registration's body stores nothing", async () => {
  const harness = await openServer();
  const path = await harness.newToken();
  const wire = await harness.connect();
  wire.write(`PUT ${path}/a1 HTTP/1.1\r\nHost: q\r\nContent-Length: 100\r\n\r\nvalue=m1%3Dhttp`);
  await expect.poll(() => harness.discovery.index, { interval: 5 }).toBe(2);
  wire.socket.destroy();
  await wire.closed;
  expect((await harness.app.request(`${path}/a1`)).status).toBe(404);
  expect(harness.logged.filter((line) => line.includes('"level":"error"'))).toEqual([]);
});

test("shutdown ends polls, answers what is in flight, and takes no more", async () => {
  const slow = slowRegistrations();
  const harness = await openServer({ wrap: slow.wrap });
  const path = await harness.newToken();
  const poll = await harness.connect();
  poll.write(`GET ${path}?wait=true&waitIndex=9 HTTP/1.1\r\nHost: q\r\n\r\n`);
  await poll.until(/\r\n\r\n/);
  await untilWaiting(harness, 1);
  const idle = await harness.connect();
  idle.write("GET /version HTTP/1.1\r\nHost: q\r\n\r\n");
  await idle.until(/\}$/);
  const put = await harness.connect();
  put.write(registration(`${path}/a1`, M1));
  await slow.arrived;

  const closed = harness.server.close(10_000);
  expect(await poll.closed).toMatch(/\r\n\r\n0\r\n\r\n$/);
  await idle.closed;
  await expect(harness.connect()).rejects.toThrow("ECONNREFUSED");
  slow.release();
  expect(await put.closed).toMatch(/^HTTP\/1\.1 201 Created\r\n.*\}\}$/s);
  await closed;
});

test("shutdown cuts what does not end by the deadline", async () => {
  const slow = slowRegistrations();
  const harness = await openServer({ wrap: slow.wrap });
  const path = await harness.newToken();
  const put = await harness.connect();
  put.write(registration(`${path}/a1`, M1));
  await slow.arrived;
  await harness.server.close(20);
  expect(await put.closed).toBe("");
  slow.release();
});

test("a port in use, an address that is not ours, and a bad name are said in one line", async () => {
  const taken = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => {
    taken.once("listening", resolve);
  });
  const { port } = taken.address() as AddressInfo;
  const start = async (host: string, at: number): Promise<unknown> =>
    openServer({}, { listen: [{ scheme: "http", host, port: at }] }).catch((error: unknown) => error);
  const used = await start("127.0.0.1", port);
  expect(used).toBeInstanceOf(EnvironmentError);
  expect(String(used)).toContain(
    `cannot listen on --listen-http http://127.0.0.1:${port}: the port is in use; stop the program that uses it`,
  );
  expect(String(await start("192.0.2.1", 0))).toContain("this machine does not have that address");
  taken.close();
});

test("when one of several addresses fails, none is left open", async () => {
  const harness = await openServer();
  const free = await openServer();
  const { port } = free;
  await free.server.close(100);
  await expect(
    startHttp({
      app: harness.app,
      listen: [
        { scheme: "http", host: "127.0.0.1", port },
        { scheme: "http", host: "127.0.0.1", port: harness.port },
      ],
      tls: undefined,
      polls: harness.polls,
      waitTimeoutMs: 1000,
      index: () => 1,
      logger: { ...console, named: () => ({}) as never },
    }),
  ).rejects.toThrow("the port is in use");
  await expect(free.connect()).rejects.toThrow("ECONNREFUSED");
});

test("several addresses serve one registry, IPv6 too", async () => {
  const harness = await openServer(
    {},
    {
      listen: [
        { scheme: "http", host: "127.0.0.1", port: 0 },
        { scheme: "http", host: "::1", port: 0 },
      ],
    },
  );
  const [v4, v6] = harness.server.addresses;
  expect(v6).toMatch(/^http:\/\/\[::1\]:\d+$/);
  const url = await (await fetch(`${v6}/new`)).text();
  expect(url.startsWith(`${v6}/`)).toBe(true);
  expect((await fetch(`${v4}${new URL(url).pathname}`)).status).toBe(200);
});

test("Expect: 100-continue is obeyed", async () => {
  const harness = await openServer();
  const path = await harness.newToken();
  const status = await new Promise<number | undefined>((resolve, reject) => {
    const request = httpRequest(`${harness.url}${path}/a1`, {
      method: "PUT",
      headers: { Expect: "100-continue", "Content-Type": "application/x-www-form-urlencoded" },
    });
    request.on("continue", () => request.end(`value=${encodeURIComponent(M1)}`));
    request.on("response", (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    request.on("error", reject);
  });
  expect(status).toBe(201);
});

test.each([
  ["nothing at all", ""],
  ["half a line", "GET /ver"],
  ["headers without end", "GET /version HTTP/1.1\r\nHost: q\r\n"],
  ["a body without end", "POST /new HTTP/1.1\r\nHost: q\r\nContent-Length: 9\r\n\r\nsize="],
])("a client that sends %s is sent away", async (_what, bytes) => {
  const harness = await openServer({}, { timeouts: { headersMs: 30, requestMs: 60, checkMs: 10 } });
  const wire = await harness.connect();
  wire.write(bytes);
  expect(await wire.closed).toMatch(/^(?:HTTP\/1\.1 408 Request Timeout\r\n.*"errorCode":209.*)?$/s);
  expect(harness.discovery.index).toBe(1);
});
