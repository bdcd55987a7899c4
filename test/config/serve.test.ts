/** The flags of `quorate serve`: defaults, spellings, and what is refused with a sentence. */
import { expect, test } from "vitest";
import { describeServeFlags, readServeOptions, type ServeOptions } from "../../src/config/serve.ts";
import { UsageError } from "../../src/lib/errors.ts";

function read(argv: readonly string[], environment: Record<string, string> = {}): Partial<ServeOptions> {
  return readServeOptions(argv, environment) ?? {};
}

test("the defaults", () => {
  expect(read([])).toEqual({
    listenHttp: [{ scheme: "http", host: "127.0.0.1", port: 8087 }],
    publicUrl: undefined,
    trustProxy: [],
    rateLimit: 1000,
    waitTimeoutMs: 50_000,
    tls: undefined,
    data: "./quorate-data",
    maxSize: 100,
    tokenTtlMs: 7 * 24 * 3_600_000,
    gcIntervalMs: 300_000,
    allowCustomTokens: true,
    listenDns: [{ host: "127.0.0.1", port: 8053 }],
    dnsZones: ["discovery.internal"],
    dnsAllowedDomains: [],
    dnsClientPort: 2379,
    dnsRateLimit: 0,
    dnsThreads: 2,
    dnsNameServers: [],
    dnsNameServerAddresses: [],
    dnsSecondaries: [],
    dnsAllowTransfer: [],
    logLevel: "info",
  });
});

test.each<[string[], Partial<ServeOptions>]>([
  [["--listen-http", "http://[::1]:80"], { listenHttp: [{ scheme: "http", host: "::1", port: 80 }] }],
  [["--listen-http", "http://:8087/"], { listenHttp: [{ scheme: "http", host: "::", port: 8087 }] }],
  [
    ["--listen-http=http://a:1,http://b:2", "-listen-http", "HTTP://c:3"],
    {
      listenHttp: [
        { scheme: "http", host: "a", port: 1 },
        { scheme: "http", host: "b", port: 2 },
        { scheme: "http", host: "c", port: 3 },
      ],
    },
  ],
  [["--listen-dns="], { listenDns: [] }],
  [
    ["--listen-dns", "0.0.0.0:53,[::]:53"],
    {
      listenDns: [
        { host: "0.0.0.0", port: 53 },
        { host: "::", port: 53 },
      ],
    },
  ],
  [
    ["--listen-dns", "127.0.0.1:0,127.0.0.1:0,127.0.0.1:53,127.0.0.2:53"],
    {
      listenDns: [
        { host: "127.0.0.1", port: 0 },
        { host: "127.0.0.1", port: 0 },
        { host: "127.0.0.1", port: 53 },
        { host: "127.0.0.2", port: 53 },
      ],
    },
  ],
  [["--dns-zone", "A.Example.COM."], { dnsZones: ["a.example.com"] }],
  [["--dns-zone", "a.test,b.test,A.test."], { dnsZones: ["a.test", "b.test"] }],
  [["--public-url", "HTTPS://Disc.Example.com:443/"], { publicUrl: "https://disc.example.com" }],
  [["--public-url", "http://disc.example.com:8087//x//"], { publicUrl: "http://disc.example.com:8087/x" }],
  [
    ["--dns-secondary", "10.0.0.2,[2001:db8::2]:5353,2001:db8::3"],
    {
      dnsSecondaries: [
        { host: "10.0.0.2", port: 53 },
        { host: "2001:db8::2", port: 5353 },
        { host: "2001:db8::3", port: 53 },
      ],
    },
  ],
  [["--allow-custom-tokens=false", "--rate-limit", "0"], { allowCustomTokens: false, rateLimit: 0 }],
  [["--trust-proxy", "10.0.0.0/8,::1"], { trustProxy: ["10.0.0.0/8", "::1"] }],
  [
    ["--store", "sqlite", "--token-ttl", "36h", "--wait-timeout=20s"],
    { tokenTtlMs: 36 * 3_600_000, waitTimeoutMs: 20_000 },
  ],
  [
    [
      "--listen-http",
      "https://a:1",
      "--cert-file",
      "c",
      "--key-file",
      "k",
      "--client-cert-auth",
      "--trusted-ca-file",
      "t",
    ],
    { tls: { certFile: "c", keyFile: "k", trustedCaFile: "t" } },
  ],
])("%j", (argv, options) => {
  expect(read(argv)).toMatchObject(options);
});

test("every flag has a variable, which a flag overrides", () => {
  expect(read([], { QUORATE_MAX_SIZE: "9", QUORATE_DNS_ZONE: "x.test" })).toMatchObject({
    maxSize: 9,
    dnsZones: ["x.test"],
  });
  expect(read(["--max-size=7"], { QUORATE_MAX_SIZE: "9" }).maxSize).toBe(7);
});

test("a variable that is set to nothing switches DNS off, and is as if unset elsewhere", () => {
  expect(read([], { QUORATE_LISTEN_DNS: "", QUORATE_LISTEN_HTTP: "", QUORATE_DNS_ZONE: "" })).toMatchObject({
    listenDns: [],
    listenHttp: [{ port: 8087 }],
    dnsZones: ["discovery.internal"],
  });
  expect(read(["--listen-dns=127.0.0.1:53"], { QUORATE_LISTEN_DNS: "" }).listenDns).toHaveLength(1);
});

test.each([
  [
    ["--listen-http", "127.0.0.1:8087"],
    'bad value "127.0.0.1:8087" for --listen-http: expected http://HOST:PORT',
  ],
  [["--listen-http", "http://127.0.0.1"], "expected HOST:PORT"],
  [["--listen-http", "http://127.0.0.1:70000"], "expected HOST:PORT"],
  [["--listen-http", "http://[::g]:1"], "expected an IPv6 address in the brackets"],
  [["--listen-http", "http://a b:1"], "expected a host name or address"],
  [["--listen-http", "http://a:1/path"], "expected HOST:PORT"],
  [["--listen-http="], "--listen-http needs at least one address"],
  [["--listen-http", "https://a:1"], "--listen-http https://a:1 needs --cert-file and --key-file"],
  [["--listen-http", "https://a:1", "--cert-file", "c"], "needs --cert-file and --key-file"],
  [["--cert-file", "c", "--key-file", "k"], "are for an https:// address"],
  [["--client-cert-auth"], "--client-cert-auth and --trusted-ca-file go together"],
  [["--trusted-ca-file", "t"], "--client-cert-auth and --trusted-ca-file go together"],
  [["--client-cert-auth", "--trusted-ca-file", "t"], "--client-cert-auth is for an https:// address"],
  [["--public-url", "disc.example.com"], "expected a URL such as https://discovery.example.com"],
  [["--public-url", "https://u:p@disc.example.com"], "expected a URL"],
  [["--public-url", "https://disc.example.com/?x=1"], "expected a URL"],
  [["--trust-proxy", "10.0.0.0/99"], "expected an address or a network"],
  [["--trust-proxy", "10/8"], "expected an address or a network"],
  [["--dns-zone", "bad..zone"], "expected a domain name"],
  [["--dns-name-server", "192.0.2.53"], "expected a domain name"],
  [["--allow-custom-tokens", "false"], "give a switch its value as --NAME=false"],
  [["--dns-zone="], "--dns-zone needs a zone"],
  [["--dns-name-server-address", "x"], "expected an IP address"],
  [["--dns-secondary", "ns2.example.com"], "expected ADDRESS or ADDRESS:PORT"],
  [["--store", "etcd"], 'bad value "etcd" for --store: expected sqlite'],
  [["--max-size", "0"], "expected a whole number from 1 to 1000"],
  [["--wait-timeout", "50"], "expected a duration such as 90s"],
  [["--log-level", "loud"], "expected debug or info or warn or error"],
  [["--data="], "--data needs a folder"],
  [
    ["--listen-http", "http://127.0.0.1:80", "--listen-http", "https://127.0.0.1:80"],
    "--listen-http has 127.0.0.1:80 twice; give it once",
  ],
  [["--listen-http", "http://Host:80,http://host:80"], "--listen-http has host:80 twice"],
  [["--listen-dns", "[::1]:53,[0:0::1]:53"], "--listen-dns has [::1]:53 twice; give it once"],
  [["extra"], 'unexpected argument "extra"'],
  [["--listn-http", "x"], "unknown flag --listn-http; did you mean --listen-http?"],
])("%j is refused", (argv, sentence) => {
  const refused = (): unknown => read(argv);
  expect(refused).toThrow(UsageError);
  expect(refused).toThrow(sentence);
});

test("--help lists the flags by group and checks nothing", () => {
  expect(readServeOptions(["--max-size", "x", "--help"], {})).toBeUndefined();
  const text = describeServeFlags();
  for (const heading of ["HTTP:", "TLS:", "Registry:", "DNS:", "Logging:"]) expect(text).toContain(heading);
  expect(text).toContain("(default 168h; QUORATE_TOKEN_TTL)");
});
