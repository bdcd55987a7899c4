/** Real etcd nodes: the peer that keeps v2 keys, the backend of etcd-discovery, and the clusters that boot. */
import { type Cores, freePort, outputOf, type Running } from "../processes.ts";
import { folderFor, type Run } from "../run.ts";

export interface Etcd extends Running {
  readonly url: string;
}

/** `3.4.23`, or undefined where etcd is not installed. */
export function etcdVersion(): string | undefined {
  return /etcd Version: (\S+)/.exec(outputOf("etcd", ["--version"]))?.[1];
}

/** A cluster of one, pinned as a server, with v2 keys and its ordinary fsync. */
export function startEtcd(run: Run, name: string): Promise<Etcd> {
  return start(run, "server", name, (peerUrl) => ["--enable-v2", "--initial-cluster", `${name}=${peerUrl}`]);
}

/** A node that finds its peers by a discovery URL, on any core. Resolves when the node says it is healthy. */
export function bootEtcd(run: Run, name: string, discoveryUrl: string): Promise<Etcd> {
  return start(run, "any", name, () => ["--discovery", discoveryUrl]);
}

async function start(
  run: Run,
  cores: Cores,
  name: string,
  bootstrap: (peerUrl: string) => readonly string[],
): Promise<Etcd> {
  const [url, peerUrl] = [`http://127.0.0.1:${await freePort()}`, `http://127.0.0.1:${await freePort()}`];
  const flags: Readonly<Record<string, string>> = {
    "--name": name,
    "--data-dir": folderFor(run, name),
    "--logger": "zap",
    "--listen-client-urls": url,
    "--advertise-client-urls": url,
    "--listen-peer-urls": peerUrl,
    "--initial-advertise-peer-urls": peerUrl,
  };
  const args = [...Object.entries(flags).flat(), ...bootstrap(peerUrl)];
  const running = await run.processes.start(cores, "etcd", args, () => isHealthy(url));
  return { ...running, url };
}

async function isHealthy(url: string): Promise<boolean> {
  const answer = await fetch(`${url}/health`);
  return ((await answer.json()) as { health?: unknown }).health === "true";
}
