/**
 * Every command is a file here: flags in, exit code out. This one finds the command that was asked for and turns
 * what went wrong into one clear line: exit 2 for bad usage, 1 for everything else.
 */
import type { FlagGroups } from "../config/flags.ts";
import { unknownVariables, unknownVariableWarning } from "../config/unknown-variables.ts";
import { EnvironmentError, RefusedError, UsageError } from "../lib/errors.ts";
import { VERSION } from "../lib/version.ts";

export interface Command {
  readonly flags: FlagGroups;
  /**
   * Runs to the end.
   * @param warnings Sentences about the environment, to be told where this command tells such things.
   * @returns the exit code.
   */
  readonly run: (argv: readonly string[], warnings: readonly string[]) => Promise<number>;
}

/** Commands are loaded when they are asked for: `quorate new` need not wait for the service's modules. */
export type Commands = Readonly<Record<string, CommandEntry>>;

interface CommandEntry {
  /** One line for the list of commands. */
  readonly summary: string;
  readonly load: () => Promise<Command>;
}

export const COMMANDS: Commands = {
  serve: {
    summary: "run the discovery service: tokens over HTTP, SRV records over DNS",
    load: async () => (await import("./serve.ts")).serve,
  },
  new: {
    summary: "get a token for a new cluster and print its URL",
    load: async () => (await import("./new.ts")).newToken,
  },
  discover: {
    summary: "register a member under a token, wait for the others, print etcd's variables",
    load: async () => (await import("./discover.ts")).discover,
  },
};

function help(commands: Commands): string {
  const list = Object.entries(commands).map(([name, { summary }]) => `  ${name.padEnd(10)} ${summary}`);
  return `quorate: discovery and bootstrap for etcd clusters

Usage: quorate COMMAND [FLAGS]

Commands:
${list.join("\n")}

\`quorate COMMAND --help\` lists the flags of a command, \`quorate version\` says which one this is. Every flag has a variable: --max-size is QUORATE_MAX_SIZE.
`;
}

/** The other commands are loaded only when there is a variable that this one does not know. */
async function warningsFor({ flags }: Command, commands: Commands): Promise<readonly string[]> {
  if (unknownVariables(process.env, [flags]).length === 0) return [];
  const all = await Promise.all(Object.values(commands).map(async ({ load }) => (await load()).flags));
  return unknownVariables(process.env, all).map((name) => unknownVariableWarning(name, all));
}

/** @returns the exit code: 0 done, 1 failed, 2 bad usage; a command may add its own. */
export async function runCli(argv: readonly string[], commands: Commands = COMMANDS): Promise<number> {
  const [name, ...rest] = argv;
  try {
    if (name === undefined || ["help", "--help", "-help", "-h"].includes(name)) {
      (name === undefined ? process.stderr : process.stdout).write(help(commands));
      return name === undefined ? 2 : 0;
    }
    if (["version", "--version", "-version"].includes(name)) {
      process.stdout.write(`quorate Version: ${VERSION}\n`);
      return 0;
    }
    const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
    if (command === undefined)
      throw new UsageError(`unknown command ${JSON.stringify(name)}; \`quorate --help\` lists the commands`);
    const loaded = await command.load();
    return await loaded.run(rest, await warningsFor(loaded, commands));
  } catch (error) {
    if (error instanceof RefusedError || error instanceof EnvironmentError) {
      process.stderr.write(`quorate: ${error.message}\n`);
      return error instanceof UsageError ? 2 : 1;
    }
    throw error;
  }
}
