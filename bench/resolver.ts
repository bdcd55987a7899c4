/** Asking one DNS server only. */
import { Resolver } from "node:dns/promises";

/** @param port Of a server on the loopback address. */
export function resolverOf(port: number): Resolver {
  const resolver = new Resolver({ timeout: 1000, tries: 2 });
  resolver.setServers([`127.0.0.1:${port}`]);
  return resolver;
}
