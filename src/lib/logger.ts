/**
 * The one logger: JSON lines on standard error with etcd's field names (`level`, `ts`, `caller`, `msg`), so that
 * log pipelines and probes written for etcd read quorate's too. Source: etcd `server/embed/config_logging.go`.
 */

export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];
export type LogFields = Readonly<Record<string, unknown>>;

export interface Logger {
  debug(msg: string, fields?: LogFields): void;
  info(msg: string, fields?: LogFields): void;
  warn(msg: string, fields?: LogFields): void;
  error(msg: string, fields?: LogFields): void;
  /** The same log under another `caller`: the `folder/file` that speaks, as etcd's lines name theirs. */
  named(caller: string): Logger;
}

/** `2006-01-02T15:04:05.000Z`, the timestamp layout of etcd's zap encoder in UTC. */
function line(level: LogLevel, caller: string, msg: string, fields: LogFields | undefined): string {
  return `${JSON.stringify({ level, ts: new Date().toISOString(), caller, msg, ...fields }, jsonSafe)}\n`;
}

/** Errors become their message and bigints their digits: JSON.stringify alone would lose the one and throw on the other. */
function jsonSafe(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") return value.toString();
  return value instanceof Error ? value.message : value;
}

/** @param write Takes whole lines, each with its newline. */
export function createLogger(
  minimum: LogLevel = "info",
  write: (line: string) => void = (text) => process.stderr.write(text),
): Logger {
  const threshold = LOG_LEVELS.indexOf(minimum);
  const named = (caller: string): Logger => {
    const at =
      (level: LogLevel) =>
      (msg: string, fields?: LogFields): void => {
        if (LOG_LEVELS.indexOf(level) >= threshold) write(line(level, caller, msg, fields));
      };
    return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error"), named };
  };
  return named("quorate");
}

/** A log that keeps nothing, for tests. */
export const silentLogger: Logger = createLogger("error", () => {});
