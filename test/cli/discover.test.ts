/** `quorate discover` as a process, against a real service in this one. */
import { type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Serving, startServing } from "../../src/cli/serve.ts";
import { readServeOptions } from "../../src/config/serve.ts";
import { silentLogger } from "../../src/lib/logger.ts";
import { type Outcome, quorate, type RunOptions, serveHttp } from "./support/command.ts";

let folder = "";
let serving: Serving;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "quorate-discover-"));
  const flags = ["--listen-http=http://127.0.0.1:0", "--listen-dns=", `--data=${folder}`];
  const options = readServeOptions(flags, {});
  if (options === undefined) throw new Error("no options");
  serving = await startServing(options, silentLogger);
});

afterAll(async () => {
  await serving.close();
  rmSync(folder, { recursive: true });
});

const server = (): string => serving.httpAddresses[0] ?? "";

async function newToken(size: number): Promise<string> {
  const { stdout } = await quorate(["new", "--server", server(), "--size", String(size)]);
  return stdout.trim();
}

function discover(
  token: string,
  name: string,
  more: readonly string[] = [],
  options: RunOptions = {},
): Promise<Outcome> {
  const member = ["discover", "--token-url", token, "--name", name, "--peer-url", `http://${name}.test:2380`];
  return quorate([...member, ...more], options);
}

test("two members wait for each other and print the same cluster, each its own name", async () => {
  const token = await newToken(2);
  let second: Promise<Outcome> | undefined;
  const first = await discover(token, "a", [], {
    onStderr: (text) => {
      if (text.includes("waiting for 1 more")) second ??= discover(token, "b");
    },
  });
  const printed = (name: string): string =>
    [
      `ETCD_NAME=${name}`,
      `ETCD_INITIAL_ADVERTISE_PEER_URLS=http://${name}.test:2380`,
      "ETCD_INITIAL_CLUSTER=a=http://a.test:2380,b=http://b.test:2380",
      "ETCD_INITIAL_CLUSTER_STATE=new",
      `ETCD_INITIAL_CLUSTER_TOKEN=${token}`,
      "",
    ].join("\n");
  expect(first).toMatchObject({ code: 0, stdout: printed("a") });
  expect(await second).toMatchObject({ code: 0, stdout: printed("b") });
  expect(first.stderr).toBe(
    "quorate: 0 of 2 members registered, waiting for 2 more\n" +
      "quorate: 1 of 2 members registered (a), waiting for 1 more\n" +
      "quorate: 2 of 2 members registered (a, b)\n",
  );

  const again = await discover(token, "a");
  expect(again).toMatchObject({ code: 0, stdout: printed("a") });
  expect(again.stderr).toContain('quorate: "a" had registered before; ');
});

test("a full cluster exits with 3", async () => {
  const token = await newToken(1);
  expect((await discover(token, "a")).code).toBe(0);
  const { code, stdout, stderr } = await discover(token, "b");
  expect({ code, stdout }).toEqual({ code: 3, stdout: "" });
  expect(stderr.trim().split("\n").at(-1)).toMatch(
    /^quorate: discovery: cluster is full: the token is for 1 member, and a=http:\/\/a\.test:2380 came first; /,
  );
});

test("JSON for programs, and a member with two peer URLs", async () => {
  const token = await newToken(1);
  const { stdout } = await discover(token, "a", ["--peer-url", "http://10.0.0.1:2380", "--format", "json"]);
  expect(JSON.parse(stdout)).toEqual({
    ETCD_NAME: "a",
    ETCD_INITIAL_ADVERTISE_PEER_URLS: "http://a.test:2380,http://10.0.0.1:2380",
    ETCD_INITIAL_CLUSTER: "a=http://10.0.0.1:2380,a=http://a.test:2380",
    ETCD_INITIAL_CLUSTER_STATE: "new",
    ETCD_INITIAL_CLUSTER_TOKEN: token,
  });
});

describe("an end before the cluster is complete", () => {
  test("when the time is up", async () => {
    const { code, stdout, stderr } = await discover(await newToken(2), "a", ["--timeout", "300ms"]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toContain(
      "quorate: the cluster was not complete within 300ms; this member stays registered",
    );
  });

  test.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("by %s", async (signal, expected) => {
    let sent = false;
    const onStderr = (text: string, child: ChildProcess): void => {
      if (!sent && text.includes("waiting for 1 more")) sent = child.kill(signal);
    };
    const { code, stderr } = await discover(await newToken(2), "a", [], { onStderr });
    expect(code).toBe(expected);
    expect(stderr.trim().split("\n").at(-1)).toBe(
      "quorate: stopped; a registration that was made stays, so the same command goes on where this one ended",
    );
  });
});

describe("fails with one line", () => {
  test("for a token that nobody made", async () => {
    const { code, stderr } = await discover(`${server()}/${"0".repeat(32)}`, "a");
    expect(code).toBe(1);
    expect(stderr).toMatch(/^quorate: 100: Key not found \([^\n]*get a new one with `quorate new`[^\n]*\n$/);
  });

  test("for what is no discovery service", async () => {
    const { url, close } = await serveHttp((_request, response) => response.end("<html>It works!</html>"));
    const { code, stderr } = await discover(`${url}/t`, "a");
    close();
    expect(code).toBe(1);
    expect(stderr).toMatch(/^quorate: discovery: bad discovery endpoint: [^\n]*It works![^\n]*\n$/);
  });

  test("for a value that the service refuses, with its sentence", async () => {
    const token = await newToken(2);
    const member = ["discover", "--token-url", token, "--name"];
    let refused: Promise<Outcome> | undefined;
    const onStderr = (text: string, child: ChildProcess): void => {
      if (!text.includes("waiting for 1 more")) return;
      refused ??= quorate([...member, "b", "--peer-url", "http://127.0.0.1:2380"]).finally(() =>
        child.kill(),
      );
    };
    await quorate([...member, "a", "--peer-url", "http://10.0.0.1:2380"], { onStderr });
    const { code, stderr } = (await refused) ?? { code: undefined, stderr: "" };
    expect(code).toBe(1);
    expect(stderr).toMatch(/^quorate: 209: Invalid field \([^\n]*127\.0\.0\.1[^\n]*$/m);
  });
});

describe("bad usage", () => {
  const good = { "token-url": "http://d/t", name: "a", "peer-url": "http://a:2380" };

  test.each([
    [{ "token-url": "" }, "--token-url is missing"],
    [{ name: "" }, "--name is missing"],
    [{ "peer-url": "" }, "--peer-url is missing"],
    [{ "token-url": "http://d" }, "it has no token after the host"],
    [{ "token-url": "http://d/new" }, "it makes a new token at each request"],
    [{ "peer-url": "http://a" }, "has no port"],
    [{ "peer-url": "ftp://a:1" }, 'has the scheme "ftp"'],
    [{ name: "a b" }, '"a b" holds white space, "=" or ","'],
    [{ name: "a=b" }, '"a=b" holds white space, "=" or ","'],
    [{ name: "a,b" }, '"a,b" holds white space, "=" or ","'],
    [{ format: "toml" }, "expected env or export or flags or json"],
    [{ timeout: "1000h" }, "expected a duration from 0s to 500h"],
  ])("%j", async (changed, message) => {
    const flags = Object.entries({ ...good, ...changed }).map(([name, value]) => `--${name}=${value}`);
    const { code, stdout, stderr } = await quorate(["discover", ...flags]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toMatch(/^quorate: [^\n]+\n$/);
    expect(stderr).toContain(message);
  });
});
