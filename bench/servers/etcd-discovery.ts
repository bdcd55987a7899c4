/** Debian's etcd-discovery, the program behind discovery.etcd.io, over a real etcd. */
import { findProgram, freePort, outputOf } from "../processes.ts";
import type { Run } from "../run.ts";
import { etcdVersion, startEtcd } from "./etcd.ts";

export interface EtcdDiscovery {
  readonly url: string;
  /** Of the service and of the etcd behind it. */
  readonly pids: readonly number[];
}

/** Why it cannot run here; undefined when it can. */
export function etcdDiscoveryMissing(): string | undefined {
  if (findProgram("discovery.etcd.io") === undefined) {
    return "etcd-discovery: discovery.etcd.io is not installed (Debian package etcd-discovery)";
  }
  return etcdVersion() === undefined ? "etcd-discovery: needs etcd (Debian package etcd-server)" : undefined;
}

/** With its package's version, as it prints none itself, and its backend's. */
export function etcdDiscoveryName(): string {
  const version = /^Version: (\S+)/m.exec(outputOf("dpkg-query", ["-s", "etcd-discovery"]))?.[1];
  return `etcd-discovery ${version ?? "?"} over etcd ${etcdVersion() ?? "?"}`;
}

export async function startEtcdDiscovery(run: Run, name: string): Promise<EtcdDiscovery> {
  const backend = await startEtcd(run, name);
  const url = `http://127.0.0.1:${await freePort()}`;
  const { pid } = await run.processes.start(
    "server",
    "discovery.etcd.io",
    ["--etcd", backend.url, "--host", url, "--addr", new URL(url).host],
    async () => (await fetch(`${url}/robots.txt`)).ok,
  );
  return { url, pids: [pid, backend.pid] };
}
