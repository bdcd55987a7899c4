/**
 * Who is asking: the socket's own address, unless that is a proxy the operator trusts (`--trust-proxy`), whose
 * X-Forwarded-For, -Host and -Proto then count. Nobody else's do: anyone can write these headers.
 */
import ipaddr from "ipaddr.js";
import { type Connection, connectionOf, type HttpContext } from "./context.ts";

/** Proxies in one chain that are looked at; what lies further left is not believed. */
const PROXY_CHAIN_MAX = 32;
const LOOPBACK = "127.0.0.1";

export interface ClientAddresses {
  /**
   * Normalised (`::ffff:10.0.0.1` as `10.0.0.1`); empty when there is no socket. A client on the service's own machine
   * is `127.0.0.1`, whichever of the machine's addresses it used: several clients there are not several machines.
   */
  addressOf(c: HttpContext): string;
  /** The request as the outermost trusted proxy saw it; undefined when it did not come through one. */
  forwarded(
    c: HttpContext,
  ): { readonly host: string | undefined; readonly proto: string | undefined } | undefined;
}

type Network = [ipaddr.IPv4 | ipaddr.IPv6, number];

/** Reads `10.0.0.0/8`, `2001:db8::/32` or a single address. @throws Error saying what is expected. */
export function parseNetwork(text: string): Network {
  try {
    if (text.includes("/")) return ipaddr.parseCIDR(text);
    const address = ipaddr.process(text);
    return [address, address.kind() === "ipv4" ? 32 : 128];
  } catch (error) {
    throw new Error("expected an address or a network such as 10.0.0.0/8", { cause: error });
  }
}

/** @param trusted Networks of the proxies, as `parseNetwork` reads them. */
export function createClientAddresses(trusted: readonly string[]): ClientAddresses {
  const networks = trusted.map(parseNetwork);
  const isTrusted = (address: string): boolean => {
    if (networks.length === 0 || !ipaddr.isValid(address)) return false;
    const parsed = ipaddr.process(address);
    return networks.some(
      ([network, bits]) => network.kind() === parsed.kind() && parsed.match(network, bits),
    );
  };
  const socketAddress = (incoming: Connection["incoming"] | undefined): string =>
    normalise(incoming?.socket.remoteAddress ?? "");

  return {
    addressOf(c) {
      const incoming = connectionOf(c)?.incoming;
      let address = socketAddress(incoming);
      if (incoming === undefined) return address;
      if (!isTrusted(address)) return isOwn(incoming, address) ? LOOPBACK : address;
      const chain = String(incoming.headers["x-forwarded-for"] ?? "")
        .split(",")
        .slice(-PROXY_CHAIN_MAX);
      // From the right: each entry was written by the proxy after it, so it counts while that one is trusted.
      for (let at = chain.length - 1; at >= 0 && isTrusted(address); at--) {
        const next = withoutPort(chain[at]?.trim() ?? "");
        if (!ipaddr.isValid(next)) break;
        address = normalise(next);
      }
      return address;
    },
    forwarded(c) {
      const incoming = connectionOf(c)?.incoming;
      if (incoming === undefined || !isTrusted(socketAddress(incoming))) return undefined;
      return {
        host: firstOf(incoming.headers["x-forwarded-host"]),
        proto: firstOf(incoming.headers["x-forwarded-proto"])?.toLowerCase(),
      };
    },
  };
}

/** A machine that connects to one of its own addresses does so from that very address. */
function isOwn({ socket }: Connection["incoming"], address: string): boolean {
  return address !== "" && address === normalise(socket.localAddress ?? "");
}

/** An IPv4 address written as IPv6 becomes IPv4; a zone (`%eth0`) is dropped. */
function normalise(address: string): string {
  if (!address.includes(":")) return address;
  const plain = address.split("%", 1)[0] ?? "";
  if (plain.startsWith("::ffff:") && plain.includes(".")) return plain.slice("::ffff:".length);
  return ipaddr.isValid(plain) ? ipaddr.process(plain).toString() : "";
}

/** `1.2.3.4:80` and `[2001:db8::1]:80`, as some proxies write entries. */
function withoutPort(entry: string): string {
  const match = /^\[([^\]]+)\](?::\d+)?$/.exec(entry) ?? /^([^:]+):\d+$/.exec(entry);
  return match?.[1] ?? entry;
}

function firstOf(header: string | string[] | undefined): string | undefined {
  const text = (Array.isArray(header) ? header[0] : header)?.split(",", 1)[0]?.trim();
  return text === "" ? undefined : text;
}
