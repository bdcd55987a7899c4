/** `GET /new`: a token made durable, with 100 connections and with one. */
import { must } from "../../src/lib/assert.ts";
import type { Comparison, Report } from "../report.ts";
import { alternate, sampleOf } from "../rounds.ts";
import { progress, type Run } from "../run.ts";
import { etcdVersion, startEtcd } from "../servers/etcd.ts";
import { etcdDiscoveryMissing, etcdDiscoveryName, startEtcdDiscovery } from "../servers/etcd-discovery.ts";
import { startQuorate } from "../servers/quorate.ts";
import { type HttpLoad, wrk } from "../wrk.ts";

/** Connections, and how many times the peer we want to be. */
const LOADS = [
  { connections: 100, aim: 5 },
  { connections: 1, aim: 1.8 },
] as const;

interface Contender {
  readonly name: string;
  readonly pids: readonly number[];
  readonly load: Pick<HttpLoad, "url" | "script">;
  /** A server of another kind that only shows where this machine stands. */
  readonly yardstick: boolean;
}

export async function measureNew(run: Run): Promise<Report> {
  const missing: string[] = [];
  const quorate = await startQuorate(run, "new-quorate");
  const contenders: Contender[] = [
    { name: "quorate", pids: quorate.pids, load: { url: `${quorate.url}/new?size=3` }, yardstick: false },
  ];
  const reason = etcdDiscoveryMissing();
  if (reason === undefined) {
    const peer = await startEtcdDiscovery(run, "new-etcd-discovery");
    const load = { url: `${peer.url}/new?size=3` };
    contenders.push({ name: etcdDiscoveryName(), pids: peer.pids, load, yardstick: false });
  } else {
    missing.push(`/new against ${reason}`);
  }
  const version = etcdVersion();
  if (version === undefined) {
    missing.push("/new against a plain POST to etcd: etcd is not installed (Debian package etcd-server)");
  } else {
    const etcd = await startEtcd(run, "new-etcd");
    const load = { url: `${etcd.url}/v2/keys/queue`, script: "post.lua" };
    contenders.push({
      name: `etcd ${version}, one POST of a v2 key`,
      pids: [etcd.pid],
      load,
      yardstick: true,
    });
  }

  const comparisons: Comparison[] = [];
  for (const { connections, aim } of LOADS) {
    const title = `/new, ${connections} connection${connections === 1 ? "" : "s"}`;
    const measure = async ({ name, load, pids }: Contender, seconds: number) => {
      const measured = await wrk(run.processes, { ...load, connections, seconds }, pids);
      progress(`  ${title}: ${name} ${Math.round(measured.value)}/s`);
      return measured;
    };
    for (const contender of contenders) await measure(contender, 1);
    const rounds = await alternate(contenders, run.rounds, (contender) => measure(contender, run.seconds));
    comparisons.push({
      title,
      unit: "tokens/s",
      better: "more",
      lines: contenders.map(({ name, yardstick }, at) => ({
        server: name,
        sample: sampleOf(must(rounds[at], () => `no rounds of ${name}`)),
        ...(at === 0 || yardstick ? {} : { aim }),
      })),
    });
  }
  return { comparisons, missing };
}
