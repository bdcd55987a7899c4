/** The state of a token in words and numbers. */
import { expect, test } from "vitest";
import type { Status } from "../../../src/discovery/http/status.ts";
import { connectionFrom, openHarness } from "./harness.ts";

const ACCEPT = { headers: { Accept: "application/vnd.quorate+json" } };

test("from empty to complete, with an extra", async () => {
  const { app, clock, newToken, put } = await openHarness({ tokenTtlMs: 3_600_000 });
  const path = await newToken("?size=2");
  const status = async (): Promise<Status> => (await (await app.request(path, ACCEPT)).json()) as Status;

  expect(await status()).toEqual({
    state: "waiting",
    summary: "waiting for 2 of 2 members",
    size: 2,
    registered: 0,
    missing: 2,
    members: [],
    waiting: [],
    warnings: [expect.stringContaining("an even size is unwise")],
    created_at: "2026-01-02T03:04:05.000Z",
    expires_at: "2026-01-02T04:04:05.000Z",
  });

  clock.now += 60_000;
  await put(`${path}/a1`, "m1=http://10.0.0.1:2380,m1=http://10.0.0.1:7001", connectionFrom("10.0.0.1"));
  expect(await status()).toMatchObject({
    state: "waiting",
    summary: "waiting for 1 of 2 members",
    missing: 1,
    members: [
      {
        id: "a1",
        name: "m1",
        peer_urls: ["http://10.0.0.1:2380", "http://10.0.0.1:7001"],
        rank: 0,
        role: "member",
        registered_at: "2026-01-02T03:05:05.000Z",
        from: "10.0.0.1",
      },
    ],
    waiting: [{ name: "m1", since: "2026-01-02T03:05:05.000Z" }],
  });

  await put(`${path}/a2`, "m2=https://10.0.0.2:2380");
  await put(`${path}/a3`, "m3=http://10.0.0.3:2380");
  const complete = await status();
  expect(complete).toMatchObject({
    state: "complete",
    summary: "complete: all 2 members registered, and 1 proxy",
    registered: 3,
    missing: 0,
    waiting: [],
    initial_cluster: "m1=http://10.0.0.1:2380,m1=http://10.0.0.1:7001,m2=https://10.0.0.2:2380",
  });
  expect(complete.members.map(({ rank, role }) => [rank, role])).toEqual([
    [0, "member"],
    [1, "member"],
    [2, "proxy"],
  ]);
  expect(complete.warnings.join()).toContain("mix http");
});

test("it is asked for by ?status or by Accept, and etcd is never given it", async () => {
  const { app, newToken } = await openHarness();
  const path = await newToken();
  const type = async (query: string, accept?: string): Promise<string | null> =>
    (
      await app.request(path + query, accept === undefined ? {} : { headers: { Accept: accept } })
    ).headers.get("content-type");
  expect(await type("?status")).toBe("application/vnd.quorate+json");
  expect(await type("/?status=1")).toBe("application/vnd.quorate+json");
  expect(await type("", "text/html, application/vnd.quorate+json;q=0.9")).toBe(
    "application/vnd.quorate+json",
  );
  expect(await type("")).toBe("application/json");
  expect(await type("", "*/*")).toBe("application/json");
  expect(await type("/_config/size?status")).toBe("application/json");
});

test("declared members wait for nobody until they have come", async () => {
  const { app, newToken } = await openHarness({ allowedDomains: ["example.com"] });
  const path = await newToken("?size=3&member=a%3Dhttp://10.0.0.1:2380&domain=e.example.com");
  const status = (await (await app.request(`${path}?status`)).json()) as Status;
  expect(status).toMatchObject({ registered: 1, missing: 2, waiting: [], domain: "e.example.com" });
  expect(status.members[0]).not.toHaveProperty("from");
  expect(status).not.toHaveProperty("expires_at");
});
