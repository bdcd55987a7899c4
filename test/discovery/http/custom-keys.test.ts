/** Tokens of the caller's own name below `/v2/keys`, as etcd's guides make them. */
import { expect, test } from "vitest";
import { connectionFrom, form, json, openHarness, refusal } from "./harness.ts";

const BASE = "/v2/keys/discovery/my-cluster";
const M1 = "m1=http://10.0.0.1:2380";

test("a size makes the token; keys in answers are relative to /v2/keys", async () => {
  const { app, put } = await openHarness();
  const response = await put(`${BASE}/_config/size`, "3");
  expect(response.status).toBe(201);
  expect(await json(response)).toEqual({
    action: "set",
    node: { key: "/discovery/my-cluster/_config/size", value: "3", modifiedIndex: 2, createdIndex: 2 },
  });
  expect((await put(`${BASE}/_config/size`, "3")).status).toBe(200);
  expect(await refusal(put(`${BASE}/_config/size`, "5"))).toMatchObject({ status: 403, errorCode: 107 });
  expect((await put(`${BASE}/abc?prevExist=false`, M1)).status).toBe(201);
  const directory = await json(app.request(`${BASE}/`));
  expect(directory.node).toMatchObject({
    key: "/discovery/my-cluster",
    dir: true,
    nodes: [{ key: "/discovery/my-cluster/abc", value: M1 }],
  });
  expect((await json(app.request(`${BASE}/abc`))).node?.value).toBe(M1);
  expect((await app.request(`${BASE}/abc`, { method: "DELETE" })).status).toBe(200);
  expect((await app.request(BASE, { method: "DELETE" })).status).toBe(200);
  expect((await app.request(BASE)).status).toBe(404);
});

test.each(["/v2/keys/one", "/v2/keys/_etcd/registry/my%20token", "/v2/keys/a/b/c/d", "//v2//keys//x//y"])(
  "%s is a token too",
  async (base) => {
    const { app, put } = await openHarness();
    expect((await put(`http://h${base}/_config/size`, "1")).status).toBe(201);
    expect((await put(`http://h${base}/abc`, M1)).status).toBe(201);
    expect((await json(app.request(`http://h${base}`))).node?.nodes).toHaveLength(1);
  },
);

test("a token that looks like a member of another one is still itself", async () => {
  const { app, put } = await openHarness();
  await put("/v2/keys/discovery/abc/_config/size", "1");
  expect((await json(app.request("/v2/keys/discovery/abc"))).node?.dir).toBe(true);
});

test.each([
  ["0", "a cluster cannot have size 0"],
  ["101", "size 101"],
  ["-1", 'the size is "-1"'],
  ["3x", 'the size is "3x"'],
  ["100000000000000000000000", 'the size is "100000000000000000000000"; expected value=N'],
  ["", 'the size is ""'],
])("the size %j is refused", async (value, words) => {
  const { put } = await openHarness();
  const answer = await refusal(put(`${BASE}/_config/size`, value));
  expect([answer.status, answer.errorCode]).toEqual([400, 209]);
  expect(answer.cause).toContain(words);
});

test("without a value, with prevExist, and as a member of nothing", async () => {
  const { app, put } = await openHarness();
  const size = `${BASE}/_config/size`;
  expect((await refusal(app.request(size, { method: "PUT" }))).cause).toContain("the size is missing");
  expect(await refusal(put(`${size}?prevExist=true`, "3"))).toMatchObject({ status: 404, errorCode: 100 });
  expect((await put(`${size}?prevExist=false`, "3")).status).toBe(201);
  expect(await refusal(put(`${size}?prevExist=false`, "3"))).toMatchObject({ status: 412, errorCode: 105 });
  expect((await put(`${size}?prevExist=true`, "3")).status).toBe(200);
  expect(await refusal(put("/v2/keys/other/abc", M1))).toMatchObject({ status: 404, errorCode: 100 });
  expect((await app.request(`${BASE}-2/_config/size?value=3`, { method: "PUT" })).status).toBe(201);
});

test("the shape of a minted token, and names without end, are not given to callers", async () => {
  const { app, newToken, put } = await openHarness();
  const minted = await newToken();
  expect((await app.request(`/v2/keys${minted}`)).status).toBe(404);
  expect((await put("/v2/keys/0123456789abcdef0123456789abcdef/_config/size", "3")).status).toBe(404);
  expect((await put(`/v2/keys/${"x".repeat(255)}/_config/size`, "3")).status).toBe(201);
});

test("one that is not there is told how to prepare it, with its own path", async () => {
  const { app, put } = await openHarness({ publicUrl: "https://disc.example.com" });
  const miss = (path: string): object => ({
    status: 404,
    errorCode: 100,
    cause: `no token of this name is prepared here, or it expired long ago; prepare it: curl -X PUT https://disc.example.com${path}/_config/size -d value=3`,
  });
  for (const below of ["", "/_config/size", "?wait=true", "?status"])
    expect(await refusal(app.request(BASE + below))).toEqual(miss(BASE));
  expect(await refusal(put(`${BASE}/abc?prevExist=false`, M1))).toEqual(miss(BASE));
  expect(await refusal(put(`${BASE}/abc?prevExist=true`, M1))).toEqual(miss(BASE));
  expect(await refusal(app.request(BASE, { method: "DELETE" }))).toEqual(miss(BASE));
  expect(await refusal(app.request("/v2/keys/my%20own"))).toEqual(miss("/v2/keys/my%20own"));
});

test.each([
  ["/v2/keys/_config/size", "the token has no name; expected /v2/keys/NAME/_config/size"],
  [`/v2/keys/${"x".repeat(256)}/_config/size`, "the token's name is too long; it may have 255 characters"],
  [`/v2/keys/a/${"x".repeat(256)}/abc`, "the token's name is too long; it may have 255 characters"],
])("%s can be no token", async (path, cause) => {
  const { app, put } = await openHarness();
  for (const request of [put(path, "3"), app.request(path)])
    expect(await refusal(request)).toEqual({ status: 400, errorCode: 209, cause });
});

test("the operator can switch them off", async () => {
  const { app, put } = await openHarness({ allowCustomTokens: false });
  for (const request of [put(`${BASE}/_config/size`, "3"), app.request(BASE), put(`${BASE}/abc`, M1)]) {
    const answer = await refusal(request);
    expect(answer).toMatchObject({ status: 404, errorCode: 100 });
    expect(answer.cause).toContain("--allow-custom-tokens");
  }
});

test("making tokens is limited, registering is not", async () => {
  const { app, put } = await openHarness({ rateLimit: 1 });
  const env = connectionFrom("10.0.0.1");
  await put(`${BASE}/_config/size`, "3", env);
  const limited = await app.request(
    "/v2/keys/b/_config/size",
    { method: "PUT", body: form({ value: "3" }) },
    env,
  );
  expect([limited.status, limited.headers.get("retry-after")]).toEqual([429, "1"]);
  expect(await json(limited)).toMatchObject({ message: "Too Many Requests" });
  for (let n = 1; n <= 5; n++) {
    expect((await put(`${BASE}/a${n}`, `m${n}=http://10.0.0.${n}:2380`, env)).status).toBe(201);
  }
});
