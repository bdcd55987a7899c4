/** What dig, kdig and curl make of our answers: the text-book example, and every corner they can reach. */
import { beforeEach, describe, expect, type TestContext, test } from "vitest";
import { both, type Found, findProgram } from "../support/binaries.ts";
import { makeAuthority } from "../support/certificates.ts";
import { freePort, type Lab, openLab } from "../support/lab.ts";
import { Quorate } from "../support/quorate.ts";

const ZONE = "discovery.internal";
const SRV = "_etcd-server._tcp.example.com";

const dig = findProgram("dig");
const kdig = findProgram("kdig");

interface Setting {
  readonly lab: Lab;
  readonly service: Quorate;
  /** `_etcd-server._tcp` of a token whose nine members do not fit into 512 bytes. */
  readonly large: string;
  /** Runs a client against the service. @returns its output. */
  ask(...args: readonly string[]): Promise<string>;
}

/** A service with the cluster of etcd's documents, and one of nine members. */
async function settingFor(context: TestContext, client: Found<string>, dns?: string): Promise<Setting> {
  const [lab, binary] = openLab(context, client);
  const service = await Quorate.start(lab, {
    flags: ["--dns-allow-domain", "example.com"],
    ...(dns === undefined ? {} : { dns }),
  });
  const members = (count: number): string =>
    Array.from({ length: count }, (_value, i) => `&member=infra${i}=http://10.0.1.${10 + i}:2380`).join("");
  await service.newToken(`size=3&domain=example.com${members(3)}`);
  const discovery = await service.newToken(`size=9${members(9)}`);
  const at = service.dns.lastIndexOf(":");
  const host = service.dns.slice(0, at).replaceAll(/[[\]]/g, "");
  const server = [`@${host}`, "-p", service.dns.slice(at + 1)];
  return {
    lab,
    service,
    large: `_etcd-server._tcp.${discovery.slice(-32)}.${ZONE}`,
    ask: (...args) => lab.ok(binary, [...server, ...args]),
  };
}

const lines = (output: string): string[] =>
  output
    .split("\n")
    .map((line) => line.replaceAll(/\s+/g, " "))
    .filter((line) => line !== "" && !line.startsWith(";"));

describe("dig", () => {
  let setting: Setting;
  beforeEach(async (context) => {
    setting = await settingFor(context, dig);
  });

  test("prints the example of etcd's documents", async () => {
    expect(lines(await setting.ask("+noall", "+answer", "SRV", SRV))).toEqual([
      "_etcd-server._tcp.example.com. 300 IN SRV 0 0 2380 infra0.example.com.",
      "_etcd-server._tcp.example.com. 300 IN SRV 0 0 2380 infra1.example.com.",
      "_etcd-server._tcp.example.com. 300 IN SRV 0 0 2380 infra2.example.com.",
    ]);
    expect(lines(await setting.ask("+noall", "+answer", "infra0.example.com"))).toEqual([
      "infra0.example.com. 300 IN A 10.0.1.10",
    ]);
    expect(lines(await setting.ask("+noall", "+additional", "SRV", SRV)).toSorted()).toEqual(
      [0, 1, 2].map((i) => `infra${i}.example.com. 300 IN A 10.0.1.${10 + i}`),
    );
  });

  test("sees authority, our name in the case it typed, and no recursion", async () => {
    const output = await setting.ask("SRV", "_ETCD-Server._TCP.Example.COM");
    expect(output).toMatch(/status: NOERROR/);
    expect(output).toMatch(/;; flags: qr aa rd;/);
    expect(output).toContain(";_ETCD-Server._TCP.Example.COM.\tIN\tSRV");
    expect(output).toContain("recursion requested but not available");
    expect(output).not.toMatch(/malformed|extra bytes|mismatch/i);
  });

  test("goes on over TCP when an answer does not fit", async () => {
    const output = await setting.ask("+noedns", "SRV", setting.large);
    expect(output).toContain(";; Truncated, retrying in TCP mode.");
    expect(output).toMatch(/ANSWER: 9,/);
    expect(await setting.ask("+noedns", "+ignore", "SRV", setting.large)).toMatch(/flags: qr aa tc rd;/);
  });

  test.each([
    ["a size that holds it", ["+bufsize=4096"], /ANSWER: 9,/],
    ["a size that does not", ["+bufsize=512", "+ignore"], /flags: qr aa tc rd;/],
    ["a size smaller than all must take", ["+bufsize=100", "+ignore"], /flags: qr aa tc rd;/],
    ["an option nobody knows", ["+ednsopt=65001:abcdef"], /ANSWER: 9,/],
    ["a client subnet", ["+subnet=192.0.2.0/24"], /ANSWER: 9,/],
    ["a cookie", ["+cookie=0123456789abcdef"], /ANSWER: 9,/],
    ["DO", ["+dnssec"], /EDNS: version: 0, flags: do; udp: 1232/],
    ["an EDNS version to come", ["+edns=1", "+noednsneg"], /status: BADVERS/],
    ["an EDNS version to come, negotiated", ["+edns=1"], /status: NOERROR/],
    ["a flag to come", ["+ednsflags=0x40"], /EDNS: version: 0, flags:; udp: 1232/],
  ])("EDNS: %s", async (_name, flags, expected) => {
    const output = await setting.ask(...flags, "SRV", setting.large);
    expect(output).toMatch(expected);
    expect(output).toMatch(/EDNS: version: 0/);
  });

  test("without EDNS gets none", async () => {
    expect(await setting.ask("+noedns", "SRV", SRV)).not.toContain("EDNS");
  });

  test.each([
    ["a name that does not exist", ["nobody.example.com"], /status: NXDOMAIN.*AUTHORITY: 1/s],
    [
      "a type that a name does not have",
      ["AAAA", "infra0.example.com"],
      /status: NOERROR.*ANSWER: 0, AUTHORITY: 1/s,
    ],
    [
      "a name that only has names below it",
      ["_tcp.example.com"],
      /status: NOERROR.*ANSWER: 0, AUTHORITY: 1/s,
    ],
    ["a type nobody knows", ["TYPE65280", "infra0.example.com"], /status: NOERROR.*ANSWER: 0, AUTHORITY: 1/s],
    ["all types", ["ANY", "infra0.example.com"], /status: NOERROR.*ANSWER: 1,/s],
    ["another's name", ["www.example.org"], /status: REFUSED/],
    ["the root", ["NS", "."], /status: REFUSED/],
    ["the server's version", ["CH", "TXT", "version.bind"], /status: REFUSED/],
    ["another opcode", ["+opcode=status", "example.com"], /status: NOTIMP/],
    ["no question", ["+header-only"], /status: FORMERR/],
    ["a transfer", ["AXFR", "example.com"], /Transfer failed/],
    ["the zone", ["SOA", "example.com"], /ANSWER: 1,/],
  ])("asks for %s", async (_name, question, expected) => {
    const output = await setting.ask(...question);
    expect(output).toMatch(expected);
    expect(output).not.toMatch(/malformed|extra bytes|mismatch|timed out/i);
  });

  test("asks several questions on one connection", async () => {
    const output = await setting.ask(
      "+tcp",
      "+keepopen",
      "+noall",
      "+answer",
      "infra0.example.com",
      "infra1.example.com",
      "infra2.example.com",
    );
    expect(lines(output)).toEqual([0, 1, 2].map((i) => `infra${i}.example.com. 300 IN A 10.0.1.${10 + i}`));
  });
});

test("dig over IPv6", async (context) => {
  const setting = await settingFor(context, dig, `[::1]:${await freePort()}`);
  for (const transport of ["+notcp", "+tcp"]) {
    const output = await setting.ask("-6", transport, "+noall", "+answer", "infra0.example.com");
    expect(lines(output)).toEqual(["infra0.example.com. 300 IN A 10.0.1.10"]);
  }
});

describe("kdig", () => {
  let setting: Setting;
  beforeEach(async (context) => {
    setting = await settingFor(context, kdig);
  });

  test("keeps a connection open for its questions", async () => {
    const questions = Array.from({ length: 20 }, (_value, i) => `infra${i % 3}.example.com`);
    const output = await setting.ask("+tcp", "+keepopen", "+noall", "+answer", ...questions);
    expect(lines(output)).toHaveLength(20);
  });

  test("falls back to TCP, pads, and understands everything it gets", async () => {
    const truncated = await setting.ask("+noedns", "+noadditional", "SRV", setting.large);
    expect(lines(truncated)).toHaveLength(9);
    const padded = await setting.ask("+edns", "+padding", "+nsid", "+noadditional", "SRV", setting.large);
    expect(lines(padded)).toHaveLength(9);
    for (const output of [truncated, padded])
      expect(output).not.toMatch(/WARNING: (malformed|.*trailing|.*mismatch)/i);
  });

  test("is refused a transfer", async () => {
    const { output } = await setting.lab.run("kdig", [
      "@127.0.0.1",
      "-p",
      setting.service.dns.split(":")[1] ?? "",
      "AXFR",
      "example.com",
    ]);
    expect(output).toMatch(/REFUSED/);
  });
});

/** A service that also answers over HTTPS, with the cluster of etcd's documents. */
async function overHttps(
  context: TestContext,
  client: Found<string>,
): Promise<{
  readonly lab: Lab;
  readonly binary: string;
  readonly ca: string;
  readonly plain: string;
  readonly secure: string;
}> {
  const [lab, [binary]] = openLab(context, both(client, findProgram("openssl")));
  const authority = await makeAuthority(lab);
  const { cert, key } = await authority.issue("doh", ["IP:127.0.0.1", "DNS:localhost"]);
  const [plain, secure] = [String(await freePort()), String(await freePort())];
  const listen = `http://127.0.0.1:${plain},https://127.0.0.1:${secure}`;
  const flags = ["--listen-http", listen, "--cert-file", cert, "--key-file", key];
  const service = await Quorate.start(lab, { flags: [...flags, "--dns-allow-domain", "example.com"] });
  const members = [0, 1, 2].map((i) => `&member=infra${i}=http://10.0.1.1${i}:2380`).join("");
  await service.newToken(`size=3&domain=example.com${members}`);
  return { lab, binary, ca: authority.ca, plain, secure };
}

const SHORT = [0, 1, 2].map((i) => `0 0 2380 infra${i}.example.com.`);

test("dig over HTTPS, and over plain HTTP: it speaks HTTP/2 only", async (context) => {
  const { lab, binary, ca, plain, secure } = await overHttps(context, dig);
  for (const flags of [
    ["-p", secure, "+https", `+tls-ca=${ca}`, "+tls-hostname=localhost"],
    ["-p", secure, "+https-get", `+tls-ca=${ca}`],
    ["-p", secure, "+https-post"],
    ["-p", plain, "+http-plain"],
    ["-p", plain, "+http-plain-get"],
  ]) {
    const output = await lab.ok(binary, ["@127.0.0.1", ...flags, "+short", "SRV", SRV]);
    expect([flags, lines(output)]).toEqual([flags, SHORT]);
  }
  const missing = await lab.ok(binary, ["@127.0.0.1", "-p", secure, "+https", "nobody.example.com"]);
  expect(missing).toMatch(/status: NXDOMAIN.*AUTHORITY: 1/s);
});

test("kdig over HTTPS: it speaks HTTP/2 only, several questions on one connection", async (context) => {
  const { lab, binary, ca, secure } = await overHttps(context, kdig);
  const server = ["@127.0.0.1", "-p", secure, `+tls-ca=${ca}`, "+tls-hostname=localhost"];
  for (const flags of [["+https"], ["+https", "+https-get"], ["+https", "+keepopen"]]) {
    const output = await lab.ok(binary, [...server, ...flags, "+short", "SRV", SRV, "SRV", SRV]);
    expect([flags, lines(output)]).toEqual([flags, [...SHORT, ...SHORT]]);
  }
});

test("nghttp and h2load, with prior knowledge", async (context) => {
  const { lab, binary, plain } = await overHttps(context, findProgram("nghttp"));
  const url = `http://127.0.0.1:${plain}`;
  expect(await lab.ok(binary, [`${url}/health`])).toBe("OK");
  const { output } = await lab.run("h2load", ["-n", "400", "-c", "4", "-m", "50", `${url}/version`]);
  expect(output).toContain("400 succeeded, 0 failed, 0 errored, 0 timeout");
});

test("curl, by ALPN, by prior knowledge, and told to upgrade", async (context) => {
  const { lab, binary, ca, plain, secure } = await overHttps(context, findProgram("curl"));
  const version = async (...args: string[]): Promise<string> =>
    lab.ok(binary, ["-sS", "-o", "/dev/null", "-w", "%{response_code} %{http_version}", ...args]);
  const [http, https] = [`http://127.0.0.1:${plain}/new`, `https://127.0.0.1:${secure}/new`];
  expect(await version("--cacert", ca, https)).toBe("200 2");
  expect(await version("--cacert", ca, "--http1.1", https)).toBe("200 1.1");
  expect(await version("--http2-prior-knowledge", http)).toBe("200 2");
  // The upgrade from HTTP/1.1 is obsolete (RFC 9113 §3.1): the answer just comes.
  expect(await version("--http2", http)).toBe("200 1.1");
  expect(await version(http)).toBe("200 1.1");
});

test("curl resolves a member over HTTPS", async (context) => {
  const needed = both(findProgram("curl"), findProgram("openssl"));
  const [lab] = openLab(context, needed);
  const authority = await makeAuthority(lab);
  const { cert, key } = await authority.issue("doh", ["IP:127.0.0.1"]);
  const port = await freePort();
  const flags = ["--listen-http", `https://127.0.0.1:${port}`, "--cert-file", cert, "--key-file", key];
  const service = await Quorate.start(lab, { flags: [...flags, "--dns-allow-domain", "example.com"] });
  const servicePort = new URL(service.url).port;
  await service.newToken(`size=1&domain=example.com&member=infra0=http://127.0.0.1:2380`);
  // The name is known to nobody else: that curl reaches the service by it is the proof.
  const doh = ["--doh-url", `https://127.0.0.1:${port}/dns-query`, "--cacert", authority.ca];
  const health = await lab.ok("curl", [
    "-sS",
    "--fail-with-body",
    ...doh,
    `http://infra0.example.com:${servicePort}/health`,
  ]);
  expect(health).toBe("OK");
});
