/** One running process: its output as it comes, a wait for what it says, and its end. */
import { type ChildProcess, spawn } from "node:child_process";

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** How long a program may take to say or do what is expected of it. Generous: CI has two slow cores. */
export const PATIENCE_MS = 60_000;
/** After SIGTERM, before SIGKILL. */
const STOP_GRACE_MS = 10_000;
/** As much of a program's output as a failure message carries. */
const TAIL_LINES = 30;
const TAIL_COLUMNS = 400;

export class Program {
  readonly name: string;
  readonly exited: Promise<Exit>;
  /** Standard output and error, as they came. */
  output = "";
  readonly #child: ChildProcess;
  readonly #waiting = new Set<() => void>();
  #exit: Exit | undefined;

  constructor(name: string, command: string, args: readonly string[], env: NodeJS.ProcessEnv, cwd: string) {
    this.name = name;
    this.#child = spawn(command, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding("utf8");
      stream?.on("data", (text: string) => {
        this.output += text;
        this.#wake();
      });
    }
    this.exited = new Promise((resolve) => {
      const end = (exit: Exit): void => {
        this.#exit = exit;
        resolve(exit);
        this.#wake();
      };
      this.#child.on("error", (error) => {
        this.output += `${error.message}\n`;
        end({ code: null, signal: null });
      });
      // "close" and not "exit": the output is complete then.
      this.#child.on("close", (code, signal) => end({ code, signal }));
    });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get running(): boolean {
    return this.#exit === undefined;
  }

  /** The last lines, for the person who reads a failure. */
  tail(): string {
    const lines = this.output.trimEnd().split("\n").slice(-TAIL_LINES);
    return [`--- ${this.name}`, ...lines.map((line) => line.slice(0, TAIL_COLUMNS))].join("\n");
  }

  /**
   * Waits until the output holds `pattern`.
   * @param from Only what comes after this offset counts (see `mark`).
   * @throws Error when the program ends, or PATIENCE_MS pass, without it.
   */
  async says(pattern: RegExp, from = 0): Promise<RegExpExecArray> {
    const deadline = AbortSignal.timeout(PATIENCE_MS);
    for (;;) {
      const found = pattern.exec(this.output.slice(from));
      if (found !== null) return found;
      if (this.#exit !== undefined) throw new Error(`${this.name} ended without ${pattern}\n${this.tail()}`);
      if (deadline.aborted)
        throw new Error(`${this.name} did not say ${pattern} in ${PATIENCE_MS} ms\n${this.tail()}`);
      await this.#change(deadline);
    }
  }

  /** The place in the output from which a later `says` may look. */
  mark(): number {
    return this.output.length;
  }

  /** Waits for the end. @throws Error when PATIENCE_MS pass without it. */
  async ends(): Promise<Exit> {
    const deadline = AbortSignal.timeout(PATIENCE_MS);
    while (this.#exit === undefined) {
      if (deadline.aborted) throw new Error(`${this.name} did not end in ${PATIENCE_MS} ms\n${this.tail()}`);
      await this.#change(deadline);
    }
    return this.#exit;
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Ends it by `signal`, and by SIGKILL if it does not go. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<Exit> {
    this.kill(signal);
    const timer = setTimeout(() => this.kill("SIGKILL"), STOP_GRACE_MS);
    const exit = await this.exited;
    clearTimeout(timer);
    return exit;
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
  }

  /** Resolves with the next output, the end, or the deadline. */
  async #change(deadline: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        this.#waiting.delete(wake);
        deadline.removeEventListener("abort", wake);
        resolve();
      };
      this.#waiting.add(wake);
      deadline.addEventListener("abort", wake);
    });
  }
}
