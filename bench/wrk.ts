/** HTTP load by wrk, one thread. */
import { join } from "node:path";
import { EnvironmentError } from "../src/lib/errors.ts";
import { cpuSeconds, type Processes } from "./processes.ts";
import type { Measured } from "./rounds.ts";

export interface HttpLoad {
  readonly url: string;
  readonly connections: number;
  readonly seconds: number;
  /** A Lua file of this folder that makes the requests; plain GETs of the URL without. */
  readonly script?: string;
}

/**
 * Requests a second, and the CPU that `pids` spent on each.
 * @throws EnvironmentError when an answer was an error: its rate would mean nothing.
 */
export async function wrk(processes: Processes, load: HttpLoad, pids: readonly number[]): Promise<Measured> {
  const script = load.script === undefined ? [] : ["-s", join(import.meta.dirname, load.script)];
  const before = cpuSeconds(pids);
  const output = await processes.run("load", "wrk", [
    "-t1",
    `-c${load.connections}`,
    `-d${load.seconds}s`,
    ...script,
    load.url,
  ]);
  const used = cpuSeconds(pids) - before;
  const requests = Number(/(\d+) requests in/.exec(output)?.[1]);
  const rate = Number(/Requests\/sec:\s*([\d.]+)/.exec(output)?.[1]);
  // An answer that takes longer than wrk's two seconds counts as a timeout there; it is slow, and not wrong.
  const trouble = /Non-2xx.*|Socket errors: (?!connect 0, read 0, write 0).*/.exec(output)?.[0];
  if (trouble !== undefined || !(rate > 0)) {
    throw new EnvironmentError("load_failed", `${load.url}: ${trouble ?? `wrk printed\n${output}`}`);
  }
  return { value: rate, cpuMicros: (used / requests) * 1e6 };
}
