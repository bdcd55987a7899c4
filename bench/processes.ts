/**
 * The processes of one run: started, asked whether they are ready, measured by the CPU time they use, and ended by
 * their ids when the run ends in whatever way.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { accessSync, constants, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { delimiter, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { EnvironmentError } from "../src/lib/errors.ts";

/** How long a server may take from its start to its first answer. */
const READY_TIMEOUT_MS = 20_000;
const READY_POLL_MS = 20;
/** How long a server may take to end on SIGTERM before it is killed. */
const STOP_TIMEOUT_MS = 5000;
/** What is kept of a server's output, to show when it dies. */
const OUTPUT_KEPT = 4000;
/** Clock ticks a second in /proc/PID/stat: fixed to 100 in Linux's user interface. */
const TICKS_PER_SECOND = 100;

/** Which cores a program may use: `server` and `load` are one core each when pinned, `any` is all. */
export type Cores = "server" | "load" | "any";

export interface Running {
  readonly pid: number;
  /** Asks with SIGTERM, insists with SIGKILL; resolves when the process is gone. */
  readonly stop: () => Promise<void>;
}

/** Where Debian puts servers is not on every PATH. */
const SEARCH = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/usr/local/sbin", "/sbin"];

/** The full path of an installed program, or undefined. */
export function findProgram(name: string): string | undefined {
  return SEARCH.map((folder) => join(folder, name)).find((file) => {
    try {
      accessSync(file, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** What a program prints, for version lines; empty when it is absent or fails to start. */
export function outputOf(program: string, args: readonly string[]): string {
  const path = findProgram(program);
  if (path === undefined) return "";
  const done = spawnSync(path, args, { encoding: "utf8" });
  return `${done.stdout ?? ""}${done.stderr ?? ""}`.trim();
}

export class Processes {
  readonly #pinned: boolean;
  readonly #taskset = findProgram("taskset");
  readonly #live = new Map<number, { readonly child: ChildProcess; readonly exited: Promise<unknown> }>();

  /** @param pinned Servers on core 1 and load generators on core 0, where taskset is there. */
  constructor(pinned: boolean) {
    this.#pinned = pinned && this.#taskset !== undefined;
    // Also on an uncaught error nothing may be left running: a stray server would spoil the next measurement.
    process.on("exit", () => this.#killAll());
  }

  get pinned(): boolean {
    return this.#pinned;
  }

  #command(cores: Cores, program: string, args: readonly string[]): [string, string[]] {
    const path = program.includes("/") ? program : findProgram(program);
    if (path === undefined) throw new EnvironmentError("program_missing", `${program} is not installed`);
    if (!this.#pinned || this.#taskset === undefined || cores === "any") return [path, [...args]];
    return [this.#taskset, ["-c", cores === "server" ? "1" : "0", path, ...args]];
  }

  /**
   * Starts a server and waits until `ready` answers true.
   * @throws EnvironmentError with the end of its output, when it exits or stays silent.
   */
  async start(
    cores: Cores,
    program: string,
    args: readonly string[],
    ready: () => Promise<boolean>,
    environment: Readonly<Record<string, string>> = {},
  ): Promise<Running> {
    const [command, argv] = this.#command(cores, program, args);
    const child = spawn(command, argv, {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...environment },
    });
    const { pid } = child;
    if (pid === undefined) throw new EnvironmentError("program_failed", `${command} cannot be started`);
    let output = "";
    const keep = (chunk: Buffer): void => {
      output = (output + chunk.toString("utf8")).slice(-OUTPUT_KEPT);
    };
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
    const exited = once(child, "exit");
    this.#live.set(pid, { child, exited });
    const deadline = Date.now() + READY_TIMEOUT_MS;
    while (!(await ready().catch(() => false))) {
      const dead = child.exitCode !== null || child.signalCode !== null;
      if (dead || Date.now() > deadline) {
        await this.#stop(pid);
        const what = dead ? `ended (${child.signalCode ?? child.exitCode})` : "did not answer";
        throw new EnvironmentError("program_failed", `${program} ${what}:\n${output.trim()}`);
      }
      await delay(READY_POLL_MS);
    }
    return { pid, stop: () => this.#stop(pid) };
  }

  /**
   * Runs a load generator to its end.
   * @returns what it printed on both outputs.
   */
  async run(cores: Cores, program: string, args: readonly string[]): Promise<string> {
    const [command, argv] = this.#command(cores, program, args);
    const child = spawn(command, argv, { stdio: ["ignore", "pipe", "pipe"] });
    const exited = once(child, "close");
    if (child.pid !== undefined) this.#live.set(child.pid, { child, exited });
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString("utf8")));
    child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString("utf8")));
    const [code] = (await exited) as [number | null];
    if (child.pid !== undefined) this.#live.delete(child.pid);
    if (code !== 0) throw new EnvironmentError("program_failed", `${program} failed (${code}):\n${output}`);
    return output;
  }

  async #stop(pid: number): Promise<void> {
    const entry = this.#live.get(pid);
    if (entry === undefined) return;
    const { child, exited } = entry;
    if (child.exitCode === null && child.signalCode === null) {
      child.kill("SIGTERM");
      const insist = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS);
      await exited;
      clearTimeout(insist);
    }
    this.#live.delete(pid);
  }

  /** Ends everything that was started and still lives. */
  async stopAll(): Promise<void> {
    await Promise.all([...this.#live.keys()].map((pid) => this.#stop(pid)));
  }

  #killAll(): void {
    for (const { child } of this.#live.values()) child.kill("SIGKILL");
  }
}

/** CPU seconds, user and system, that these processes have used so far (proc(5), fields 14 and 15). */
export function cpuSeconds(pids: readonly number[]): number {
  const ticks = pids.map((pid) => {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The second field is the program's name in parentheses and may hold spaces.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return Number(fields[11]) + Number(fields[12]);
  });
  return ticks.reduce((sum, value) => sum + value, 0) / TICKS_PER_SECOND;
}

/** A loopback port that is free for TCP and UDP at this moment. */
export async function freePort(): Promise<number> {
  for (;;) {
    const tcp = createServer().listen(0, "127.0.0.1");
    await once(tcp, "listening");
    const address = tcp.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const udp = createSocket("udp4");
    udp.bind(port, "127.0.0.1");
    const free = await once(udp, "listening").then(
      () => true,
      () => false,
    );
    udp.close();
    tcp.close();
    await once(tcp, "close");
    if (free) return port;
  }
}
