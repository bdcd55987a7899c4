/** One bash, in the lab's folder, that runs commands as a person types them, so that variables, functions and jobs stay. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import type { Lab, Place } from "./lab.ts";

const DONE = "the-command-has-ended";

export class Shell {
  readonly #child: ReturnType<typeof spawn>;
  #output = "";
  #heard: () => void = () => {};

  /** @param environment Besides this process's own. */
  constructor(lab: Lab, place: Place, environment: Readonly<Record<string, string>>) {
    const [command, args] = place.wrap("bash", ["--norc", "--noprofile"]);
    this.#child = spawn(command, args, { env: { ...process.env, ...environment } });
    // Entering a namespace leaves the folder one comes from.
    this.#child.stdin?.write(`cd '${lab.dir}'\n`);
    const hear = (chunk: Buffer): void => {
      this.#output += chunk.toString();
      this.#heard();
    };
    this.#child.stdout?.on("data", hear);
    this.#child.stderr?.on("data", hear);
    lab.onClose(async () => {
      const ended = once(this.#child, "exit");
      this.#child.stdin?.end("kill -9 $(jobs -p)\n");
      await ended;
    });
  }

  /** Runs a command, of one line or several. @returns all it printed, without the last newline. */
  async run(command: string): Promise<string> {
    this.#output = "";
    this.#child.stdin?.write(`${command}\n{ echo; echo ${DONE}; } 2>&1\n`);
    while (!this.#output.includes(`\n${DONE}\n`)) {
      await new Promise<void>((resolve) => {
        this.#heard = resolve;
      });
    }
    return this.#output.slice(0, this.#output.indexOf(`\n${DONE}\n`)).replace(/\n$/, "");
  }
}
