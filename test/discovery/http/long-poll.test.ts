/** `?wait=true`: history first, then early headers and one event; never a 5xx, never a broken promise. */
import { getEventListeners } from "node:events";
import { expect, test } from "vitest";
import type { Discovery, WaitRequest } from "../../../src/discovery/discovery.ts";
import { EnvironmentError } from "../../../src/lib/errors.ts";
import { type Harness, json, openHarness, refusal, type V2Answer } from "./harness.ts";

const M1 = "m1=http://10.0.0.1:2380";
const M2 = "m2=http://10.0.0.2:2380";

/** Resolves when `count` polls wait in the service. */
async function untilWaiting({ discovery }: Harness, count: number): Promise<void> {
  await expect.poll(() => discovery.waiting, { interval: 2 }).toBe(count);
}

test("an event in the history is answered at once, in one piece", async () => {
  const { app, newToken, put } = await openHarness();
  const path = await newToken();
  await put(`${path}/a1`, M1);
  await put(`${path}/a2`, M2);
  const own = await json(app.request(`${path}/a1?recursive=false&wait=true&waitIndex=3`));
  expect(own.node).toMatchObject({ key: `${path}/a1`, value: M1, modifiedIndex: 3 });
  expect((await json(app.request(`${path}?recursive=true&wait=true&waitIndex=4`))).node?.key).toBe(
    `${path}/a2`,
  );
  expect((await json(app.request(`${path}/?wait=true&waitIndex=1`))).node?.key).toBe(`${path}/a1`);
});

test("headers come first, the event when it happens", async () => {
  const harness = await openHarness();
  const { app, newToken, put } = harness;
  const path = await newToken();
  const response = await app.request(`${path}?recursive=true&wait=true&waitIndex=3`);
  expect([response.status, response.headers.get("x-etcd-index")]).toEqual([200, "2"]);
  await untilWaiting(harness, 1);
  await put(`${path}/a1`, M1);
  const event = (await response.json()) as V2Answer;
  expect(event).toEqual({
    action: "create",
    node: { key: `${path}/a1`, value: M1, modifiedIndex: 3, createdIndex: 3 },
  });
  expect(harness.discovery.waiting).toBe(0);
  expect(harness.polls.size).toBe(0);
});

test("waitIndex 0, and none, wait for the next event from now", async () => {
  const harness = await openHarness();
  const { app, newToken, put } = harness;
  const path = await newToken();
  await put(`${path}/a1`, M1);
  const responses = [
    await app.request(`${path}?wait=true&waitIndex=0`),
    await app.request(`${path}?wait=true`),
  ];
  await untilWaiting(harness, 2);
  await put(`${path}/a2`, M2);
  for (const response of responses) expect((await json(response)).node?.key).toBe(`${path}/a2`);
});

test("a repeated registration and a surplus one: the first is no event, the second is", async () => {
  const harness = await openHarness();
  const { app, newToken, put } = harness;
  const path = await newToken("?size=2");
  await put(`${path}/a1`, M1);
  const response = await app.request(`${path}?recursive=true&wait=true&waitIndex=4`);
  await untilWaiting(harness, 1);
  await put(`${path}/a1`, M1);
  expect(harness.discovery.waiting).toBe(1);
  await put(`${path}/a2`, M2);
  expect((await json(response)).node?.key).toBe(`${path}/a2`);
});

test("a quiet poll ends as an empty 200", async () => {
  const { app, newToken } = await openHarness({ waitTimeoutMs: 20 });
  const response = await app.request(`${await newToken()}?wait=true&waitIndex=3`);
  expect([response.status, await response.text()]).toEqual([200, ""]);
});

test("a stopping service ends its polls as quiet ones, and later ones at once", async () => {
  const harness = await openHarness();
  const path = await harness.newToken();
  const response = await harness.app.request(`${path}?wait=true&waitIndex=3`);
  await untilWaiting(harness, 1);
  harness.polls.endAll();
  expect([response.status, await response.text()]).toEqual([200, ""]);
  const later = await harness.app.request(`${path}?wait=true&waitIndex=3`);
  expect([later.status, await later.text()]).toEqual([200, ""]);
  expect(harness.discovery.waiting).toBe(0);
});

test("a client that goes takes its wait along", async () => {
  const harness = await openHarness();
  const path = await harness.newToken();
  const response = await harness.app.request(`${path}?wait=true&waitIndex=3`);
  await untilWaiting(harness, 1);
  await response.body?.cancel();
  expect(harness.discovery.waiting).toBe(0);
  expect(harness.polls.size).toBe(0);
});

test("a token deleted under its polls ends them empty; the next request is told", async () => {
  const harness = await openHarness();
  const { app, newToken } = harness;
  const path = await newToken();
  const response = await app.request(`${path}?wait=true&waitIndex=3`);
  await untilWaiting(harness, 1);
  await app.request(path, { method: "DELETE" });
  expect(await response.text()).toBe("");
  const next = await refusal(app.request(`${path}?wait=true&waitIndex=3`));
  expect(next).toMatchObject({ status: 404, errorCode: 100 });
  expect(next.cause).toContain("was deleted");
});

test.each(["x", "-1", "3.5", "", "123456789012345678901"])("the waitIndex %j is refused", async (index) => {
  const { app, newToken } = await openHarness();
  const answer = await refusal(app.request(`${await newToken()}?wait=true&waitIndex=${index}`));
  expect(answer).toMatchObject({ status: 400, errorCode: 209 });
  expect(answer.cause).toContain("expected a whole number");
});

test("an index of the far future waits", async () => {
  const { app, newToken } = await openHarness({ waitTimeoutMs: 20 });
  const response = await app.request(`${await newToken()}?wait=true&waitIndex=18446744073709551615`);
  expect([response.status, await response.text()]).toEqual([200, ""]);
});

test("nothing is to be waited for below _config", async () => {
  const { app, newToken } = await openHarness();
  const path = await newToken();
  for (const below of ["_config", "_config/size"]) {
    expect(await refusal(app.request(`${path}/${below}?wait=true`))).toMatchObject({
      status: 400,
      errorCode: 209,
    });
  }
});

/** The service with another `wait`. */
function waiting(
  wait: (request: WaitRequest) => ReturnType<Discovery["wait"]>,
): (discovery: Discovery) => Discovery {
  return (discovery) =>
    new Proxy(discovery, {
      get(target, name) {
        if (name === "wait") return wait;
        const value: unknown = Reflect.get(target, name);
        return typeof value === "function" ? (value.bind(target) as unknown) : value;
      },
    });
}

test("a registry that cannot be read makes a quiet poll, not a 5xx, nor a hot loop", async () => {
  const harness = await openHarness({
    wrap: waiting(() => Promise.reject(new EnvironmentError("disk", "disk gone"))),
  });
  const response = await harness.app.request(`${await harness.newToken()}?wait=true&waitIndex=3`);
  expect(response.status).toBe(200);
  expect(harness.polls.size).toBe(1);
  harness.polls.endAll();
  expect(await response.text()).toBe("");
  expect(harness.logged.join("")).toContain("disk gone");
});

test("an ended poll leaves no listener behind", async () => {
  let signal: AbortSignal | undefined;
  const harness = await openHarness({
    wrap: waiting((request) => {
      ({ signal } = request);
      return new Promise((resolve) => {
        setTimeout(() => resolve({ type: "quiet", index: 2 }), 5);
      });
    }),
  });
  const response = await harness.app.request(`${await harness.newToken()}?wait=true&waitIndex=3`);
  expect(await response.text()).toBe("");
  expect(signal === undefined ? -1 : getEventListeners(signal, "abort").length).toBeLessThanOrEqual(1);
});
