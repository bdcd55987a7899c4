/**
 * A network and mount namespace: loopback with the addresses a test wants, and an `/etc/resolv.conf` and `/etc/hosts`
 * of its own. Programs in it reach each other and nothing else.
 */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Found } from "./binaries.ts";
import type { Lab, Place } from "./lab.ts";

/** Anybody may make namespaces inside a user namespace, where the system allows those; root needs none. */
const AS_ROOT: readonly string[] = process.getuid?.() === 0 ? [] : ["--user", "--map-root-user"];
const UNSHARE: readonly string[] = [...AS_ROOT, "--net", "--mount", "--propagation", "private"];

const SETUP = `set -e
ip link set lo up
for address in $ADDRESSES; do ip address add "$address/32" dev lo; done
mount --bind "$FILES/resolv.conf" /etc/resolv.conf
mount --bind "$FILES/hosts" /etc/hosts
echo the namespace is ready
exec sleep infinity`;

function probe(): Found<undefined> {
  const script = "ip link set lo up && mount --bind /etc/hosts /etc/hosts && test -e /etc/resolv.conf";
  const tried = spawnSync("unshare", [...UNSHARE, "sh", "-c", script], { encoding: "utf8" });
  if (tried.status === 0) return { type: "found", value: undefined };
  const why = tried.error?.message ?? tried.stderr.trim();
  return { type: "missing", reason: `network and mount namespaces cannot be made here (${why})` };
}

/** Whether this machine lets us make them. */
export const namespaces: Found<undefined> = probe();

export interface NamespaceOptions {
  /** Besides 127.0.0.0/8. */
  readonly addresses?: readonly string[];
  /** The address that `/etc/resolv.conf` points at: port 53 of it. */
  readonly nameserver: string;
  /** Lines of `/etc/hosts` besides localhost. */
  readonly hosts?: readonly string[];
}

/** Opens one that lives as long as the lab. */
export async function openNamespace(lab: Lab, options: NamespaceOptions): Promise<Place> {
  writeFileSync(join(lab.dir, "resolv.conf"), `nameserver ${options.nameserver}\n`);
  writeFileSync(join(lab.dir, "hosts"), ["127.0.0.1 localhost", ...(options.hosts ?? []), ""].join("\n"));
  const holder = lab.start("namespace", "unshare", [...UNSHARE, "sh", "-c", SETUP], {
    env: { FILES: lab.dir, ADDRESSES: (options.addresses ?? []).join(" ") },
  });
  await holder.says(/the namespace is ready/);
  // Entering a mount namespace leaves a chroot, where tests may well run; --root goes back to it.
  const enter = ["--target", String(holder.pid), "--net", "--mount", "--root"];
  if (AS_ROOT.length > 0) enter.push("--user", "--preserve-credentials");
  return { wrap: (command, args) => ["nsenter", [...enter, "--", command, ...args]] };
}
