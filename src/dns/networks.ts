/** Which addresses a list of networks holds: who may transfer a zone. */
import { BlockList, isIP } from "node:net";
import { UsageError } from "../lib/errors.ts";

export interface Networks {
  /** @param address As Node gives a peer's: `::ffff:10.0.0.1` counts as `10.0.0.1`, a zone id is ignored. */
  has(address: string): boolean;
}

const familyOf = (address: string): "ipv4" | "ipv6" => (isIP(address) === 6 ? "ipv6" : "ipv4");

/** `::ffff:10.0.0.1` as `10.0.0.1`, `fe80::1%eth0` as `fe80::1`: one spelling for one peer. */
export function plainAddress(address: string): string {
  const unzoned = address.split("%", 1)[0] ?? "";
  return /^::ffff:\d+\.\d+\.\d+\.\d+$/i.test(unzoned) ? unzoned.slice("::ffff:".length) : unzoned;
}

/**
 * @param list `10.0.0.0/8`, `2001:db8::/32`, or single addresses.
 * @throws UsageError naming what cannot be read as a network.
 */
export function createNetworks(list: readonly string[]): Networks {
  const known = new BlockList();
  for (const text of list) {
    const { address, prefix } = parseNetwork(text);
    known.addSubnet(address, prefix, familyOf(address));
  }
  return {
    has: (address) => {
      const plain = plainAddress(address);
      return isIP(plain) !== 0 && known.check(plain, familyOf(plain));
    },
  };
}

/** @throws UsageError unless it is `ADDRESS` or `ADDRESS/PREFIX`. */
export function parseNetwork(text: string): { readonly address: string; readonly prefix: number } {
  const [address = "", length, ...more] = text.split("/");
  const bits = { 0: -1, 4: 32, 6: 128 }[isIP(address)] ?? -1;
  const prefix = length === undefined ? bits : /^\d{1,3}$/.test(length) ? Number(length) : -1;
  if (bits === -1 || prefix < 0 || prefix > bits || more.length > 0) {
    throw new UsageError(
      `${JSON.stringify(text)} is not a network: expected an address such as 10.0.0.7, or one with a prefix such as 10.0.0.0/8 or 2001:db8::/32`,
    );
  }
  return { address, prefix };
}
