/** Simulated etcd members over real HTTP: all of a cluster agree, and who is too many becomes a proxy. */
import { expect, test } from "vitest";
import { discover, type EtcdMember, type EtcdOutcome, etcdMemberId } from "./etcd-client.ts";
import { form } from "./harness.ts";
import { openServer, type ServerHarness } from "./socket.ts";

function member(discoveryUrl: string, n: number, more: Partial<EtcdMember> = {}): EtcdMember {
  return { discoveryUrl, name: `m${n}`, peerUrls: [`http://10.0.${n >> 8}.${n & 255}:2380`], ...more };
}

async function newToken({ url }: ServerHarness, size: number): Promise<string> {
  return (await fetch(`${url}/new?size=${size}`)).text();
}

function agreement(outcomes: readonly EtcdOutcome[]): {
  members: number;
  proxies: number;
  clusters: Set<string>;
  exits: string[];
} {
  return {
    members: outcomes.filter(({ type }) => type === "member").length,
    proxies: outcomes.filter(({ type }) => type === "proxy").length,
    clusters: new Set(
      outcomes.flatMap((outcome) => ("initialCluster" in outcome ? [outcome.initialCluster] : [])),
    ),
    exits: outcomes.flatMap((outcome) => (outcome.type === "exit" ? [outcome.message] : [])),
  };
}

test("the ids are etcd's own", () => {
  // Observed with etcd 3.4.23 and 3.5.16.
  const url = "http://127.0.0.1:31000/v2/keys/discovery/tok1";
  expect(etcdMemberId(["http://127.0.0.1:31111"], url)).toBe("8221479552246d7b");
  expect(etcdMemberId(["http://127.0.0.1:31112"], url)).toBe("507b662c76f3659f");
});

// Clients and service share one thread here, so etcd's own 5 s say nothing about the service.
test("300 clusters of 3 to 7, with extras, registering at once", async () => {
  const harness = await openServer();
  const plans = Array.from({ length: 300 }, (_unused, at) => ({ size: 3 + (at % 5), extras: at % 3 }));
  const clusters = await Promise.all(
    plans.map(async ({ size, extras }) => {
      const url = await newToken(harness, size);
      return Promise.all(
        Array.from({ length: size + extras }, (_unused, n) =>
          discover(member(url, n + 1, { requestTimeoutMs: 60_000 })),
        ),
      );
    }),
  );
  for (const [at, outcomes] of clusters.entries()) {
    const { size, extras } = plans[at] ?? { size: 0, extras: 0 };
    const agreed = agreement(outcomes);
    expect(agreed.exits).toEqual([]);
    expect([agreed.members, agreed.proxies, agreed.clusters.size]).toEqual([size, extras, 1]);
    const [initialCluster = ""] = agreed.clusters;
    const names = initialCluster.split(",").map((pair) => pair.split("=")[0]);
    expect(new Set(names).size).toBe(size);
    const ids = new Set(
      outcomes.flatMap((outcome) => (outcome.type === "member" ? [outcome.clusterId] : [])),
    );
    expect(ids.size).toBe(1);
  }
  expect(harness.discovery.waiting).toBe(0);
});

/** `size` members and one too many, at once. */
async function join(url: string, size: number): Promise<ReturnType<typeof agreement>> {
  return agreement(
    await Promise.all(Array.from({ length: size + 1 }, (_unused, n) => discover(member(url, n + 1)))),
  );
}

const formed = (size: number): object => ({
  members: size,
  proxies: 1,
  exits: [],
  clusters: expect.objectContaining({ size: 1 }) as unknown,
});

test("one after another, each waiting for the next", async () => {
  const harness = await openServer({ waitTimeoutMs: 30 });
  const url = await newToken(harness, 3);
  const joined: Promise<EtcdOutcome>[] = [];
  for (let n = 1; n <= 3; n++) {
    joined.push(discover(member(url, n)));
    // The polls end quietly and are asked again many times meanwhile.
    await expect.poll(async () => (await harness.discovery.stats()).members, { interval: 5 }).toBe(n);
  }
  expect(agreement(await Promise.all(joined))).toMatchObject({ members: 3, exits: [] });
  expect(await discover(member(url, 4))).toMatchObject({ type: "proxy" });
});

test("the custom form", async () => {
  const harness = await openServer();
  const url = `${harness.url}/v2/keys/_etcd/registry/my-cluster`;
  const made = await fetch(`${url}/_config/size`, { method: "PUT", body: form({ value: "3" }) });
  expect(made.status).toBe(201);
  expect(await join(url, 3)).toMatchObject(formed(3));
});

test.each(["/", "?x=1", "/?x=1&y=%20"])("a discovery URL that ends in %j", async (suffix) => {
  const harness = await openServer();
  expect(await join((await newToken(harness, 3)) + suffix, 3)).toMatchObject(formed(3));
});

test("requests are etcd's, in etcd's order", async () => {
  const harness = await openServer();
  const url = await newToken(harness, 1);
  const { pathname } = new URL(url);
  const lines: string[] = [];
  const outcome = await discover(member(url, 1, { onRequest: (line) => lines.push(line) }));
  const read = "quorum=false&recursive=false&sorted=false";
  expect(lines).toEqual([
    `GET ${pathname}/_config/size?${read}`,
    `GET ${pathname}?${read}`,
    `PUT ${pathname}/${outcome.id}?prevExist=false`,
    `GET ${pathname}/${outcome.id}?recursive=false&wait=true&waitIndex=3`,
    `GET ${pathname}/_config/size?${read}`,
    `GET ${pathname}?${read}`,
  ]);
});

test("what etcd prints when it exits", async () => {
  const harness = await openServer();
  const url = await newToken(harness, 3);
  const exit = async (m: EtcdMember): Promise<string> => {
    const outcome = await discover(m);
    return outcome.type === "exit" ? outcome.message : outcome.type;
  };
  expect(await exit(member(`${harness.url}/${"0".repeat(32)}`, 1))).toBe(
    '100: Key not found (no such token: it was never created here, or expired long ago; get a new one: curl "SERVER/new?size=3") [2]',
  );
  const first = discover(member(url, 1));
  await expect.poll(async () => (await harness.discovery.stats()).members, { interval: 5 }).toBe(1);
  expect(await exit(member(url, 2, { name: "m1" }))).toMatch(/^209: Invalid field \(.*m1.*\) \[3\]$/);
  expect(await exit(member(url, 2, { peerUrls: ["http://10.0.0.1:2380", "http://10.0.0.9:2380"] }))).toMatch(
    /^209: Invalid field \(.*10\.0\.0\.1:2380.*\) \[3\]$/,
  );
  const others = await Promise.all([discover(member(url, 2)), discover(member(url, 3))]);
  expect(agreement([await first, ...others])).toMatchObject({ members: 3, exits: [] });
  // A member whose disk was wiped comes again: after the seal that is refused.
  expect(await exit(member(url, 2))).toBe("discovery: found duplicate id");
});

test("a member deleted before the seal: the others read anew and go on", async () => {
  const harness = await openServer();
  const url = await newToken(harness, 3);
  const { pathname } = new URL(url);
  const doomed = discover(member(url, 1, { backoffMs: 1 }));
  await expect.poll(async () => (await harness.discovery.stats()).members, { interval: 5 }).toBe(1);
  const second = discover(member(url, 2, { backoffMs: 1 }));
  await expect.poll(() => harness.discovery.waiting, { interval: 5 }).toBe(2);
  const id = etcdMemberId(["http://10.0.0.1:2380"], url);
  expect((await harness.app.request(`${pathname}/${id}`, { method: "DELETE" })).status).toBe(200);
  const rest = await Promise.all([second, discover(member(url, 3)), discover(member(url, 4))]);
  expect(agreement(rest)).toMatchObject({ members: 3, exits: [] });
  // It finds itself missing from the cluster, or the cluster full, whichever it looks at first.
  expect((await doomed).type).not.toBe("member");
});

test("no well-behaved cluster meets the rate limit", async () => {
  const harness = await openServer({ rateLimit: 1 });
  const url = await newToken(harness, 7);
  expect(await join(url, 7)).toMatchObject(formed(7));
});
