/** `quorate serve` as a person runs it: what it prints, how it starts, refuses and stops. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { openWire, registration } from "../discovery/http/socket.ts";
import { QUORATE, quorate } from "./support/command.ts";

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "quorate-serve-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

interface Running {
  readonly child: ChildProcess;
  readonly ready: Record<string, unknown>;
  readonly url: string;
  readonly port: number;
  readonly stderr: () => string;
  /** Resolves with the exit code. */
  readonly exited: Promise<number | null>;
}

/** Starts on free ports and waits for the ready line. */
async function start(data: string, args: readonly string[] = []): Promise<Running> {
  const child = spawn(
    QUORATE,
    ["serve", "--data", data, "--listen-http", "http://127.0.0.1:0", "--listen-dns", "127.0.0.1:0", ...args],
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  onTestFinished(() => {
    child.kill("SIGKILL");
  });
  let stderr = "";
  const exited = once(child, "exit").then(([code]) => code as number | null);
  const line = await new Promise<string>((resolve, reject) => {
    child.stderr.on("data", (chunk: Buffer) => {
      stderr += chunk.toString();
      const found = stderr.split("\n").find((text) => text.includes("ready to serve discovery requests"));
      if (found !== undefined) resolve(found);
    });
    void exited.then((code) => reject(new Error(`exit ${code}: ${stderr}`)));
  });
  const ready = JSON.parse(line) as Record<string, unknown>;
  const url = String((ready["listen-http"] as string[])[0]);
  return { child, ready, url, port: Number(new URL(url).port), stderr: () => stderr, exited };
}

test("it says where it is and how to try it, and stops when told", async () => {
  const { child, ready, url, exited, stderr } = await start(folder());
  expect(ready).toMatchObject({
    level: "info",
    caller: "cli/serve",
    msg: "ready to serve discovery requests",
    "listen-http": [expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/)],
    "listen-dns": [expect.stringMatching(/^127\.0\.0\.1:\d+$/)],
    "dns-zones": ["discovery.internal"],
    try: `curl '${url}/new?size=3'`,
  });
  expect(await (await fetch(`${url}/health`)).text()).toBe("OK");
  child.kill("SIGTERM");
  expect(await exited).toBe(0);
  expect(stderr()).toContain('"msg":"stopped"');
  for (const line of stderr().trim().split("\n")) expect(JSON.parse(line)).toHaveProperty("ts");
});

test("a stopping service ends its polls quietly; started again it knows what it knew", async () => {
  const data = folder();
  const first = await start(data);
  const token = new URL(await (await fetch(`${first.url}/new?size=2`)).text()).pathname;
  const put = await openWire(first.port);
  put.write(registration(`${token}/a1`, "m1=http://10.0.0.1:2380"));
  await put.until(/\}$/);
  const poll = await openWire(first.port);
  poll.write(`GET ${token}?recursive=true&wait=true&waitIndex=4 HTTP/1.1\r\nHost: q\r\n\r\n`);
  await poll.until(/\r\n\r\n/);
  first.child.kill("SIGINT");
  expect(await poll.closed).toMatch(/\r\n\r\n0\r\n\r\n$/);
  expect(await first.exited).toBe(0);

  const second = await start(data);
  const again = await openWire(second.port);
  again.write(`GET ${token}?recursive=true&wait=true&waitIndex=3 HTTP/1.1\r\nHost: q\r\n\r\n`);
  expect(await again.until(/\}$/)).toContain('"value":"m1=http://10.0.0.1:2380"');
});

test("a second signal stops at once", async () => {
  const { child, exited, stderr, url, port } = await start(folder());
  const token = new URL(await (await fetch(`${url}/new`)).text()).pathname;
  const stuck = await openWire(port);
  stuck.write(`PUT ${token}/a1 HTTP/1.1\r\nHost: q\r\nContent-Length: 99\r\nExpect: 100-continue\r\n\r\n`);
  await stuck.until(/100 Continue/);
  child.kill("SIGTERM");
  await expect.poll(stderr, { interval: 5 }).toContain("stopping: answering what is in flight");
  // Twice within half a second is still the same Ctrl-C.
  const insist = setInterval(() => child.kill("SIGTERM"), 50);
  expect(await exited).toBe(1);
  clearInterval(insist);
  expect(stderr()).toContain("stopped at once by a second signal");
});

test("DNS over HTTPS answers on the same port", async () => {
  const { url } = await start(folder());
  // www.example.com A, from RFC 8484 §4.1.1.
  const response = await fetch(`${url}/dns-query?dns=AAABAAABAAAAAAAAA3d3dwdleGFtcGxlA2NvbQAAAQAB`);
  expect([response.status, response.headers.get("content-type")]).toEqual([200, "application/dns-message"]);
});

test("a port in use is one line and exit 1", async () => {
  const taken = createServer().listen(0, "127.0.0.1");
  await once(taken, "listening");
  onTestFinished(() => {
    taken.close();
  });
  const { port } = taken.address() as AddressInfo;
  const outcome = await quorate([
    "serve",
    "--data",
    folder(),
    "--listen-dns=",
    "--log-level",
    "error",
    "--listen-http",
    `http://127.0.0.1:${port}`,
  ]);
  expect(outcome).toMatchObject({
    code: 1,
    stdout: "",
    stderr: `quorate: cannot listen on --listen-http http://127.0.0.1:${port}: the port is in use; stop the program that uses it, or choose another port\n`,
  });
});

test.each([
  [["--listen-http", "nonsense"], 2, 'bad value "nonsense" for --listen-http'],
  [["--max-sise", "3"], 2, "unknown flag --max-sise; did you mean --max-size?"],
  [
    ["--listen-http", "https://127.0.0.1:0", "--cert-file", "/nowhere/c", "--key-file", "/nowhere/k"],
    1,
    "cannot read a certificate file",
  ],
  [["--data", "/dev/null/x"], 1, "/dev/null/x"],
])("serve %j exits with %d and one line", async (args, code, sentence) => {
  const outcome = await quorate(["serve", "--listen-dns=", ...args]);
  expect([outcome.code, outcome.stderr.trim().split("\n").length]).toEqual([code, 1]);
  expect(outcome.stderr).toMatch(/^quorate: /);
  expect(outcome.stderr).toContain(sentence);
});

test("a registry file that is none is refused in one line", async () => {
  const data = folder();
  writeFileSync(
    join(data, "registry.db"),
    "this is no database, but long enough to be read as one".repeat(20),
  );
  const outcome = await quorate([
    "serve",
    "--data",
    data,
    "--listen-dns=",
    "--listen-http",
    "http://127.0.0.1:0",
  ]);
  expect(outcome.code).toBe(1);
  // The log may say more; what stopped it is one line.
  const plain = outcome.stderr.split("\n").filter((line) => line !== "" && !line.startsWith("{"));
  expect(plain).toEqual([expect.stringMatching(/^quorate: .*registry\.db: it is not an SQLite database/)]);
});

test("a variable that no command knows is warned of in the log", async () => {
  const { code, stderr } = await quorate(["serve", "--data", "/dev/null/data"], {
    env: { QUORATE_DNS_ZONES: "example.com", QUORATE_SIZE: "5" },
  });
  expect(code).toBe(1);
  const warnings = stderr.split("\n").filter((line) => line.includes('"level":"warn"'));
  expect(warnings.map((line) => JSON.parse(line) as unknown)).toEqual([
    expect.objectContaining({
      caller: "cli/serve",
      msg: "the variable QUORATE_DNS_ZONES is not known and changes nothing; did you mean QUORATE_DNS_ZONE?",
    }),
  ]);
});

test("variables are read, and --help lists them", async () => {
  const refused = await quorate(["serve"], { env: { QUORATE_LISTEN_HTTP: "nonsense" } });
  expect(refused).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("QUORATE_LISTEN_HTTP") as string,
  });
  const help = await quorate(["serve", "--help"]);
  expect([help.code, help.stderr]).toEqual([0, ""]);
  for (const word of ["Usage: quorate serve", "HTTP:", "--listen-http URL", "QUORATE_DNS_ZONE"]) {
    expect(help.stdout).toContain(word);
  }
});
