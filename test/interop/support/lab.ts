/** What one test has started: folders, ports and programs that end with it, whatever becomes of the test. */
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "vitest";
import type { Found } from "./binaries.ts";
import { type Exit, Program } from "./program.ts";

/** Below the ephemeral ports, so that no outgoing connection takes one between its choice and its use. */
const FIRST_PORT = 22_500;
const LAST_PORT = 23_499;

/** Something that starts commands elsewhere: see namespace.ts. */
export interface Place {
  wrap(command: string, args: readonly string[]): [command: string, args: readonly string[]];
}

export interface StartOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly place?: Place | undefined;
}

export interface Finished extends Exit {
  readonly output: string;
}

let nextPort = FIRST_PORT + Math.floor(Math.random() * (LAST_PORT - FIRST_PORT));

/** A TCP port of 127.0.0.1 that nobody listens on, and that this process has not handed out lately. */
export async function freePort(): Promise<number> {
  for (let tried = FIRST_PORT; tried <= LAST_PORT; tried++) {
    // Taken before the await: several may be looking at once.
    const port = nextPort;
    nextPort = port >= LAST_PORT ? FIRST_PORT : port + 1;
    if (await canListen(port)) return port;
  }
  throw new Error(`no free port in ${FIRST_PORT}..${LAST_PORT}`);
}

async function canListen(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once("error", () => resolve(false));
    server.listen({ port, host: "127.0.0.1", exclusive: true }, () => server.close(() => resolve(true)));
  });
}

export class Lab {
  /** An empty folder of this test's own. */
  readonly dir: string = mkdtempSync(join(tmpdir(), "quorate-interop-"));
  readonly #programs: Program[] = [];
  readonly #closers: (() => unknown)[] = [];

  /** Starts a program that is stopped, at the latest, when the test ends. */
  start(name: string, command: string, args: readonly string[], options: StartOptions = {}): Program {
    const [file, argv] = options.place === undefined ? [command, args] : options.place.wrap(command, args);
    const program = new Program(name, file, argv, { ...process.env, ...options.env }, this.dir);
    this.#programs.push(program);
    return program;
  }

  /** Runs a program to its end. */
  async run(command: string, args: readonly string[], options: StartOptions = {}): Promise<Finished> {
    const program = this.start(`${command} ${args.join(" ")}`, command, args, options);
    const exit = await program.ends();
    this.#programs.splice(this.#programs.indexOf(program), 1);
    return { ...exit, output: program.output };
  }

  /** Runs a program that must succeed. @returns its output, without the last newline. */
  async ok(command: string, args: readonly string[], options: StartOptions = {}): Promise<string> {
    const { code, output } = await this.run(command, args, options);
    if (code !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${code}\n${output}`);
    return output.trimEnd();
  }

  /** Called when the test ends, after the programs have been stopped, last registered first. */
  onClose(close: () => unknown): void {
    this.#closers.push(close);
  }

  /** What the programs said last. */
  tails(): string {
    return this.#programs.map((program) => program.tail()).join("\n");
  }

  async close(): Promise<void> {
    // The test is over: nobody needs their farewells.
    await Promise.all(this.#programs.map(async (program) => program.stop("SIGKILL")));
    for (const close of this.#closers.toReversed()) await close();
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/**
 * The lab of a test, closed when it ends, and what the test needs. Where that is absent the test is skipped with the
 * reason. A failure prints what the lab's programs said last.
 */
export function openLab<T>(context: TestContext, needed: Found<T>): readonly [lab: Lab, needed: T] {
  if (needed.type === "missing") return context.skip(needed.reason);
  const lab = new Lab();
  context.onTestFailed(() => console.error(lab.tails()));
  context.onTestFinished(() => lab.close());
  return [lab, needed.value];
}
