/** Three real etcd nodes, from the request for a token until all three say they are healthy. */
import type { Report } from "../report.ts";
import { alternate, sampleOf } from "../rounds.ts";
import { progress, type Run } from "../run.ts";
import { bootEtcd, etcdVersion } from "../servers/etcd.ts";
import { etcdDiscoveryMissing, etcdDiscoveryName, startEtcdDiscovery } from "../servers/etcd-discovery.ts";
import { startQuorate } from "../servers/quorate.ts";

const NAMES = ["infra0", "infra1", "infra2"];
/** Boots for each round of the run: they are short, and etcd's random election timeouts spread them widely. */
const BOOTS_PER_ROUND = 5;

interface Contender {
  readonly name: string;
  readonly url: string;
}

export async function measureBoot(run: Run): Promise<Report> {
  const version = etcdVersion();
  if (version === undefined) {
    const reason = "three etcd from /new to healthy: etcd is not installed (Debian package etcd-server)";
    return { comparisons: [], missing: [reason] };
  }
  const contenders: Contender[] = [{ name: "quorate", url: (await startQuorate(run, "boot-quorate")).url }];
  const reason = etcdDiscoveryMissing();
  if (reason === undefined) {
    const { url } = await startEtcdDiscovery(run, "boot-etcd-discovery");
    contenders.push({ name: etcdDiscoveryName(), url });
  }

  let boots = 0;
  const rounds = await alternate(contenders, run.rounds * BOOTS_PER_ROUND, async ({ name, url }) => {
    const start = performance.now();
    const discoveryUrl = await (await fetch(`${url}/new?size=${NAMES.length}`)).text();
    const boot = boots++;
    const nodes = await Promise.all(NAMES.map((node) => bootEtcd(run, `boot-${boot}-${node}`, discoveryUrl)));
    const value = (performance.now() - start) / 1000;
    await Promise.all(nodes.map((node) => node.stop()));
    progress(`  boot: ${name} ${value.toFixed(2)} s`);
    return { value };
  });
  return {
    comparisons: [
      {
        title: `three etcd ${version} from /new to healthy`,
        unit: "s",
        better: "less",
        lines: contenders.map(({ name }, at) => ({
          server: name,
          sample: sampleOf(rounds[at] ?? []),
          ...(at === 0 ? {} : { aim: 1 }),
        })),
      },
    ],
    missing: reason === undefined ? [] : [`boot against ${reason}`],
  };
}
