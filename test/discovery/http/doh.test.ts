/** RFC 8484, without a socket: what goes in and what comes out over HTTP. */
import { Hono } from "hono";
import { describe, expect, test } from "vitest";
import { createDnsQuery } from "../../../src/discovery/http/doh.ts";
import { createResponder } from "../../../src/dns/responder.ts";
import { decode, queryFor, rcodeOf } from "../../dns/support/ask.ts";
import { MemoryRegistry } from "../../dns/support/memory-registry.ts";

const TYPE = "application/dns-message";

function app(): { request: (path: string, init?: RequestInit) => Promise<Response> } {
  const registry = new MemoryRegistry();
  registry.textbook("0123456789abcdef0123456789abcdef", 3, "example.com");
  const responder = createResponder({
    zones: ["discovery.internal"],
    allowedDomains: ["example.com"],
    clientPort: 2379,
    nameServers: [],
    nameServerAddresses: [],
    discovery: registry,
  });
  const answer = async (query: Uint8Array): Promise<Uint8Array<ArrayBuffer> | undefined> => {
    const reply = await responder.respond(query, { transport: "https" });
    return reply === undefined ? undefined : new Uint8Array(reply);
  };
  const hono = new Hono().all("/dns-query", createDnsQuery(answer));
  return { request: async (path, init) => hono.request(path, init) };
}

const bytesOf = async (response: Response): Promise<Buffer> => Buffer.from(await response.arrayBuffer());
const post = (body: Uint8Array<ArrayBuffer>, type = TYPE): RequestInit => ({
  method: "POST",
  body,
  headers: { "Content-Type": type },
});

test("GET with base64url", async () => {
  const query = queryFor("_etcd-server._tcp.example.com", "SRV", 0);
  const response = await app().request(`/dns-query?dns=${query.toString("base64url")}`);
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toBe(TYPE);
  const answer = decode(await bytesOf(response));
  expect(answer.id).toBe(0);
  expect(answer.answers).toMatchObject(
    [0, 1, 2].map((i) => ({ data: { target: `infra${i}.example.com`, port: 2380 } })),
  );
});

test("POST, also with a parameter in the type", async () => {
  const query = queryFor("infra0.example.com", "A", 0x1234);
  for (const type of [TYPE, "Application/DNS-Message; charset=binary"]) {
    const response = await app().request("/dns-query", post(new Uint8Array(query), type));
    expect(decode(await bytesOf(response))).toMatchObject({ id: 0x1234, answers: [{ data: "10.0.1.10" }] });
  }
});

describe("how long an answer may be kept", () => {
  test.each([
    ["the TTL of the answer", "infra0.example.com", 300],
    ["the negative TTL", "nobody.example.com", 2],
    ["not at all, where we have no authority", "example.org", 0],
  ])("%s", async (_name, name, seconds) => {
    const response = await app().request(`/dns-query?dns=${queryFor(name, "A", 0).toString("base64url")}`);
    expect(response.status).toBe(200);
    expect(response.headers.get("cache-control")).toBe(`max-age=${seconds}`);
  });
});

test("a DNS error is an HTTP success", async () => {
  const broken = queryFor("infra0.example.com", "A").subarray(0, 20);
  const response = await app().request(`/dns-query?dns=${broken.toString("base64url")}`);
  expect(response.status).toBe(200);
  expect(rcodeOf(await bytesOf(response))).toBe(1);
});

test("a zone cannot be transferred this way", async () => {
  const query = queryFor("example.com", "AXFR");
  const response = await app().request("/dns-query", post(new Uint8Array(query)));
  expect(rcodeOf(await bytesOf(response))).toBe(5);
});

describe("what is refused", () => {
  const padded = `${queryFor("a.example.com", "A").toString("base64url")}=`;
  const response = queryFor("a.example.com", "A");
  response[2] = 0x80;
  test.each([
    ["no parameter", "/dns-query", 400],
    ["an empty parameter", "/dns-query?dns=", 400],
    ["no base64url", "/dns-query?dns=a%2Bb%2F", 400],
    ["padding", `/dns-query?dns=${encodeURIComponent(padded)}`, 400],
    ["a length that base64 cannot have", "/dns-query?dns=AAAAA", 400],
    ["less than a header", "/dns-query?dns=AAAA", 400],
    ["a response", `/dns-query?dns=${response.toString("base64url")}`, 400],
    ["more than a DNS message can be", `/dns-query?dns=${"A".repeat(87_400)}`, 414],
  ])("GET with %s", async (_name, path, status) => {
    const refused = await app().request(path);
    expect(refused.status).toBe(status);
    expect(refused.headers.get("content-type")).toContain("text/plain");
    expect(await refused.text()).toMatch(/^\S.*\n$/);
  });

  const chunks = (count: number): ReadableStream<Uint8Array> =>
    new ReadableStream({
      pull(controller) {
        if (count-- > 0) controller.enqueue(new Uint8Array(1000));
        else controller.close();
      },
    });
  test.each<[string, RequestInit, number]>([
    ["another type", post(new Uint8Array(20), "application/json"), 415],
    ["no type", { method: "POST", body: new Uint8Array(20) }, 415],
    ["nothing", { method: "POST", headers: { "Content-Type": TYPE } }, 400],
    [
      "a declared length beyond a DNS message",
      { ...post(new Uint8Array(20)), headers: { "Content-Type": TYPE, "Content-Length": "65536" } },
      413,
    ],
    [
      "more bytes than a DNS message has",
      {
        method: "POST",
        body: chunks(1_000_000),
        duplex: "half",
        headers: { "Content-Type": TYPE },
      },
      413,
    ],
  ])("POST with %s", async (_name, init, status) => {
    const refused = await app().request("/dns-query", init);
    expect(refused.status).toBe(status);
  });
});
