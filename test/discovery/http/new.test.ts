/** `/new`: a token's URL for whoever asks, and a plain sentence for what cannot be. */
import { expect, test } from "vitest";
import { connectionFrom, json, openHarness } from "./harness.ts";

test.each(["GET", "PUT", "POST"])("%s /new answers a URL as text without a newline", async (method) => {
  const { app } = await openHarness();
  const response = await app.request("http://quorate.test:8087/new", { method });
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toBe("text/plain; charset=utf-8");
  expect(response.headers.get("cache-control")).toBe("no-store");
  expect(await response.text()).toMatch(/^http:\/\/quorate\.test:8087\/[0-9a-f]{32}$/);
});

test.each(["HEAD", "DELETE", "OPTIONS", "PATCH", "TRACER"])("%s /new makes no token", async (method) => {
  const { app, discovery } = await openHarness();
  const response = await app.request("/new", { method });
  expect(response.status).toBe(method === "OPTIONS" ? 204 : 405);
  expect(response.headers.get("allow")).toBe("GET, PUT, POST, OPTIONS");
  expect((await discovery.stats()).clusters).toBe(0);
});

test.each([
  ["", "", "3"],
  ["?size=5", "", "5"],
  ["?size=07", "", "7"],
  ["?x=1&size=5", "", "5"],
  ["", "size=7", "7"],
  ["?size=5", "size=7", "7"],
  ["?size=5", "x=7", "5"],
])("/new%s with the body %j has size %s", async (query, body, size) => {
  const { app } = await openHarness();
  const headers = { "Content-Type": "application/x-www-form-urlencoded" };
  const response = await app.request(`/new${query}`, { method: "POST", headers, body });
  const { pathname } = new URL(await response.text());
  expect((await json(app.request(`${pathname}/_config/size`))).node?.value).toBe(size);
});

test.each([
  ["size=0", "a cluster cannot have size 0: expected a whole number from 1 to 100"],
  ["size=-3", "a cluster cannot have size -3: expected a whole number from 1 to 100"],
  ["size=101", "a cluster cannot have size 101: expected a whole number from 1 to 100"],
  ["size=100000000000000000000000", 'size is "100000000000000000000000"; expected a whole number'],
  ["size=3x", 'size is "3x"; expected a whole number such as 3, 5 or 7'],
  ["size=3.5", 'size is "3.5"; expected'],
  ["size=abc", 'size is "abc"; expected'],
  ["size=0x3", 'size is "0x3"; expected'],
  ["size=%203", 'size is " 3"; expected'],
  ["size=", "size has no value; give the number of members, such as size=3"],
  ["size", "size has no value"],
  ["size=3&size=4", "size is given 2 times; give it once"],
  ["member=x", 'member is "x"; expected NAME=URL'],
  ["member==http://10.0.0.1:2380", "expected NAME=URL"],
  ["domain=a.test&domain=b.test", "domain is given 2 times"],
])("/new?%s is refused with a sentence", async (query, sentence) => {
  const { app, discovery } = await openHarness();
  const response = await app.request(`/new?${query}`);
  expect(response.status).toBe(400);
  expect(response.headers.get("content-type")).toBe("text/plain; charset=utf-8");
  const text = await response.text();
  expect(text).toContain(sentence);
  expect(text.endsWith("\n")).toBe(true);
  expect((await discovery.stats()).clusters).toBe(0);
});

test("the largest size is the operator's", async () => {
  const { app } = await openHarness({ maxSize: 5 });
  expect((await app.request("/new?size=5")).status).toBe(200);
  expect(await (await app.request("/new?size=6")).text()).toContain("from 1 to 5");
});

test("an even size is warned of", async () => {
  const { app } = await openHarness();
  expect((await app.request("/new?size=4")).headers.get("x-quorate-warning")).toContain(
    "an even size is unwise",
  );
  expect((await app.request("/new?size=3")).headers.get("x-quorate-warning")).toBeNull();
});

test("members can be declared, under a domain of their own", async () => {
  const { app, newToken } = await openHarness({ allowedDomains: ["example.com"] });
  const members = [1, 2, 3].map((n) => `member=infra${n}%3Dhttp://10.0.1.1${n}:2380`).join("&");
  const path = await newToken(`?size=3&${members}&domain=etcd.example.com`);
  const nodes = (await json(app.request(path))).node?.nodes ?? [];
  expect(nodes.map((node) => node.value)).toEqual([1, 2, 3].map((n) => `infra${n}=http://10.0.1.1${n}:2380`));
  const taken = await app.request("/new?domain=etcd.example.com");
  expect([taken.status, await taken.text()]).toEqual([409, expect.stringContaining("etcd.example.com")]);
  const foreign = await app.request("/new?domain=example.net");
  expect([foreign.status, await foreign.text()]).toEqual([403, expect.stringContaining("example.net")]);
});

test("a client beyond its rate gets 429 with Retry-After, another one does not", async () => {
  const { app } = await openHarness({ rateLimit: 2 });
  const ask = async (address: string): Promise<Response> => app.request("/new", {}, connectionFrom(address));
  const statuses = [];
  for (let n = 0; n < 3; n++) statuses.push((await ask("10.0.0.1")).status);
  expect(statuses).toEqual([200, 200, 429]);
  expect((await ask("10.0.0.1")).headers.get("retry-after")).toBe("1");
  expect((await ask("10.0.0.2")).status).toBe(200);
});

test("an IPv6 client is its /64", async () => {
  const { app } = await openHarness({ rateLimit: 1 });
  const ask = async (address: string): Promise<number> =>
    (await app.request("/new", {}, connectionFrom(address))).status;
  expect(await ask("2001:db8:0:1::1")).toBe(200);
  expect(await ask("2001:db8:0:1:ffff::9")).toBe(429);
  expect(await ask("2001:db8:0:2::1")).toBe(200);
});

test("a body of another type, a broken one and a huge one are refused", async () => {
  const { app } = await openHarness();
  const post = async (body: string, type?: string): Promise<Response> =>
    app.request("/new", {
      method: "POST",
      body,
      headers: type === undefined ? {} : { "Content-Type": type },
    });
  const typed = await post('{"size":3}', "application/json");
  expect([typed.status, await typed.text()]).toEqual([400, expect.stringContaining('"application/json"')]);
  const urlencoded = "application/x-www-form-urlencoded";
  expect((await post("size=%zz", urlencoded)).status).toBe(400);
  expect((await post("size=3", `${urlencoded}; charset=utf-8`)).status).toBe(200);
  expect((await post(`x=${"x".repeat(70_000)}`, urlencoded)).status).toBe(413);
});

test("the URL is --public-url where there is one", async () => {
  const { app } = await openHarness({ publicUrl: "https://discovery.example.com" });
  const response = await app.request("http://10.0.0.1:8087/new");
  expect(await response.text()).toMatch(/^https:\/\/discovery\.example\.com\/[0-9a-f]{32}$/);
});

test.each([
  [{ host: "Disc.Example.COM:80" }, "http://disc.example.com/"],
  [{ host: "disc.example.com.:8087" }, "http://disc.example.com:8087/"],
  [{ host: "[2001:db8::1]:8087" }, "http://[2001:db8::1]:8087/"],
  [{ host: "bad host" }, "http://127.0.0.1:8087/"],
  [{ host: "evil/path" }, "http://127.0.0.1:8087/"],
  [{ host: "a:99999" }, "http://127.0.0.1:8087/"],
])("Host %j becomes %s", async (headers, base) => {
  const { app } = await openHarness();
  const response = await app.request("/new", {}, connectionFrom("10.0.0.1", headers));
  expect((await response.text()).slice(0, -32)).toBe(base);
});

test("X-Forwarded-Host and -Proto count from a trusted proxy only", async () => {
  const { app } = await openHarness({ trustProxy: ["10.9.0.0/16"] });
  const headers = {
    host: "inner:8087",
    "x-forwarded-host": "disc.example.com",
    "x-forwarded-proto": "https",
  };
  const through = async (proxy: string): Promise<string> =>
    (await (await app.request("/new", {}, connectionFrom(proxy, headers))).text()).slice(0, -32);
  expect(await through("10.9.0.1")).toBe("https://disc.example.com/");
  expect(await through("::ffff:10.9.0.1")).toBe("https://disc.example.com/");
  expect(await through("10.8.0.1")).toBe("http://inner:8087/");
});
