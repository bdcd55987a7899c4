/** Finds the real programs, or says why they are not here. */
import { spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

export interface EtcdBinaries {
  /** `3.4.23` */
  readonly version: string;
  readonly etcd: string;
  readonly etcdctl: string;
}

/** Something a test needs, or why it is not here. */
export type Found<T> =
  | { readonly type: "found"; readonly value: T }
  | { readonly type: "missing"; readonly reason: string };

const FETCHED = join(import.meta.dirname, "../../../.cache/etcd-3.5/bin");
/** Debian keeps servers in sbin, which is not on everybody's PATH. */
const PLACES = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/local/sbin", "/usr/sbin", "/sbin"];

/** The absolute path of a program. */
export function findProgram(name: string, places: readonly string[] = PLACES): Found<string> {
  for (const place of places) {
    const file = join(place, name);
    try {
      accessSync(file, constants.X_OK);
      return { type: "found", value: file };
    } catch {
      // Not in this folder.
    }
  }
  return { type: "missing", reason: `${name} is not installed` };
}

function findEtcd(minor: string, places: readonly string[], hint: string): Found<EtcdBinaries> {
  const etcd = findProgram("etcd", places);
  const etcdctl = findProgram("etcdctl", places);
  if (etcd.type === "missing" || etcdctl.type === "missing")
    return { type: "missing", reason: `etcd ${minor} is not here: ${hint}` };
  const asked = spawnSync(etcd.value, ["--version"], { encoding: "utf8" });
  const version = /^etcd Version: (\S+)/m.exec(asked.stdout)?.[1];
  if (version === undefined)
    return { type: "missing", reason: `${etcd.value} does not run: ${asked.stderr.trim()}` };
  if (!version.startsWith(`${minor}.`))
    return { type: "missing", reason: `${etcd.value} is ${version}, not ${minor}: ${hint}` };
  return { type: "found", value: { version, etcd: etcd.value, etcdctl: etcdctl.value } };
}

export const etcd34: Found<EtcdBinaries> = findEtcd("3.4", PLACES, "apt-get install etcd-server etcd-client");
export const etcd35: Found<EtcdBinaries> = findEtcd("3.5", [FETCHED, ...PLACES], "run scripts/fetch-etcd.sh");

/** Every etcd that the service is proven with. */
export const ETCDS: readonly (readonly [name: string, found: Found<EtcdBinaries>])[] = [
  ["etcd 3.4", etcd34],
  ["etcd 3.5", etcd35],
];

/** Both, or why not. */
export function both<A, B>(a: Found<A>, b: Found<B>): Found<readonly [A, B]> {
  if (a.type === "missing") return a;
  if (b.type === "missing") return b;
  return { type: "found", value: [a.value, b.value] };
}
