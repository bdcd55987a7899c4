/** The flags of `quorate serve` as one typed object, checked as a whole. */
import { isIP } from "node:net";
import ipaddr from "ipaddr.js";
import { UsageError } from "../lib/errors.ts";
import { LOG_LEVELS, type LogLevel } from "../lib/logger.ts";
import {
  boolean,
  choice,
  describeFlags,
  duration,
  type FlagGroups,
  type FlagValues,
  integer,
  list,
  parseFlags,
  text,
} from "./flags.ts";

const HOUR_MS = 3_600_000;
/** Ten years: beyond it a duration is a mistake. */
const LONGEST_MS = 87_600 * HOUR_MS;

export interface HttpAddress {
  readonly scheme: "http" | "https";
  readonly host: string;
  readonly port: number;
}

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

const FLAGS = {
  HTTP: {
    "listen-http": list("addresses that serve HTTP: http://HOST:PORT, or https:// with --cert-file", {
      fallback: ["http://127.0.0.1:8087"],
      placeholder: "URL",
      each: parseHttpAddress,
    }),
    "public-url": {
      ...text(
        "the URL that members reach this service at, as handed out by /new; without it, each request's Host header counts",
        "",
        "URL",
      ),
      parse: parsePublicUrl,
    },
    "trust-proxy": list(
      "addresses or networks of proxies whose X-Forwarded-For, -Host and -Proto are believed",
      {
        placeholder: "CIDR",
        each: parseNetworkText,
      },
    ),
    "rate-limit": integer(
      "new tokens a second for one client address (IPv6: for one /64); 0 is off",
      1000,
      0,
      1_000_000,
    ),
    "wait-timeout": duration(
      "a long poll without news ends after this, before load balancers cut it",
      "50s",
      1000,
      HOUR_MS,
    ),
  },
  TLS: {
    "cert-file": text("certificate chain for https addresses (PEM); read again when it changes", "", "FILE"),
    "key-file": text("its private key (PEM)", "", "FILE"),
    "client-cert-auth": boolean(
      "accept only clients with a certificate of --trusted-ca-file; etcd sends none when it asks for discovery",
    ),
    "trusted-ca-file": text("authorities of client certificates (PEM)", "", "FILE"),
  },
  Registry: {
    store: choice("what keeps the registry", ["sqlite"], "sqlite"),
    data: text("folder that holds the registry", "./quorate-data", "DIR"),
    "max-size": integer("largest size a token may have", 100, 1, 1000),
    "token-ttl": duration("a token expires this long after its creation", "168h", 1000, LONGEST_MS),
    "gc-interval": duration("expired tokens are looked for this often", "5m", 100, 24 * HOUR_MS),
    "allow-custom-tokens": boolean("accept tokens of the caller's own name below /v2/keys", true),
  },
  DNS: {
    "listen-dns": list(
      "addresses that serve DNS over UDP and TCP: HOST:PORT; empty (--listen-dns=, or the variable set to nothing) for none",
      {
        emptyCounts: true,
        fallback: ["127.0.0.1:8053"],
        placeholder: "HOST:PORT",
        each: parseHostPort,
      },
    ),
    "dns-zone": list("zones in which every token has its names", {
      fallback: ["discovery.internal"],
      placeholder: "ZONE",
      each: parseDomain,
    }),
    "dns-allow-domain": list("domains that tokens may own with /new?domain=, themselves or below them", {
      placeholder: "DOMAIN",
      each: parseDomain,
    }),
    "dns-client-port": integer("port in the _etcd-client records", 2379, 1, 65_535),
    "dns-rate-limit": integer(
      "UDP answers a second for one client network (IPv4 /24, IPv6 /56); 0 is off; a public server needs one, 200 or so",
      0,
      0,
      10_000_000,
    ),
    "dns-threads": integer(
      "threads that answer DNS over UDP; 0: the one that does everything else",
      2,
      0,
      64,
    ),
    "dns-name-server": list("names in the zones' NS records; without it ns.ZONE", {
      placeholder: "NAME",
      each: parseDomain,
    }),
    "dns-name-server-address": list("addresses of the name servers that lie inside a zone", {
      placeholder: "ADDRESS",
      each: parseAddress,
    }),
    "dns-secondary": list("servers that get a NOTIFY for every change and may transfer the zones", {
      placeholder: "ADDRESS[:PORT]",
      each: parseSecondary,
    }),
    "dns-allow-transfer": list("more addresses or networks that may transfer the zones", {
      placeholder: "CIDR",
      each: parseNetworkText,
    }),
  },
  Logging: {
    "log-level": choice("the least level that is logged", LOG_LEVELS, "info"),
  },
};

export const SERVE_FLAGS: FlagGroups = FLAGS;

/** What `quorate serve` was told, durations in milliseconds. Absent files and URLs are undefined. */
export interface ServeOptions {
  readonly listenHttp: readonly HttpAddress[];
  /** Canonical, without a final slash. */
  readonly publicUrl: string | undefined;
  readonly trustProxy: readonly string[];
  /** New tokens a second for one client; 0: no limit. */
  readonly rateLimit: number;
  readonly waitTimeoutMs: number;
  readonly tls:
    | { readonly certFile: string; readonly keyFile: string; readonly trustedCaFile: string | undefined }
    | undefined;
  /** Folder of the registry. */
  readonly data: string;
  readonly maxSize: number;
  readonly tokenTtlMs: number;
  readonly gcIntervalMs: number;
  readonly allowCustomTokens: boolean;
  /** Empty: no DNS. */
  readonly listenDns: readonly HostPort[];
  readonly dnsZones: readonly string[];
  readonly dnsAllowedDomains: readonly string[];
  readonly dnsClientPort: number;
  /** UDP answers a second for one client network; 0: no limit. */
  readonly dnsRateLimit: number;
  readonly dnsThreads: number;
  readonly dnsNameServers: readonly string[];
  readonly dnsNameServerAddresses: readonly string[];
  readonly dnsSecondaries: readonly HostPort[];
  readonly dnsAllowTransfer: readonly string[];
  readonly logLevel: LogLevel;
}

/** The flags by group, for `--help`. */
export function describeServeFlags(): string {
  return describeFlags(FLAGS);
}

/**
 * @returns undefined when `--help` was asked for.
 * @throws UsageError for a flag that cannot be used, alone or together with another.
 */
export function readServeOptions(
  argv: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): ServeOptions | undefined {
  const { values, rest, help } = parseFlags(FLAGS, argv, environment);
  if (help) return undefined;
  check(values, rest);
  return {
    listenHttp: values.listenHttp,
    publicUrl: values.publicUrl === "" ? undefined : values.publicUrl,
    trustProxy: values.trustProxy,
    rateLimit: values.rateLimit,
    waitTimeoutMs: values.waitTimeout,
    tls:
      values.certFile === ""
        ? undefined
        : {
            certFile: values.certFile,
            keyFile: values.keyFile,
            trustedCaFile: values.clientCertAuth ? values.trustedCaFile : undefined,
          },
    data: values.data,
    maxSize: values.maxSize,
    tokenTtlMs: values.tokenTtl,
    gcIntervalMs: values.gcInterval,
    allowCustomTokens: values.allowCustomTokens,
    listenDns: values.listenDns,
    // One zone named twice is still one; DNS would serve it, and tell its secondaries of it, twice.
    dnsZones: [...new Set(values.dnsZone)],
    dnsAllowedDomains: values.dnsAllowDomain,
    dnsClientPort: values.dnsClientPort,
    dnsThreads: values.dnsThreads,
    dnsRateLimit: values.dnsRateLimit,
    dnsNameServers: values.dnsNameServer,
    dnsNameServerAddresses: values.dnsNameServerAddress,
    dnsSecondaries: values.dnsSecondary,
    dnsAllowTransfer: values.dnsAllowTransfer,
    logLevel: values.logLevel,
  };
}

function check(options: FlagValues<typeof FLAGS>, rest: readonly string[]): void {
  const [extra] = rest;
  if (extra === "true" || extra === "false")
    throw new UsageError(`unexpected argument "${extra}"; give a switch its value as --NAME=${extra}`);
  if (extra !== undefined)
    throw new UsageError(`unexpected argument ${JSON.stringify(extra)}; flags begin with --`);
  if (options.listenHttp.length === 0) throw new UsageError("--listen-http needs at least one address");
  refuseRepeated("--listen-http", options.listenHttp);
  refuseRepeated("--listen-dns", options.listenDns);
  if (options.data === "") throw new UsageError("--data needs a folder");
  const https = options.listenHttp.find(({ scheme }) => scheme === "https");
  if (https !== undefined && (options.certFile === "" || options.keyFile === "")) {
    throw new UsageError(
      `--listen-http https://${https.host}:${https.port} needs --cert-file and --key-file`,
    );
  }
  if (https === undefined && (options.certFile !== "" || options.keyFile !== "")) {
    throw new UsageError(
      "--cert-file and --key-file are for an https:// address in --listen-http; there is none",
    );
  }
  if (options.clientCertAuth !== (options.trustedCaFile !== "")) {
    throw new UsageError("--client-cert-auth and --trusted-ca-file go together");
  }
  if (options.clientCertAuth && https === undefined) {
    throw new UsageError("--client-cert-auth is for an https:// address in --listen-http; there is none");
  }
  if (options.listenDns.length > 0 && options.dnsZone.length === 0) {
    throw new UsageError("--dns-zone needs a zone while --listen-dns serves one");
  }
}

/** The second of two would fail with "the port is in use", which sends people looking for another program. */
function refuseRepeated(flag: string, addresses: readonly HostPort[]): void {
  const seen = new Set<string>();
  for (const { host, port } of addresses) {
    // Port 0 is another free port each time.
    if (port === 0) continue;
    const canonical = isIP(host) === 0 ? host.toLowerCase() : ipaddr.parse(host).toString();
    const address = `${isIP(host) === 6 ? `[${canonical}]` : canonical}:${port}`;
    if (seen.has(address)) throw new UsageError(`${flag} has ${address} twice; give it once`);
    seen.add(address);
  }
}

// ---- kinds of values

function parseHttpAddress(given: string): HttpAddress {
  const match = /^(https?):\/\/(.+?)\/?$/i.exec(given);
  if (match === null) throw new Error("expected http://HOST:PORT or https://HOST:PORT");
  const { host, port } = parseHostPort(match[2] ?? "");
  return { scheme: match[1]?.toLowerCase() === "https" ? "https" : "http", host, port };
}

/** `HOST:PORT`; IPv6 addresses in brackets; no host means every address. */
function parseHostPort(given: string): HostPort {
  const match = /^(?:\[([^\]]+)\]|([^:[\]/]*)):(\d{1,5})$/.exec(given);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) throw new Error("expected HOST:PORT, an IPv6 HOST in brackets");
  const [, ipv6, name] = match;
  if (ipv6 !== undefined && isIP(ipv6) !== 6) throw new Error("expected an IPv6 address in the brackets");
  if (name !== undefined && !/^[A-Za-z0-9._-]*$/.test(name))
    throw new Error("expected a host name or address");
  return { host: ipv6 ?? (name === "" ? "::" : (name ?? "")), port };
}

/** A secondary without a port is told on 53. An address, because it also says who may transfer. */
function parseSecondary(given: string): HostPort {
  if (isIP(given) !== 0) return { host: given, port: 53 };
  const { host, port } = parseHostPort(/:\d+$/.test(given) ? given : `${given}:53`);
  if (isIP(host) === 0 || port === 0) throw new Error("expected ADDRESS or ADDRESS:PORT");
  return { host, port };
}

function parseAddress(given: string): string {
  if (isIP(given) === 0) throw new Error("expected an IP address");
  return given;
}

function parseNetworkText(given: string): string {
  // ipaddr.js alone reads "10/8" as 0.0.0.10/8.
  const valid =
    isIP(given.split("/", 1)[0] ?? "") !== 0 && (!given.includes("/") || ipaddr.isValidCIDR(given));
  if (!valid) throw new Error("expected an address or a network such as 10.0.0.0/8");
  return given;
}

/** Lower case, no final dot. Letters, digits, dashes and underscores in labels of at most 63. */
function parseDomain(given: string): string {
  const domain = given.toLowerCase().replace(/\.$/, "");
  const isLabel = (label: string): boolean => /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/.test(label);
  if (domain.length > 253 || !domain.split(".").every(isLabel) || isIP(domain) !== 0) {
    throw new Error("expected a domain name such as discovery.example.com");
  }
  return domain;
}

/** In its one canonical spelling: lower case, no default port, no final slash. Empty: none. */
function parsePublicUrl(given: string): string {
  if (given === "") return "";
  const url = URL.canParse(given) ? new URL(given) : undefined;
  const isBase =
    url !== undefined && ["http:", "https:"].includes(url.protocol) && url.search === "" && url.hash === "";
  if (!isBase || url.username !== "" || url.password !== "") {
    throw new Error("expected a URL such as https://discovery.example.com");
  }
  return `${url.protocol}//${url.host}${url.pathname.replaceAll(/\/{2,}/g, "/").replace(/\/$/, "")}`;
}
