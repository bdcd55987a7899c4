/** SRV and A answers over UDP, for one cluster and for hundreds. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { must } from "../../src/lib/assert.ts";
import { dnsperf } from "../dnsperf.ts";
import { findProgram } from "../processes.ts";
import type { Comparison, Report } from "../report.ts";
import { alternate, sampleOf } from "../rounds.ts";
import { progress, type Run } from "../run.ts";
import { DNS_PEERS, startDnsPeer } from "../servers/dns.ts";
import { startQuorate } from "../servers/quorate.ts";
import { checkAnswers, publish, queries } from "../zone.ts";

/** How many times the peer we want to be. */
const AIMS: Readonly<Record<keyof typeof DNS_PEERS, number | undefined>> = {
  dnsmasq: 1,
  bind: undefined,
  knot: 0.8,
};

interface Contender {
  readonly name: string;
  readonly port: number;
  readonly pids: readonly number[];
  readonly aim: number | undefined;
}

export async function measureDns(run: Run): Promise<Report> {
  const comparisons: Comparison[] = [];
  const missing = new Set<string>();
  // dnsmasq looks for SRV records one by one, so its speed depends on how many there are: show both.
  for (const clusters of [1, run.clusters]) comparisons.push(await measureZone(run, clusters, missing));
  return { comparisons, missing: [...missing] };
}

async function measureZone(run: Run, clusters: number, missing: Set<string>): Promise<Comparison> {
  const quorate = await startQuorate(run, `dns-${clusters}-quorate`);
  const zone = await publish(quorate, clusters);
  const queryFile = join(run.folder, `dns-${clusters}-queries`);
  writeFileSync(queryFile, `${queries(zone).join("\n")}\n`);
  const contenders: Contender[] = [
    { name: "quorate", port: quorate.dnsPort, pids: quorate.pids, aim: undefined },
  ];
  for (const [key, peer] of Object.entries(DNS_PEERS)) {
    if (findProgram(peer.program) === undefined) {
      missing.add(`DNS against ${key}: ${peer.program} is not installed (Debian package ${peer.package})`);
      continue;
    }
    const { port, pid } = await startDnsPeer(run, peer, zone, `dns-${clusters}-${key}`);
    const aim = AIMS[key as keyof typeof DNS_PEERS];
    contenders.push({ name: `${key} ${peer.version()}`, port, pids: [pid], aim });
  }
  for (const { name, port } of contenders) await checkAnswers(port, zone, name);

  const title = `DNS, SRV and A in equal parts, ${clusters} cluster${clusters === 1 ? "" : "s"} of three`;
  const measure = async ({ name, port, pids }: Contender, seconds: number) => {
    const measured = await dnsperf(run.processes, { port, queryFile, seconds }, pids);
    progress(`  ${title}: ${name} ${Math.round(measured.value)}/s`);
    return measured;
  };
  for (const contender of contenders) await measure(contender, 1);
  const rounds = await alternate(contenders, run.rounds, (contender) => measure(contender, run.seconds));
  return {
    title,
    unit: "answers/s",
    better: "more",
    lines: contenders.map(({ name, aim }, at) => ({
      server: name,
      sample: sampleOf(must(rounds[at], () => `no rounds of ${name}`)),
      ...(aim === undefined ? {} : { aim }),
    })),
  };
}
