/** DNS load by dnsperf over UDP, one thread. */
import { EnvironmentError } from "../src/lib/errors.ts";
import { cpuSeconds, type Processes } from "./processes.ts";
import type { Measured } from "./rounds.ts";

/** Source ports dnsperf asks from, and queries it keeps on the way. */
const CLIENTS = 20;
const OUTSTANDING = 200;

export interface DnsLoad {
  readonly port: number;
  readonly queryFile: string;
  readonly seconds: number;
}

/**
 * Answers a second, and the CPU that `pids` spent on each.
 * @throws EnvironmentError when any answer was not NOERROR, or more than one query in a thousand was lost.
 */
export async function dnsperf(
  processes: Processes,
  load: DnsLoad,
  pids: readonly number[],
): Promise<Measured> {
  const flags: Readonly<Record<string, string>> = {
    "-s": "127.0.0.1",
    "-p": String(load.port),
    "-d": load.queryFile,
    "-l": String(load.seconds),
    "-T": "1",
    "-c": String(CLIENTS),
    "-q": String(OUTSTANDING),
  };
  const before = cpuSeconds(pids);
  // With EDNS, as etcd 3.4 and every resolver ask.
  const output = await processes.run("load", "dnsperf", ["-e", ...Object.entries(flags).flat()]);
  const used = cpuSeconds(pids) - before;
  const completed = Number(/Queries completed:\s*(\d+)/.exec(output)?.[1]);
  const lost = Number(/Queries lost:\s*(\d+)/.exec(output)?.[1]);
  const rate = Number(/Queries per second:\s*([\d.]+)/.exec(output)?.[1]);
  const codes = /Response codes:\s*(.*)/.exec(output)?.[1] ?? "none";
  if (!/^NOERROR \d+ \(100\.00%\)$/.test(codes.trim()) || lost > completed / 1000) {
    throw new EnvironmentError(
      "load_failed",
      `port ${load.port}: answers ${codes}, lost ${lost} of ${completed}`,
    );
  }
  return { value: rate, cpuMicros: (used / completed) * 1e6 };
}
