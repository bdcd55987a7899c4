/**
 * The format of the scripts: commands with their whole output, in a file that can be read from top to bottom.
 *
 *     # Lines that begin with a hash, and blank lines, stand between commands.
 *     command 1 2 key=value list=(a, b)
 *     input, any number of lines
 *     ----
 *     output, up to the first blank line
 *
 * Output with blank lines in it stands between two pairs of `----`. A `\` at the end continues a command.
 */

/** `key`, `key=value` or `key=(value, value)`. */
export interface Arg {
  readonly key: string;
  readonly values: readonly string[];
}

/** One command of a script. */
export interface Directive {
  /** `file:line`, for messages. */
  readonly position: string;
  readonly command: string;
  readonly args: readonly Arg[];
  /** The lines between the command and `----`, trimmed. */
  readonly input: string;
}

/** Runs one command and returns its output; a missing newline at the end is added. */
export type Execute = (directive: Directive) => string;

/** A kind of scripts, and what runs them. */
export interface Environment {
  /** Also the name of the folder with the scripts of this kind. */
  readonly name: string;
  readonly commands: readonly string[];
  /** A fresh state, for one script. */
  start(): Execute;
}

interface Step {
  /** The text up to and including the first `----`. */
  readonly head: string;
  readonly directive: Directive;
  readonly expected: string;
}

export interface Script {
  readonly steps: readonly Step[];
  /** What follows the last output. */
  readonly tail: string;
}

/** A command whose output was another. */
export interface Difference {
  readonly directive: Directive;
  readonly expected: string;
  readonly actual: string;
}

export interface Run {
  /** The script's text with the outputs that there were: equal to the original if all went as it says. */
  readonly text: string;
  readonly differences: readonly Difference[];
}

const SEPARATOR = "----";

/** @throws Error with file and line where the text is not in the format. */
export function parseScript(name: string, text: string): Script {
  const lines = text.split(/(?<=\n)/);
  const steps: Step[] = [];
  let at = 0;
  const peek = (): string | undefined => lines[at]?.replace(/\n$/, "");

  let head = "";
  const take = (): string => {
    const line = lines[at++] ?? "";
    head += line;
    return line.trim();
  };

  while (at < lines.length) {
    const position = `${name}:${at + 1}`;
    let line = take();
    if (line === "" || line.startsWith("#")) continue;
    while (line.endsWith("\\") && at < lines.length) line = `${line.slice(0, -1)} ${take()}`;
    const [command = "", ...rest] = line.split(" ");
    const args = parseArgs(rest.join(" "), position);
    const input: string[] = [];
    while (peek() !== SEPARATOR) {
      if (peek() === undefined) throw new Error(`${position}: no ${SEPARATOR} follows ${command}`);
      input.push(take());
    }
    take();
    const [expected, end] = readOutput(lines, at, position);
    at = end;
    steps.push({ head, directive: { position, command, args, input: input.join("\n").trim() }, expected });
    head = "";
  }
  return { steps, tail: head };
}

/** The output that begins at line `from`, and the line after it. */
function readOutput(lines: readonly string[], from: number, position: string): [output: string, end: number] {
  const is = (at: number): boolean => lines[at]?.replace(/\n$/, "") === SEPARATOR;
  let end = from;
  if (!is(from)) {
    while (end < lines.length && lines[end]?.trim() !== "") end++;
    return [lines.slice(from, end).join(""), end];
  }
  while (!(is(end + 1) && is(end + 2))) {
    if (end >= lines.length)
      throw new Error(`${position}: output is not closed by two lines of ${SEPARATOR}`);
    end++;
  }
  return [lines.slice(from + 1, end + 1).join(""), end + 3];
}

function parseArgs(text: string, position: string): Arg[] {
  const args: Arg[] = [];
  let rest = text.trim();
  while (rest !== "") {
    const [start, key = "", equals] = /^([^ =]+)(=?)/.exec(rest) ?? [];
    if (start === undefined) throw new Error(`${position}: an argument has no name: ${rest}`);
    rest = rest.slice(start.length);
    if (equals === "") {
      args.push({ key, values: [] });
    } else if (rest.startsWith("(")) {
      const values = splitList(rest, position);
      args.push({ key, values: values.map((value) => value.trim()) });
      rest = rest.slice(values.join(",").length + 2);
    } else {
      const [value = ""] = rest.split(" ", 1);
      args.push({ key, values: [value] });
      rest = rest.slice(value.length);
    }
    rest = rest.trim();
  }
  return args;
}

/** The parts of the list in parentheses that `text` begins with; a part may itself have commas in parentheses. */
function splitList(text: string, position: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let from = 1;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (c === "(") depth++;
    if (c === ")") depth--;
    if (depth === 0 || (depth === 1 && c === ",")) {
      parts.push(text.slice(from, i));
      from = i + 1;
    }
    if (depth === 0) return parts;
  }
  throw new Error(`${position}: a parenthesis is not closed: ${text}`);
}

/** The one value of an argument, or undefined where it is absent. */
export function valueOf(directive: Directive, key: string): string | undefined {
  const arg = directive.args.find((each) => each.key === key);
  if (arg === undefined) return undefined;
  if (arg.values.length !== 1) throw new Error(`${directive.position}: ${key} takes one value`);
  return arg.values[0];
}

/**
 * Runs a script in the environment that knows its first command.
 * @throws Error with file and line, where a command is unknown or fails.
 */
export function runScript(name: string, text: string, environments: readonly Environment[]): Run {
  const script = parseScript(name, text);
  const first = script.steps[0]?.directive;
  if (first === undefined) throw new Error(`${name}: no command in it`);
  const environment = environments.find((each) => each.commands.includes(first.command));
  if (environment === undefined) throw new Error(`${first.position}: unknown command ${first.command}`);
  const execute = environment.start();
  const differences: Difference[] = [];
  let ran = "";
  for (const { head, directive, expected } of script.steps) {
    const actual = closed(executed(execute, directive));
    if (actual !== expected) differences.push({ directive, expected, actual });
    ran += head + rendered(actual);
  }
  return { text: ran + script.tail, differences };
}

function executed(execute: Execute, directive: Directive): string {
  try {
    return execute(directive);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`${directive.position}: ${directive.command}: ${reason}`, { cause: error });
  }
}

const closed = (output: string): string => (output === "" || output.endsWith("\n") ? output : `${output}\n`);

function rendered(output: string): string {
  const hasBlankLine = /^\s*$/m.test(output.slice(0, -1)) && output !== "";
  if (!hasBlankLine) return output;
  return `${SEPARATOR}\n${output}${SEPARATOR}\n${SEPARATOR}\n`;
}
