/** `/TOKEN` and what is below it: etcd's v2 keys as its discovery client uses them, errors included. */
import { expect, test } from "vitest";
import { connectionFrom, form, json, openHarness, refusal } from "./harness.ts";

const UNKNOWN = "/0123456789abcdef0123456789abcdef";
const M1 = "m1=http://10.0.0.1:2380";
const M2 = "m2=http://10.0.0.2:2380";
const M3 = "m3=http://10.0.0.3:2380";

test("a new token is an empty directory with a size", async () => {
  const { app, newToken } = await openHarness();
  const path = await newToken("?size=5");
  const response = await app.request(path);
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toBe("application/json");
  expect(response.headers.get("x-etcd-index")).toBe("2");
  expect(await response.text()).toBe(
    `{"action":"get","node":{"key":"${path}","dir":true,"modifiedIndex":2,"createdIndex":2}}`,
  );
  const size = { key: `${path}/_config/size`, value: "5", modifiedIndex: 2, createdIndex: 2 };
  expect(await json(app.request(`${path}/_config/size`))).toEqual({ action: "get", node: size });
  expect((await json(app.request(`${path}/_config`))).node?.nodes).toEqual([size]);
});

test("a registration is a creation, listed in the order of registration", async () => {
  const { app, newToken, put } = await openHarness();
  const path = await newToken();
  const response = await put(`${path}/ff?prevExist=false`, M1);
  expect(response.status).toBe(201);
  expect(response.headers.get("x-etcd-index")).toBe("3");
  const node = { key: `${path}/ff`, value: M1, modifiedIndex: 3, createdIndex: 3 };
  expect(await json(response)).toEqual({ action: "create", node });
  await put(`${path}/0a?prevExist=false`, M2);
  expect((await json(app.request(`${path}/ff`))).node).toEqual(node);
  const keys = async (query: string): Promise<string[]> =>
    ((await json(app.request(path + query))).node?.nodes ?? []).map(({ key }) => key.slice(path.length + 1));
  expect(await keys("?quorum=false&recursive=false&sorted=false")).toEqual(["ff", "0a"]);
  expect(await keys("?sorted=true")).toEqual(["0a", "ff"]);
  expect((await app.request(path)).headers.get("x-etcd-index")).toBe("4");
});

test.each(["/", "//", "?x=1", "/?quorum=true&recursive=true&sorted=1&x=%zz", "#fragment"])(
  "the directory with %j at its end is the same one",
  async (suffix) => {
    const { app, newToken } = await openHarness();
    const path = await newToken();
    const plain = await json(app.request(path));
    expect(await json(app.request(path + suffix))).toEqual(plain);
    expect(await json(app.request(`http://h/${path}${suffix}`))).toEqual(plain);
  },
);

test("slashes may be doubled everywhere, also in a registration", async () => {
  const { app, newToken, put } = await openHarness();
  const path = await newToken();
  expect((await put(`http://h/${path}//ab//`, M1)).status).toBe(201);
  expect((await json(app.request(`http://h//${path}//_config//size/`))).node?.value).toBe("3");
  expect((await json(app.request(`${path}/%61b`))).node?.key).toBe(`${path}/ab`);
});

test("HEAD answers like GET and never waits", async () => {
  const { app, newToken } = await openHarness();
  const path = await newToken();
  for (const query of ["", "?wait=true&waitIndex=99"]) {
    const response = await app.request(path + query, { method: "HEAD" });
    expect([response.status, response.headers.get("x-etcd-index")]).toEqual([200, "2"]);
    // The body is there for its length: node leaves it out.
    expect((await json(response)).node?.key).toBe(path);
  }
  expect((await app.request(UNKNOWN, { method: "HEAD" })).status).toBe(404);
});

test("every miss has the same shape", async () => {
  const { app, newToken, put } = await openHarness();
  await newToken();
  const cause =
    'no such token: it was never created here, or expired long ago; get a new one: curl "SERVER/new?size=3"';
  const miss = { errorCode: 100, message: "Key not found", cause, index: 2 };
  const paths = [
    UNKNOWN,
    `${UNKNOWN}/`,
    `${UNKNOWN}/_config/size`,
    `${UNKNOWN}/abc`,
    `${UNKNOWN}01234567`,
    `${UNKNOWN}?wait=true&waitIndex=1`,
    "/new/x",
    "/favicon.ico",
    "/v2/keys",
    UNKNOWN.toUpperCase(),
    UNKNOWN.slice(0, -1),
    `/%00${UNKNOWN.slice(1)}`,
  ];
  for (const path of paths) {
    const response = await app.request(path);
    expect([path, response.status, response.headers.get("x-etcd-index")]).toEqual([path, 404, "2"]);
    expect(await json(response)).toEqual(miss);
  }
  expect(await refusal(put(`${UNKNOWN}/abc`, M1))).toEqual({ status: 404, errorCode: 100, cause });
  expect(await refusal(app.request(`${UNKNOWN}/abc`, { method: "DELETE" }))).toMatchObject({
    status: 404,
    cause,
  });
});

test("a key that is not there below a token that is", async () => {
  const { app, newToken } = await openHarness();
  const path = await newToken();
  for (const [below, method] of [
    ["/abc", "GET"],
    ["/XYZ", "GET"],
    ["/abc/d", "GET"],
    ["/abc/d?wait=true", "GET"],
    ["/_config/other", "GET"],
    ["/_config/other", "DELETE"],
  ] as const) {
    const key = path + below.replace("?wait=true", "");
    expect(await refusal(app.request(path + below, { method }))).toEqual({
      status: 404,
      errorCode: 100,
      cause: key,
    });
  }
});

test("an expired token says since when, and so does a deleted one", async () => {
  const { app, newToken, clock, put } = await openHarness({ tokenTtlMs: 3_600_000 });
  const path = await newToken();
  const other = await newToken();
  expect((await app.request(other, { method: "DELETE" })).status).toBe(200);
  expect((await refusal(app.request(other))).cause).toContain(
    "this token was deleted at 2026-01-02T03:04:05.000Z",
  );
  clock.now += 3_600_000;
  for (const request of [app.request(path), app.request(`${path}/_config/size`), put(`${path}/abc`, M1)]) {
    const { status, errorCode, cause } = await refusal(request);
    expect([status, errorCode]).toEqual([404, 100]);
    expect(cause).toContain("this token expired at 2026-01-02T04:04:05.000Z");
  }
});

test("before the seal the same registration has its success again; after it, 105", async () => {
  const { newToken, put } = await openHarness();
  const path = await newToken("?size=2");
  const first = await json(put(`${path}/a1?prevExist=false`, M1));
  const again = await put(`${path}/a1?prevExist=false`, M1);
  expect(again.status).toBe(201);
  expect(await json(again)).toEqual(first);
  const other = await refusal(put(`${path}/a1?prevExist=false`, M2));
  expect(other).toMatchObject({ status: 412, errorCode: 105 });
  expect(other.cause).toContain("m1");
  expect((await put(`${path}/a2?prevExist=false`, M2)).status).toBe(201);
  expect(await refusal(put(`${path}/a1?prevExist=false`, M1))).toMatchObject({ status: 412, errorCode: 105 });
  expect((await put(`${path}/a3?prevExist=false`, M3)).status).toBe(201);
});

test("prevExist=true finds what is there, prevExist may be left out, and in the body", async () => {
  const { app, newToken, put } = await openHarness();
  const path = await newToken();
  expect(await refusal(put(`${path}/a1?prevExist=true`, M1))).toMatchObject({ status: 404, errorCode: 100 });
  expect((await put(`${path}/a1`, M1)).status).toBe(201);
  expect((await put(`${path}/a1?prevExist=true`, M1)).status).toBe(201);
  expect(await refusal(put(`${path}/a1?prevExist=true`, M2))).toMatchObject({ status: 412, errorCode: 105 });
  expect(await refusal(put(`${path}/a1?prevExist=maybe`, M1))).toEqual({
    status: 400,
    errorCode: 209,
    cause: 'prevExist is "maybe"; expected true or false',
  });
  const body = form({ value: M2, prevExist: "true" });
  expect(await refusal(app.request(`${path}/b2`, { method: "PUT", body }))).toMatchObject({ status: 404 });
  expect((await app.request(`${path}/b2?value=${encodeURIComponent(M2)}`, { method: "PUT" })).status).toBe(
    201,
  );
});

test.each([
  ["", 209, "the member's value is empty"],
  ["nonsense", 209, 'has no "="'],
  ["m1=ftp://10.0.0.1:2380", 209, "ftp"],
  ["m1=http://10.0.0.1", 209, "10.0.0.1"],
])("the value %j is refused with errorCode %d", async (value, errorCode, words) => {
  const { newToken, put } = await openHarness();
  const path = await newToken();
  const answer = await refusal(put(`${path}/abc?prevExist=false`, value));
  expect([answer.status, answer.errorCode]).toEqual([400, errorCode]);
  expect(answer.cause).toContain(words);
});

test.each(["ABC", "xyz", "00112233445566778", "a.b"])("%s is no member id", async (id) => {
  const { newToken, put } = await openHarness();
  const answer = await refusal(put(`${await newToken()}/${id}`, M1));
  expect(answer).toEqual({
    status: 400,
    errorCode: 209,
    cause: `"${id}" is no member id: expected 1 to 16 lower-case hex digits`,
  });
});

test.each(["ttl=5", "prevValue=x", "prevIndex=3", "dir=true", "refresh=true"])(
  "a registration with %s is refused, not half understood",
  async (parameter) => {
    const { app, newToken, put } = await openHarness();
    const path = await newToken();
    expect(await refusal(put(`${path}/abc?${parameter}`, M1))).toMatchObject({ status: 400, errorCode: 209 });
    const body = `value=${encodeURIComponent(M1)}&${parameter}`;
    const headers = { "Content-Type": "application/x-www-form-urlencoded" };
    expect((await app.request(`${path}/abc`, { method: "PUT", body, headers })).status).toBe(400);
  },
);

test("a surplus registration is accepted, and is no member", async () => {
  const { app, newToken, put } = await openHarness();
  const path = await newToken("?size=1");
  await put(`${path}/a1`, M1);
  expect((await put(`${path}/a2`, M2)).status).toBe(201);
  expect((await json(app.request(path))).node?.nodes).toHaveLength(2);
});

test("a member can be deleted until the seal", async () => {
  const { app, newToken, put } = await openHarness();
  const path = await newToken("?size=2");
  await put(`${path}/a1`, M1);
  const response = await app.request(`${path}/a1`, { method: "DELETE" });
  expect([response.status, response.headers.get("x-etcd-index")]).toEqual([200, "4"]);
  expect(await json(response)).toEqual({
    action: "delete",
    node: { key: `${path}/a1`, modifiedIndex: 4, createdIndex: 3 },
    prevNode: { key: `${path}/a1`, value: M1, modifiedIndex: 3, createdIndex: 3 },
  });
  expect(await refusal(app.request(`${path}/a1`, { method: "DELETE" }))).toMatchObject({ status: 404 });
  await put(`${path}/a1`, M1);
  await put(`${path}/a2`, M2);
  expect(await refusal(app.request(`${path}/a1`, { method: "DELETE" }))).toMatchObject({
    status: 403,
    errorCode: 107,
  });
});

test("a token can be deleted by whoever holds it", async () => {
  const { app, newToken } = await openHarness();
  const path = await newToken();
  const answer = await json(app.request(path, { method: "DELETE" }));
  expect(answer).toMatchObject({ action: "delete", node: { key: path, dir: true, createdIndex: 2 } });
  expect((await app.request(path)).status).toBe(404);
});

test("the size, and directories, cannot be changed", async () => {
  const { app, newToken, put } = await openHarness();
  const path = await newToken();
  for (const request of [
    put(`${path}/_config/size`, "5"),
    put(path, "5"),
    put(`${path}/_config`, "5"),
    app.request(`${path}/_config/size`, { method: "DELETE" }),
    app.request(`${path}/_config`, { method: "DELETE" }),
  ]) {
    expect(await refusal(request)).toMatchObject({ status: 403, errorCode: 107 });
  }
});

test("other methods get 405 with Allow, in JSON", async () => {
  const { app, newToken } = await openHarness();
  const path = await newToken();
  for (const method of ["POST", "PATCH", "TRACER"]) {
    const response = await app.request(`${path}/abc`, { method });
    expect([response.status, response.headers.get("allow")]).toEqual([
      405,
      "GET, PUT, DELETE, HEAD, OPTIONS",
    ]);
    expect(await json(response)).toMatchObject({ errorCode: 0, message: "Method Not Allowed" });
  }
  const options = await app.request(path, { method: "OPTIONS" });
  expect([options.status, options.headers.get("allow")]).toEqual([204, "GET, PUT, DELETE, HEAD, OPTIONS"]);
});

test("bodies that are no form are refused in JSON", async () => {
  const { app, newToken } = await openHarness();
  const path = await newToken();
  const put = async (body: string, type = "application/x-www-form-urlencoded"): Promise<Response> =>
    app.request(`${path}/abc`, { method: "PUT", body, headers: { "Content-Type": type } });
  expect(await refusal(put("{}", "application/json"))).toMatchObject({ status: 400, errorCode: 210 });
  expect(await refusal(put("value=%g0"))).toMatchObject({ status: 400, errorCode: 210 });
  expect(await refusal(put(`value=${"x".repeat(65_536)}`))).toMatchObject({ status: 413, errorCode: 210 });
  const compressed = await app.request(`${path}/abc`, {
    method: "PUT",
    body: "\x1f\x8b",
    headers: { "Content-Encoding": "gzip", "Content-Type": "application/x-www-form-urlencoded" },
  });
  expect(await refusal(compressed)).toMatchObject({
    status: 400,
    errorCode: 210,
    cause: 'the body is encoded ("gzip"); send the form as it is',
  });
  expect(await refusal(app.request(`${path}/%zz`))).toMatchObject({ status: 400, errorCode: 209 });
  expect(await refusal(app.request(`${path}/%c0%80`))).toMatchObject({ status: 400, errorCode: 209 });
});

test.each(["wait", "sorted"])("%s is a Go boolean", async (name) => {
  const { app, newToken } = await openHarness();
  const path = await newToken();
  for (const no of ["false", "0", "f", "F", "FALSE", "False"]) {
    expect((await app.request(`${path}?${name}=${no}`)).status).toBe(200);
  }
  for (const bad of ["yes", "", "2"]) {
    expect(await refusal(app.request(`${path}?${name}=${bad}`))).toMatchObject({
      status: 400,
      errorCode: 209,
    });
  }
});

test("the member's address and possible discovery URLs reach the rules", async () => {
  const asked: { from: string; discoveryUrls: readonly string[] }[] = [];
  const { newToken, put } = await openHarness({
    publicUrl: "https://d.example.com",
    wrap: (discovery) =>
      new Proxy(discovery, {
        get(target, name) {
          if (name === "register") {
            return (request: Parameters<typeof discovery.register>[0]) => {
              asked.push(request);
              return target.register(request);
            };
          }
          const value: unknown = Reflect.get(target, name);
          return typeof value === "function" ? (value.bind(target) as unknown) : value;
        },
      }),
  });
  const path = await newToken();
  const env = connectionFrom("::ffff:10.1.2.3", { host: "Disc:8087" });
  expect((await put(`${path}/abc?prevExist=false&x=1`, M1, env)).status).toBe(201);
  expect(asked[0]?.from).toBe("10.1.2.3");
  expect(asked[0]?.discoveryUrls).toEqual([
    `http://Disc:8087${path}?x=1`,
    `http://Disc:8087${path}/?x=1`,
    `https://Disc:8087${path}?x=1`,
    `https://Disc:8087${path}/?x=1`,
    `https://d.example.com${path}?x=1`,
    `https://d.example.com${path}/?x=1`,
  ]);
});

test("what is unwise is said in a header that any client can read", async () => {
  const { newToken, put } = await openHarness();
  const path = await newToken("?size=2");
  const response = await put(`${path}/abc`, "mé1=http://10.0.0.1:2380");
  const warning = response.headers.get("x-quorate-warning") ?? "";
  expect(warning).toContain("an even size is unwise");
  expect(warning).toMatch(/^[\x20-\x7e]+$/);
});
