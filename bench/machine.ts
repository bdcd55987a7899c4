/** What the figures were measured on: without it they mean nothing. */
import { closeSync, fdatasyncSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { arch, availableParallelism, cpus, loadavg, platform, release, totalmem } from "node:os";
import { join } from "node:path";
import { outputOf } from "./processes.ts";
import { medianOf, quantileOf } from "./rounds.ts";

const SYNC_COUNT = 200;
const SYNC_BYTES = 4096;

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGib: number;
  readonly system: string;
  readonly filesystem: string;
  /** Milliseconds of one appended 4 KiB write with fdatasync in the data folder: median, 99th percentile. */
  readonly syncMs: readonly [median: number, p99: number];
  /** Over the last minute, before the run: what else the machine was doing. */
  readonly loadBefore: number;
  readonly node: string;
  readonly commit: string;
  readonly date: string;
}

export function describeMachine(dataFolder: string): Machine {
  return {
    cpu: cpus()[0]?.model ?? "unknown",
    cores: availableParallelism(),
    memoryGib: Math.round(totalmem() / 2 ** 30),
    system: `${platform()} ${release()} ${arch()}`,
    filesystem: filesystemOf(dataFolder),
    syncMs: syncLatency(dataFolder),
    loadBefore: loadavg()[0] ?? 0,
    node: process.version,
    commit: outputOf("git", ["-C", import.meta.dirname, "describe", "--always", "--dirty"]),
    date: new Date().toISOString(),
  };
}

/** Type of the mounted filesystem a folder is on: the longest mount point that is above it. */
function filesystemOf(folder: string): string {
  let best: readonly string[] = [];
  for (const line of readFileSync("/proc/mounts", "utf8").split("\n")) {
    const fields = line.split(" ");
    const mount = fields[1] ?? "";
    const above = mount !== "" && `${folder}/`.startsWith(mount.endsWith("/") ? mount : `${mount}/`);
    if (above && mount.length >= (best[1]?.length ?? 0)) best = fields;
  }
  return best[2] ?? "unknown";
}

function syncLatency(folder: string): readonly [number, number] {
  const path = join(folder, "sync-latency");
  const file = openSync(path, "w");
  const page = Buffer.alloc(SYNC_BYTES);
  const times: number[] = [];
  for (let at = 0; at < SYNC_COUNT; at++) {
    const start = performance.now();
    writeSync(file, page);
    fdatasyncSync(file);
    times.push(performance.now() - start);
  }
  closeSync(file);
  rmSync(path);
  return [medianOf(times), quantileOf(times, 0.99)];
}

export function formatMachine(machine: Machine): string {
  const [median, p99] = machine.syncMs;
  return [
    `machine  ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGib} GiB, ${machine.system}`,
    `data     ${machine.filesystem}; write and fdatasync of 4 KiB: median ${median.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms`,
    `before   load average ${machine.loadBefore.toFixed(2)}`,
    `runtime  node ${machine.node}, quorate ${machine.commit}, ${machine.date}`,
  ].join("\n");
}
