import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import { createServer as createTcpServer } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { HttpClient, UnreachableError } from "../../src/bootstrap/http-client.ts";

const NO_TLS = { caFile: "", certFile: "", keyFile: "" };
const closing: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function listen(server: Server | ReturnType<typeof createTcpServer>): Promise<URL> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  closing.push(() => {
    if ("closeAllConnections" in server) server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return new URL(`http://127.0.0.1:${address.port}/`);
}

const serve = (listener: RequestListener): Promise<URL> => listen(createServer(listener));

function client(): HttpClient {
  const made = new HttpClient(NO_TLS);
  closing.push(() => made.close());
  return made;
}

async function reasonOf(request: Promise<unknown>): Promise<string> {
  const error: unknown = await request.catch((thrown: unknown) => thrown);
  if (!(error instanceof UnreachableError)) throw new Error("expected UnreachableError", { cause: error });
  return error.reason;
}

test("a form is sent as etcd sends one, and status, headers and body come back", async () => {
  const url = await serve((request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => {
      body += chunk.toString();
    });
    request.on("end", () => {
      response.writeHead(201, { "X-Etcd-Index": "7" });
      response.end(`${request.method} ${request.headers["content-type"]} ${body}`);
    });
  });
  const form = new URLSearchParams({ value: "m=http://a:1" });
  const answer = await client().request(url, { method: "PUT", form, timeoutMs: 5000 });
  expect(answer).toMatchObject({
    status: 201,
    body: "PUT application/x-www-form-urlencoded value=m%3Dhttp%3A%2F%2Fa%3A1",
  });
  expect(answer.headers.get("x-etcd-index")).toBe("7");
});

test("redirects are followed, but not for ever", async () => {
  const targets: Record<string, string> = { "/": "/there", "/a": "/b", "/b": "/a", "/ftp": "ftp://x/" };
  const url = await serve((request, response) => {
    const path = request.url ?? "";
    const target = path.startsWith("/on") ? `${path}on` : targets[path];
    if (target === undefined) response.end("there");
    else response.writeHead(307, { Location: target }).end();
  });
  const ask = (path: string): ReturnType<HttpClient["request"]> =>
    client().request(new URL(path, url), { method: "GET", timeoutMs: 5000 });
  expect(await ask("/")).toMatchObject({ status: 200, body: "there" });
  for (const path of ["/a", "/ftp"])
    expect(await reasonOf(ask(path))).toBe("it redirects in a circle, or to what is no http URL");
  expect((await ask("/on")).status).toBe(307);
});

test("an absolute redirect is followed", async () => {
  const target = await serve((_request, response) => response.end("there"));
  const url = await serve((_request, response) => response.writeHead(307, { Location: target.href }).end());
  expect((await client().request(url, { method: "GET", timeoutMs: 5000 })).body).toBe("there");
});

describe("no answer", () => {
  test("nobody listens", async () => {
    const url = await serve(() => {});
    for (const close of closing.splice(0)) await close();
    const request = client().request(url, { method: "GET", timeoutMs: 5000 });
    expect(await reasonOf(request)).toBe("connection refused; is the service running there?");
  });

  test("a port is like any other, whatever browsers refuse", async () => {
    const request = client().request(new URL("http://127.0.0.1:1/"), { method: "GET", timeoutMs: 5000 });
    expect(await reasonOf(request)).toBe("connection refused; is the service running there?");
  });

  test("no such host", async () => {
    const request = client().request(new URL("http://no-such-host.invalid/"), {
      method: "GET",
      timeoutMs: 5000,
    });
    expect(await reasonOf(request)).toMatch(/no such host|name server does not answer/);
  });

  test("the time is up, also in the middle of a body", async () => {
    const url = await serve((_request, response) => {
      response.writeHead(200, { "Content-Length": "10" });
      response.write("half");
    });
    const request = client().request(url, { method: "GET", timeoutMs: 50 });
    await expect(request).rejects.toMatchObject({ timedOut: true, reason: "no answer within 0.05s" });
  });

  test("the connection closes before the whole answer is there", async () => {
    const url = await serve((_request, response) => {
      response.writeHead(200, { "Content-Length": "10" });
      response.write("half", () => response.destroy());
    });
    const request = client().request(url, { method: "GET", timeoutMs: 5000 });
    expect(await reasonOf(request)).toBe("the connection closed before the whole answer was there");
  });

  test("an answer without end is cut off", async () => {
    const url = await serve((_request, response) => {
      const chunk = "x".repeat(1 << 20);
      const more = (): boolean => {
        while (response.write(chunk)) continue;
        return true;
      };
      response.on("drain", more);
      more();
    });
    const request = client().request(url, { method: "GET", timeoutMs: 5000 });
    expect(await reasonOf(request)).toMatch(/^the answer is longer than \d+ bytes$/);
  });

  test("something answers that is not TLS", async () => {
    const url = await listen(createTcpServer((socket) => socket.end("hello\n")));
    const request = client().request(new URL(url.href.replace("http:", "https:")), {
      method: "GET",
      timeoutMs: 5000,
    });
    expect(await reasonOf(request)).toBe("it does not speak TLS there; is it http?");
  });
});

test("an abort comes through as what it was aborted with", async () => {
  const url = await serve(() => {});
  const stopped = new Error("stopped");
  const controller = new AbortController();
  const request = client().request(url, { method: "GET", timeoutMs: 5000, signal: controller.signal });
  controller.abort(stopped);
  await expect(request).rejects.toBe(stopped);
});

test("a file that cannot be read is named", () => {
  expect(() => new HttpClient({ ...NO_TLS, caFile: "/no/such/ca.pem" })).toThrow(
    expect.objectContaining({
      code: "file_unreadable",
      message: expect.stringContaining("/no/such/ca.pem") as string,
    }),
  );
});
