/**
 * The URL that is handed out for a token, without the token. One cluster must see one spelling: etcd hashes the text
 * of its discovery URL into ids, and members started with two spellings refuse each other for ever.
 */
import type { ClientAddresses } from "./client-address.ts";
import type { HttpContext } from "./context.ts";
import { connectionOf } from "./context.ts";

/** Letters, digits, dots, dashes and underscores, or an IPv6 address in brackets; then perhaps a port. */
const HOST = /^(?:[a-z0-9_](?:[a-z0-9._-]{0,253}[a-z0-9_.])?|\[[0-9a-f:.]{2,45}\])(?::\d{1,5})?$/;

export interface PublicUrls {
  /** `http://host:port` for this request, in its one canonical spelling, without a final slash. */
  baseOf(c: HttpContext): string;
  /**
   * Every discovery URL a member may have been started with, when it asks for `path`: to be tried against its id.
   * @param path Of the token, as it was requested. @param query What a URL with a query of its own adds to requests.
   */
  candidates(c: HttpContext, path: string, query: string): readonly string[];
}

/**
 * @param publicUrl `--public-url`, canonical; undefined: take the Host header (or a trusted proxy's forwarded one).
 * @param fallback Where there is no usable Host header: the listen address as a URL.
 */
export function createPublicUrls(
  publicUrl: string | undefined,
  clients: ClientAddresses,
  fallback: string,
): PublicUrls {
  // Requests of one client, and mostly of all, carry the same Host: remember the last one's URL.
  let lastKey = "";
  let lastBase = fallback;

  const fromHost = (scheme: string, host: string): string => {
    const key = `${scheme}://${host}`;
    if (key !== lastKey) {
      lastBase = canonicalBase(key) ?? fallback;
      lastKey = key;
    }
    return lastBase;
  };

  const schemeAndHost = (c: HttpContext): [scheme: string, host: string] => {
    const url = c.req.raw.url;
    const scheme = url.startsWith("https:") ? "https" : "http";
    const forwarded = clients.forwarded(c);
    const proto = forwarded?.proto === "https" || forwarded?.proto === "http" ? forwarded.proto : scheme;
    const given = connectionOf(c)?.incoming.headers.host;
    return [proto, forwarded?.host ?? given ?? url.slice(scheme.length + 3, url.indexOf("/", 8))];
  };

  return {
    baseOf(c) {
      return publicUrl ?? fromHost(...schemeAndHost(c));
    },
    candidates(c, path, query) {
      const [, host] = schemeAndHost(c);
      const bases = [`http://${host}`, `https://${host}`, ...(publicUrl === undefined ? [] : [publicUrl])];
      const paths = [path, `${path}/`];
      return bases.flatMap((base) => paths.map((each) => base + each + query));
    },
  };
}

/** Lower case, no default port, no final slash or dot; undefined when it is no `http(s)://host[:port]`. */
export function canonicalBase(text: string): string | undefined {
  const match = /^(https?):\/\/([^/]+)\/*$/i.exec(text);
  const scheme = match?.[1]?.toLowerCase();
  const host = match?.[2]?.toLowerCase();
  if (scheme === undefined || host === undefined || !HOST.test(host)) return undefined;
  const [, name = "", port] = /^(.*?)\.?(?::(\d+))?$/.exec(host) ?? [];
  if (port !== undefined && (Number(port) < 1 || Number(port) > 65_535)) return undefined;
  const isDefault = port === undefined || Number(port) === (scheme === "https" ? 443 : 80);
  return `${scheme}://${name}${isDefault ? "" : `:${Number(port)}`}`;
}
