/** The DNS servers quorate is measured against, each with a generated configuration that holds the same records. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort, outputOf, type Running } from "../processes.ts";
import { resolverOf } from "../resolver.ts";
import { folderFor, type Run } from "../run.ts";
import { type PublishedZone, zoneFile } from "../zone.ts";

export interface DnsPeer {
  readonly program: string;
  /** Its Debian package, for whoever wants the comparison. */
  readonly package: string;
  readonly version: () => string;
  /** Writes its configuration. @returns the arguments that keep it in the foreground. */
  readonly configure: (
    folder: string,
    port: number,
    zone: PublishedZone,
    workers: number,
  ) => readonly string[];
}

const dnsmasq: DnsPeer = {
  program: "dnsmasq",
  package: "dnsmasq-base",
  version: () => /version (\S+)/.exec(outputOf("dnsmasq", ["--version"]))?.[1] ?? "?",
  configure: (folder, port, zone) => {
    const records = zone.services.flatMap(({ name, targets }) =>
      targets.flatMap((target) => [
        `srv-host=${name},${target.name},${target.port},0,0`,
        `host-record=${target.name},${target.address}`,
      ]),
    );
    const path = join(folder, "dnsmasq.conf");
    writeFileSync(
      path,
      `port=${port}
listen-address=127.0.0.1
bind-interfaces
no-daemon
user=root
pid-file=
no-resolv
no-hosts
local=/${zone.origin}/
local-ttl=300
${records.join("\n")}
`,
    );
    return [`--conf-file=${path}`];
  },
};

const bind: DnsPeer = {
  program: "named",
  package: "bind9",
  version: () => /BIND (\S+)/.exec(outputOf("named", ["-v"]))?.[1] ?? "?",
  configure: (folder, port, zone, workers) => {
    writeFileSync(join(folder, "zone"), zoneFile(zone));
    const path = join(folder, "named.conf");
    writeFileSync(
      path,
      `options {
  directory "${folder}"; pid-file none; session-keyfile none; lock-file none;
  listen-on port ${port} { 127.0.0.1; }; listen-on-v6 { none; };
  recursion no; allow-query { any; }; notify no; dnssec-validation no;
};
controls { };
zone "${zone.origin}" { type primary; file "zone"; };
`,
    );
    // Root keeps its rights: the folder belongs to whoever runs the benchmark.
    return ["-f", "-n", String(workers), "-c", path];
  },
};

const knot: DnsPeer = {
  program: "knotd",
  package: "knot",
  version: () => /(\d+\.\d+\.\d+)/.exec(outputOf("knotd", ["--version"]))?.[1] ?? "?",
  configure: (folder, port, zone, workers) => {
    writeFileSync(join(folder, "zone"), zoneFile(zone));
    const path = join(folder, "knot.conf");
    writeFileSync(
      path,
      `server:
  rundir: "${folder}"
  listen: 127.0.0.1@${port}
  udp-workers: ${workers}
  tcp-workers: 1
  background-workers: 1
database:
  storage: "${folder}/db"
zone:
  - domain: ${zone.origin}
    file: "${folder}/zone"
    zonefile-sync: -1
`,
    );
    return ["-c", path];
  },
};

export const DNS_PEERS: Readonly<Record<"dnsmasq" | "bind" | "knot", DnsPeer>> = { dnsmasq, bind, knot };

export interface DnsServer extends Running {
  readonly port: number;
}

/** Starts a peer with the zone; it is ready when it answers for the zone's last service. */
export async function startDnsPeer(
  run: Run,
  peer: DnsPeer,
  zone: PublishedZone,
  name: string,
): Promise<DnsServer> {
  const port = await freePort();
  const folder = folderFor(run, name);
  // A server that has one core to itself needs one worker; elsewhere it takes what load and server share.
  const workers = run.processes.pinned ? 1 : 2;
  const args = peer.configure(folder, port, zone, workers);
  const probe = zone.services.at(-1)?.name ?? zone.origin;
  const ready = async (): Promise<boolean> => (await resolverOf(port).resolveSrv(probe)).length > 0;
  return { ...(await run.processes.start("server", peer.program, args, ready)), port };
}
