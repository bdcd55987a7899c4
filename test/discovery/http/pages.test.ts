/** Health, metrics, version, robots, and what becomes of errors. */
import { expect, test } from "vitest";
import type { Token } from "../../../src/discovery/cluster.ts";
import type { Discovery } from "../../../src/discovery/discovery.ts";
import { createHealthCheck } from "../../../src/discovery/http/health.ts";
import type { StoreStats } from "../../../src/discovery/store.ts";
import { tokenHash } from "../../../src/discovery/token-hash.ts";
import { EnvironmentError } from "../../../src/lib/errors.ts";
import { json, openHarness, refusal } from "./harness.ts";

/** The service, with some methods replaced. */
function but(replaced: Partial<Discovery>): (discovery: Discovery) => Discovery {
  return (discovery) =>
    new Proxy(discovery, {
      get(target, name) {
        if (name in replaced) return Reflect.get(replaced, name) as unknown;
        const value: unknown = Reflect.get(target, name);
        return typeof value === "function" ? (value.bind(target) as unknown) : value;
      },
    });
}

const diskFull = (): Promise<never> => Promise.reject(new EnvironmentError("disk_full", "the disk is full"));

test("/health says OK, or 503 with the reason", async () => {
  const { app, discovery } = await openHarness();
  const healthy = await app.request("/health");
  expect([healthy.status, await healthy.text()]).toEqual([200, "OK"]);
  expect((await discovery.stats()).clusters).toBe(0);
  const ill = await (await openHarness({ wrap: but({ checkWritable: diskFull }) })).app.request("/health");
  expect([ill.status, await ill.text()]).toEqual([503, "registrations cannot be stored: the disk is full\n"]);
});

test("the health check runs once a second, however many ask", async () => {
  let checks = 0;
  let now = 1000;
  const { discovery } = await openHarness();
  const count = (): Promise<void> => {
    checks++;
    return checks === 1 ? Promise.resolve() : diskFull();
  };
  const check = createHealthCheck(but({ checkWritable: count })(discovery), () => now);
  expect(await Promise.all([check(), check(), check()])).toEqual([undefined, undefined, undefined]);
  now += 999;
  expect(await check()).toBeUndefined();
  expect(checks).toBe(1);
  now += 1;
  expect(await check()).toBe("the disk is full");
  expect(checks).toBe(2);
});

test("/metrics is made once for all that ask at the same time, and again for whoever asks later", async () => {
  let made = 0;
  const stats = (): Promise<StoreStats> => {
    made++;
    return Promise.resolve({ clusters: made, members: 0, bytes: 0 });
  };
  const { app } = await openHarness({ wrap: but({ stats }) });
  const clusters = async (): Promise<string> =>
    /\{of="clusters"\} (\d+)/.exec(await (await app.request("/metrics")).text())?.[1] ?? "";
  expect(await Promise.all([clusters(), clusters(), clusters()])).toEqual(["1", "1", "1"]);
  expect(await clusters()).toBe("2");
});

test("/metrics has discovery.etcd.io's names and ours", async () => {
  const { app, newToken, put } = await openHarness();
  const path = await newToken("?size=1");
  await newToken();
  await app.request("/new?size=0");
  await put(`${path}/a1`, "m1=http://10.0.0.1:2380");
  await put(`${path}/a2`, "m2=http://10.0.0.2:2380");
  await app.request("/health");
  await app.request(path, { method: "PROPFIND" });
  await app.request("/nothing");
  const response = await app.request("/metrics");
  expect(response.headers.get("content-type")).toContain("text/plain; version=0.0.4");
  const lines = (await response.text()).split("\n");
  expect(lines).toEqual(
    expect.arrayContaining([
      'endpoint_new_requests_total{code="200",method="get"} 2',
      'endpoint_new_requests_total{code="400",method="get"} 1',
      'endpoint_token_requests_total{code="201",method="put"} 2',
      'endpoint_token_requests_total{code="405",method="unknown"} 1',
      'endpoint_token_requests_total{code="404",method="get"} 1',
      'endpoint_health_requests_total{code="200",method="get"} 1',
      'quorate_registrations_total{role="member",repeated="false"} 1',
      'quorate_registrations_total{role="proxy",repeated="false"} 1',
      'quorate_registry_size{of="clusters"} 2',
      'quorate_registry_size{of="members"} 2',
      "quorate_registry_index 5",
      "quorate_long_polls_open 0",
      'quorate_http_request_duration_seconds_count{endpoint="new"} 3',
    ]),
  );
  expect(lines.some((line) => line.startsWith("process_cpu_seconds_total"))).toBe(true);
});

test("version, robots and the front page", async () => {
  const { app } = await openHarness();
  expect(await (await app.request("/version")).json()).toMatchObject({
    quorate: expect.stringMatching(/^\d+\.\d+/) as string,
  });
  expect(await (await app.request("/robots.txt")).text()).toBe("User-agent: *\nDisallow: /");
  expect(await (await app.request("/")).text()).toContain("GET /new?size=3");
  for (const page of ["/version", "/robots.txt", "/", "/health", "/metrics"]) {
    const response = await app.request(page, { method: "POST" });
    expect([page, response.status, response.headers.get("allow")]).toEqual([page, 405, "GET, HEAD, OPTIONS"]);
    expect((await app.request(page, { method: "HEAD" })).status).toBe(200);
  }
});

test("what cannot be stored is told with a 4xx to a member, with 503 to everyone else", async () => {
  const full = await openHarness({
    wrap: but({ register: diskFull, create: diskFull, createCustom: diskFull }),
  });
  const value = "m1=http://10.0.0.1:2380";
  const token = "/0123456789abcdef0123456789abcdef";
  expect(await refusal(full.put(`${token}/abc?prevExist=false`, value))).toEqual({
    status: 403,
    errorCode: 300,
    cause: "the disk is full",
  });
  expect(await refusal(full.put("/v2/keys/x/_config/size", "3"))).toMatchObject({
    status: 403,
    errorCode: 300,
  });
  const created = await full.app.request("/new");
  expect([created.status, created.headers.get("retry-after"), await created.text()]).toEqual([
    503,
    "1",
    "the disk is full\n",
  ]);
  const unreadable = await openHarness({ wrap: but({ find: diskFull }) });
  const read = await unreadable.app.request(token);
  expect([read.status, read.headers.get("retry-after")]).toEqual([503, "1"]);
  expect(await json(read)).toMatchObject({ errorCode: 300, cause: "the disk is full" });
});

test("a full disk, which every request meets, is logged once a second", async () => {
  const { app, logged } = await openHarness({ wrap: but({ create: diskFull }) });
  for (let n = 0; n < 20; n++) expect((await app.request("/new")).status).toBe(503);
  const failures = logged.filter((line) => line.includes("a request failed"));
  // At most one a second: a slow machine may need two for twenty.
  expect(failures.length).toBeLessThan(10);
  expect(failures[0]).toContain('"code":"disk_full"');
});

test("an error nobody thought of is logged with its stack and told without it", async () => {
  const broken = await openHarness({
    wrap: but({ find: () => Promise.reject(new TypeError("x is undefined")) }),
  });
  const answer = await refusal(broken.app.request("/0123456789abcdef0123456789abcdef"));
  expect(answer).toEqual({ status: 503, errorCode: 300, cause: "internal error" });
  expect(broken.logged.join("")).toContain("TypeError: x is undefined");
});

test("reads beyond the bound are put off with 503; polls and registrations never", async () => {
  let release = (): void => undefined;
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  let held = 0;
  const harness = await openHarness({
    wrap: (discovery) =>
      but({
        async find(token) {
          held++;
          await gate;
          return discovery.find(token);
        },
      })(discovery),
  });
  const path = await harness.newToken();
  const reads = Array.from({ length: 10_001 }, async () => harness.app.request(path));
  await expect.poll(() => held, { interval: 5 }).toBe(10_000);
  const shed = (await Promise.all(reads.slice(-1)))[0];
  expect([shed?.status, shed?.headers.get("retry-after")]).toEqual([503, "1"]);
  expect((await harness.put(`${path}/abc`, "m1=http://10.0.0.1:2380")).status).toBe(201);
  const poll = harness.app.request(`${path}?wait=true&waitIndex=3`);
  release();
  expect((await poll).status).toBe(200);
  const statuses = (await Promise.all(reads.slice(0, -1))).map(({ status }) => status);
  expect(new Set(statuses)).toEqual(new Set([200]));
  expect(await (await harness.app.request("/metrics")).text()).toContain("quorate_reads_shed_total 1");
});

test("no token is ever logged", async () => {
  const { app, logged, newToken, put } = await openHarness();
  const token = (await newToken()).slice(1);
  await put(`/${token}/abc`, "m1=http://10.0.0.1:2380");
  await app.request(`//${token}//_config/size`);
  await app.request(`/${token.toUpperCase()}`);
  await app.request(`/v2/keys/discovery/${token}/_config/size`, { method: "DELETE" });
  const text = logged.join("");
  expect(text).not.toContain(token);
  expect(text).not.toContain(token.toUpperCase());
  expect(text).toContain(tokenHash(token as Token));
  expect(logged.filter((line) => line.includes('"msg":"request"'))).toHaveLength(5);
});
