/**
 * The one place that reads command-line flags and environment variables.
 *
 * A command declares its flags as a table; `parseFlags` turns argv and the environment into one typed object.
 * Syntax is etcd's (Go's `flag` package): `-name value`, `--name value`, `--name=value`, booleans alone or with
 * `=true|false`, `--` ends the flags. A flag on the command line wins over its variable, which wins over the default.
 * An empty variable is as if unset, for the sake of `X=${Y}` in somebody's unit file, unless empty means "none".
 */
import { UsageError } from "../lib/errors.ts";

/** How one flag is read, and how it is shown by `--help`. */
export interface Flag<T> {
  /** Turns the text given by a person into a value. @throws Error whose message says what is expected. */
  readonly parse: (text: string) => T;
  /** The value when nobody gave one. */
  readonly fallback: T;
  /** The default as `--help` shows it; empty for none. */
  readonly shown: string;
  /** The kind of value, in capitals, as `--help` shows it; empty for a boolean. */
  readonly placeholder: string;
  /** What it does, in a sentence without a period. */
  readonly help: string;
  /** A list flag may be given several times, and holds several values split at commas. */
  readonly many: boolean;
  /** Empty is a value of its own, so that a variable that is set but empty counts, too; else it is as if unset. */
  readonly emptyCounts?: boolean;
}

/** Name (without dashes) to flag. */
export type FlagTable = Readonly<Record<string, Flag<unknown>>>;

/** Heading to flags, in the order `--help` prints them. */
export type FlagGroups = Readonly<Record<string, FlagTable>>;

type CamelCase<S extends string> = S extends `${infer Head}-${infer Tail}`
  ? `${Head}${Capitalize<CamelCase<Tail>>}`
  : S;
type UnionToIntersection<U> = (U extends unknown ? (k: U) => void : never) extends (k: infer I) => void
  ? I
  : never;
type TableValues<T> = {
  readonly [K in keyof T as CamelCase<K & string>]: T[K] extends Flag<infer V> ? V : never;
};

/** `{ "max-size": Flag<number> }` in any group becomes `{ maxSize: number }`. */
export type FlagValues<G extends FlagGroups> = UnionToIntersection<
  { [K in keyof G]: TableValues<G[K]> }[keyof G]
>;

export interface Parsed<G extends FlagGroups> {
  readonly values: FlagValues<G>;
  /** Names of the flags that were given, on the command line or as a variable. */
  readonly given: ReadonlySet<string>;
  /** Arguments that are not flags. */
  readonly rest: readonly string[];
  /** True when `--help` or `-h` was among the arguments; nothing else was checked then. */
  readonly help: boolean;
}

// ---- kinds of flags

export function text(help: string, fallback = "", placeholder = "TEXT"): Flag<string> {
  return { parse: (given) => given, fallback, shown: fallback, placeholder, help, many: false };
}

/** A list: commas separate values, and the flag may be repeated. `check` is applied to each value. */
export function list<T = string>(
  help: string,
  options: {
    fallback?: readonly string[];
    placeholder?: string;
    each?: (value: string) => T;
    emptyCounts?: boolean;
  } = {},
): Flag<readonly T[]> {
  const each = options.each ?? ((value: string) => value as T);
  const parse = (given: string): T[] =>
    given
      .split(",")
      .map((value) => value.trim())
      .filter((value) => value !== "")
      .map(each);
  const fallback = (options.fallback ?? []).join(",");
  return {
    parse,
    fallback: parse(fallback),
    shown: fallback,
    placeholder: options.placeholder ?? "LIST",
    help,
    many: true,
    emptyCounts: options.emptyCounts ?? false,
  };
}

export function boolean(help: string, fallback = false): Flag<boolean> {
  const parse = (given: string): boolean => {
    if (["true", "1", "t", "TRUE", "True", "T"].includes(given)) return true;
    if (["false", "0", "f", "FALSE", "False", "F"].includes(given)) return false;
    throw new Error("expected true or false");
  };
  return { parse, fallback, shown: fallback ? "true" : "", placeholder: "", help, many: false };
}

/** A whole number in `min..max`. */
export function integer(help: string, fallback: number, min: number, max: number): Flag<number> {
  const parse = (given: string): number => {
    const value = /^[+-]?\d{1,16}$/.test(given) ? Number(given) : Number.NaN;
    if (!(value >= min && value <= max)) throw new Error(`expected a whole number from ${min} to ${max}`);
    return value;
  };
  return { parse, fallback, shown: String(fallback), placeholder: "N", help, many: false };
}

const DURATION_UNITS_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** A length of time such as `90s`, `5m`, `1h30m`, `7d`; the value is in milliseconds. */
export function duration(help: string, fallback: string, minMs: number, maxMs: number): Flag<number> {
  const parse = (given: string): number => {
    const parts = [...given.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)];
    const whole = parts.map((part) => part[0]).join("");
    const total = parts.reduce(
      (sum, [, amount, unit]) => sum + Number(amount) * (DURATION_UNITS_MS[unit ?? ""] ?? 0),
      0,
    );
    if (whole !== given || given === "") throw new Error("expected a duration such as 90s, 5m or 168h");
    if (total < minMs || total > maxMs) {
      throw new Error(`expected a duration from ${formatDuration(minMs)} to ${formatDuration(maxMs)}`);
    }
    return total;
  };
  return { parse, fallback: parse(fallback), shown: fallback, placeholder: "DURATION", help, many: false };
}

/** `5400000` as `1h30m`. */
export function formatDuration(ms: number): string {
  if (ms === 0) return "0s";
  let left = ms;
  let out = "";
  for (const unit of ["h", "m", "s", "ms"]) {
    const size = DURATION_UNITS_MS[unit] ?? 1;
    const amount = Math.floor(left / size);
    if (amount > 0) out += `${amount}${unit}`;
    left -= amount * size;
  }
  return out;
}

/** One of a few words. */
export function choice<const T extends string>(help: string, options: readonly T[], fallback: T): Flag<T> {
  const parse = (given: string): T => {
    const found = options.find((option) => option === given);
    if (found === undefined) throw new Error(`expected ${options.join(" or ")}`);
    return found;
  };
  return { parse, fallback, shown: fallback, placeholder: options.join("|"), help, many: false };
}

// ---- reading

/** `max-size` as `QUORATE_MAX_SIZE`. */
export function variableName(flag: string, prefix: string): string {
  return prefix + flag.toUpperCase().replaceAll("-", "_");
}

function camelCase(flag: string): string {
  return flag.replaceAll(/-([a-z0-9])/g, (_match, letter: string) => letter.toUpperCase());
}

/**
 * Reads `argv` (without node and script) and the environment.
 * @param prefix Of the variables: `QUORATE_`, or `ETCD_` for the node.
 * @throws UsageError naming the flag or variable, the value, and what was expected.
 */
export function parseFlags<G extends FlagGroups>(
  groups: G,
  argv: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
  prefix = "QUORATE_",
): Parsed<G> {
  const flags = new Map(Object.values(groups).flatMap((table) => Object.entries(table)));
  const collected = new Map<string, { source: string; texts: string[] }>();
  const rest: string[] = [];
  let help = false;

  for (let at = 0; at < argv.length; at++) {
    const argument = argv[at] ?? "";
    if (argument === "--") {
      rest.push(...argv.slice(at + 1));
      break;
    }
    const match = /^--?([A-Za-z0-9][^=]*)(?:=(.*))?$/s.exec(argument);
    if (match === null) {
      rest.push(argument);
      continue;
    }
    const name = match[1] ?? "";
    if (name === "help" || name === "h") {
      help = true;
      continue;
    }
    const flag = flags.get(name);
    if (flag === undefined) {
      if (help) continue;
      throw new UsageError(
        `unknown flag --${name}${suggestion("--", name, flags.keys())}; --help lists the flags`,
      );
    }
    let value = match[2];
    if (value === undefined && flag.placeholder === "") value = "true";
    if (value === undefined) {
      at++;
      value = argv[at];
      if (value === undefined)
        throw new UsageError(`--${name} needs a value (${flag.placeholder}): ${flag.help}`);
    }
    const before = collected.get(name);
    // A repeated list grows; of any other repeated flag the last one counts, as in Go's flag package.
    collected.set(name, {
      source: `--${name}`,
      texts: before && flag.many ? [...before.texts, value] : [value],
    });
  }

  if (!help) {
    for (const [name, flag] of flags) {
      const variable = variableName(name, prefix);
      const value = environment[variable];
      const isSet = value !== undefined && (value !== "" || flag.emptyCounts === true);
      if (isSet && !collected.has(name)) {
        collected.set(name, { source: variable, texts: [value] });
      }
    }
  }

  const values: Record<string, unknown> = {};
  for (const [name, flag] of flags) {
    const got = help ? undefined : collected.get(name);
    values[camelCase(name)] =
      got === undefined ? flag.fallback : parseOne(flag, got.source, got.texts.join(","));
  }
  return { values: values as FlagValues<G>, given: new Set(collected.keys()), rest, help };
}

function parseOne(flag: Flag<unknown>, source: string, value: string): unknown {
  try {
    return flag.parse(value);
  } catch (error) {
    const expected = error instanceof Error ? error.message : String(error);
    throw new UsageError(`bad value ${JSON.stringify(value)} for ${source}: ${expected}`, { cause: error });
  }
}

/** `; did you mean --max-size?` where one name is close to what was typed. */
export function suggestion(prefix: string, name: string, known: Iterable<string>): string {
  let best = "";
  let bestDistance = 3;
  for (const candidate of known) {
    const distance = editDistance(name, candidate);
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best === "" ? "" : `; did you mean ${prefix}${best}?`;
}

/** Levenshtein distance of two short names. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_value, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitute = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min((previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, substitute));
    }
    previous = row;
  }
  return previous[b.length] ?? 0;
}

// ---- help

const HELP_WIDTH = 100;

/** The flags by group, with defaults and variables, for `--help`. */
export function describeFlags(groups: FlagGroups, prefix = "QUORATE_"): string {
  const lines: string[] = [];
  for (const [title, table] of Object.entries(groups)) {
    lines.push("", `${title}:`);
    for (const [name, flag] of Object.entries(table)) {
      lines.push(`  --${name}${flag.placeholder === "" ? "" : ` ${flag.placeholder}`}`);
      const tail = [flag.shown === "" ? "" : `default ${flag.shown}`, variableName(name, prefix)].filter(
        (part) => part !== "",
      );
      lines.push(
        ...wrap(`${flag.help} (${tail.join("; ")})`, HELP_WIDTH - 8).map((part) => `        ${part}`),
      );
    }
  }
  return lines.slice(1).join("\n");
}

function wrap(sentence: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of sentence.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}
