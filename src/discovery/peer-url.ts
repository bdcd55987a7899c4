/**
 * Peer URLs as etcd reads them (`pkg/types/urls.go` NewURLs): scheme, host and port, nothing else. etcd also takes
 * `unix`, `unixs` and a query; no other machine could use those, so they are refused here.
 */
import ipaddr from "ipaddr.js";
import type { Scheme } from "./cluster.ts";
import { refuse } from "./refusal.ts";

/** How far an address reaches. A name reaches nobody knows how far, except `localhost`. */
export type Reach = "name" | "loopback" | "unspecified" | "link-local" | "private" | "public" | "other";

export interface PeerUrl {
  /** Exactly as written. */
  readonly text: string;
  readonly scheme: Scheme;
  /** A name in lower case without final dot, or an address in its shortest spelling without brackets. */
  readonly host: string;
  readonly port: number;
  readonly reach: Reach;
}

const SHAPE = /^([a-z][a-z0-9+.-]*):\/\/(.*)$/i;
const AUTHORITY = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::([^:]*))?$/;
const PORT_MAX = 65_535;
/** RFC 1035 §2.3.4, in characters without the final dot. */
const HOST_NAME_LENGTH_MAX = 253;
/** A label of a host name; the underscore is common in container networks and harmless in a URL. */
const LABEL = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;

/** @throws RefusedError value_malformed with a sentence that names the URL and what is wrong with it. */
export function parsePeerUrl(text: string): PeerUrl {
  const wrong = (what: string): never =>
    refuse("value_malformed", `peer URL ${JSON.stringify(text)} ${what}`);
  const shape = SHAPE.exec(text);
  if (shape === null)
    return wrong(
      'is not a URL: expected http:// or https://, a host, and a port, such as "http://10.0.1.10:2380"',
    );
  const scheme = (shape[1] ?? "").toLowerCase();
  const rest = shape[2] ?? "";
  if (scheme !== "http" && scheme !== "https")
    return wrong(`has the scheme "${scheme}": expected http or https`);
  if (rest.includes("@")) return wrong("holds a user name: expected only host and port after the scheme");
  if (/[/?#]/.test(rest))
    return wrong(
      "has a path, query or fragment after its port: expected only host and port after the scheme",
    );
  const authority = AUTHORITY.exec(rest);
  if (authority === null) return wrong("has no readable host and port: an IPv6 address needs [brackets]");
  const [, bracketed, plain, portText] = authority;
  if ((bracketed ?? plain ?? "") === "")
    return wrong("has no host: etcd needs an address or name that the other members can reach");
  if (portText === undefined || portText === "") return wrong("has no port: etcd's own is 2380");
  const port = /^\d{1,5}$/.test(portText) ? Number(portText) : 0;
  if (port < 1 || port > PORT_MAX) return wrong(`has the port "${portText}": expected 1 to ${PORT_MAX}`);
  const host = bracketed === undefined ? readPlainHost(plain ?? "") : readIpv6(bracketed);
  if (host === undefined)
    return wrong(`has the host "${bracketed ?? plain}", which is neither a name nor an address`);
  if (host.range === "multicast" || host.range === "broadcast")
    return wrong(`has the ${host.range} address ${host.host}: no member can listen there`);
  return { text, scheme, host: host.host, port, reach: reachOf(host) };
}

/** Equal for two URLs that reach the same listener, whatever the spelling of host and scheme. */
export function canonicalUrl(url: PeerUrl): string {
  return `${url.scheme}://${authorityOf(url)}`;
}

/** `host:port` in its one spelling. */
export function authorityOf(url: PeerUrl): string {
  return url.host.includes(":") ? `[${url.host}]:${url.port}` : `${url.host}:${url.port}`;
}

/** True where only the machine itself can connect: no machine reaches another one's loopback. */
export function staysOnMachine(url: PeerUrl): boolean {
  return url.reach === "loopback" || url.reach === "unspecified";
}

interface Host {
  readonly host: string;
  /** ipaddr.js's name for the address block; undefined for a host name. */
  readonly range: string | undefined;
}

function readPlainHost(text: string): Host | undefined {
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) {
    const address = ipaddr.IPv4.parse(text);
    // "010.0.0.1" is octal to some and decimal to others; Go refuses it.
    return address.toString() === text ? { host: text, range: address.range() } : undefined;
  }
  const host = text.toLowerCase().replace(/\.$/, "");
  const labels = host.split(".");
  if (host.length > HOST_NAME_LENGTH_MAX || !labels.every((label) => LABEL.test(label))) return undefined;
  // What ends in a number is an address someone mistyped: no top-level domain is all digits (RFC 3696 §2).
  return /^\d+$/.test(labels.at(-1) ?? "") ? undefined : { host, range: undefined };
}

function readIpv6(text: string): Host | undefined {
  // A zone is written "%25eth0" inside a URL (RFC 6874).
  const [address = "", zone] = text.split("%25", 2);
  if (!ipaddr.IPv6.isValid(address) || address.includes("%")) return undefined;
  if (zone !== undefined && !/^[A-Za-z0-9_.-]+$/.test(zone)) return undefined;
  const parsed = ipaddr.process(address);
  return { host: parsed.toString() + (zone === undefined ? "" : `%${zone}`), range: parsed.range() };
}

function reachOf({ host, range }: Host): Reach {
  switch (range) {
    case undefined:
      return host === "localhost" || host.endsWith(".localhost") ? "loopback" : "name";
    case "loopback":
      return "loopback";
    case "unspecified":
      return "unspecified";
    case "linkLocal":
      return "link-local";
    case "private":
    case "uniqueLocal":
    case "carrierGradeNat":
      return "private";
    case "unicast":
      return "public";
    default:
      return "other";
  }
}
