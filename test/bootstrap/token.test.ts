import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { afterEach, describe, expect, test } from "vitest";
import { joinByToken, parseTokenUrl } from "../../src/bootstrap/token.ts";

const NO_TLS = { caFile: "", certFile: "", keyFile: "" };
const NEVER = new AbortController().signal;
const closing: (() => void)[] = [];

afterEach(() => {
  for (const close of closing.splice(0)) close();
});

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** A server that notes each request line and answers with what `handle` says. */
async function serve(handle: Handler): Promise<{ url: string; lines: string[] }> {
  const lines: string[] = [];
  const server = createServer((request, response) => {
    lines.push(`${request.method} ${request.url}`);
    handle(request, response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  closing.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return { url: `http://127.0.0.1:${address.port}`, lines };
}

const json = (response: ServerResponse, status: number, body: object): void => {
  response.writeHead(status, { "X-Etcd-Index": "12" }).end(JSON.stringify(body));
};
const watcher = { progress: () => {}, retry: () => {} };

test("requests are those that etcd's client sends, below a path of any depth, with its query kept", async () => {
  let own = {};
  const { url, lines } = await serve((request, response) => {
    if (request.url?.includes("_config")) return json(response, 200, { node: { value: "1" } });
    if (request.method === "PUT" || request.url?.includes("wait=true")) {
      const key = request.url?.split("?")[0] ?? "";
      own = { key, value: "m=http://a:1", createdIndex: 12, modifiedIndex: 12 };
      return json(response, 201, { action: "create", node: own });
    }
    return json(response, 200, {
      node: { key: "/t", dir: true, nodes: Object.keys(own).length > 0 ? [own] : [] },
    });
  });
  const tokenUrl = `${url}/v2/keys//discovery/t/?x=1`;
  const { cluster } = await joinByToken(
    { tokenUrl, name: "m", peerUrls: ["http://a:1"], tls: NO_TLS },
    watcher,
    NEVER,
  );
  expect(cluster).toMatchObject({ text: "m=http://a:1", token: tokenUrl });
  const [id] = /[0-9a-f]{10,16}/.exec(lines[2] ?? "") ?? [];
  const read = "x=1&quorum=false&recursive=false&sorted=false";
  expect(lines).toEqual([
    `GET /v2/keys/discovery/t/_config/size?${read}`,
    `GET /v2/keys/discovery/t/?${read}`,
    `PUT /v2/keys/discovery/t/${id}?x=1&prevExist=false`,
    `GET /v2/keys/discovery/t/${id}?x=1&recursive=false&wait=true&waitIndex=12`,
    `GET /v2/keys/discovery/t/_config/size?${read}`,
    `GET /v2/keys/discovery/t/?${read}`,
  ]);
});

test("a service that is away is told of and asked again", async () => {
  let requests = 0;
  const { url } = await serve((_request, response) => {
    requests++;
    if (requests === 1) response.writeHead(503).end("starting");
    else json(response, 404, { errorCode: 100, message: "Key not found", cause: "gone", index: 1 });
  });
  const retries: string[] = [];
  const join = joinByToken(
    { tokenUrl: `${url}/t`, name: "m", peerUrls: ["http://a:1"], tls: NO_TLS },
    { progress: () => {}, retry: (reason) => retries.push(reason) },
    NEVER,
  );
  await expect(join).rejects.toMatchObject({ code: "token_unknown" });
  expect(retries).toEqual(["it answered 503: starting"]);
});

describe("an abort ends it, with what it was aborted with", () => {
  const stopped = new Error("stopped");

  test("in a poll", async () => {
    const controller = new AbortController();
    const { url } = await serve((request, response) => {
      if (request.url?.includes("_config")) json(response, 200, { node: { value: "2" } });
      else if (request.url?.includes("wait=true")) controller.abort(stopped);
      else if (request.method === "PUT") json(response, 201, { node: { key: "/t/a", createdIndex: 12 } });
      else json(response, 200, { node: { key: "/t" } });
    });
    const join = joinByToken(
      { tokenUrl: `${url}/t`, name: "m", peerUrls: ["http://a:1"], tls: NO_TLS },
      watcher,
      controller.signal,
    );
    await expect(join).rejects.toBe(stopped);
  });

  test("in a pause", async () => {
    const controller = new AbortController();
    const { url } = await serve((_request, response) => response.writeHead(503).end());
    const join = joinByToken(
      { tokenUrl: `${url}/t`, name: "m", peerUrls: ["http://a:1"], tls: NO_TLS },
      { progress: () => {}, retry: () => controller.abort(stopped) },
      controller.signal,
    );
    await expect(join).rejects.toBe(stopped);
  });
});

describe("a discovery URL", () => {
  test("goes on the wire without user and fragment, as etcd sends it", () => {
    expect(parseTokenUrl("http://u:p@d:1//a//t/?x=1#f").href).toBe("http://d:1/a/t/?x=1");
  });

  test.each([
    ["t", /not a URL/],
    ["localhost:8087/t", /scheme is not http or https/],
    ["http://d", /no token after the host/],
    ["http://d//", /no token after the host/],
    ["http://d/new?size=3", /makes a new token at each request/],
  ])("%s is refused", (given, message) => {
    expect(() => parseTokenUrl(given)).toThrow(message);
  });
});
