/** What a command prints: its own words, and the log lines of the cores, from a level on. */
import type { RaftLogger } from "../../../src/raft/raft-logger.ts";

const LEVELS = ["DEBUG", "INFO", "WARN", "ERROR", "FATAL", "NONE"] as const;
type Level = (typeof LEVELS)[number];

export class Output {
  private text = "";
  private level: Level = "DEBUG";

  readonly logger: RaftLogger = {
    debug: (text) => this.log("DEBUG", text),
    info: (text) => this.log("INFO", text),
    warn: (text) => this.log("WARN", text),
    error: (text) => this.log("ERROR", text),
  };

  /** At level NONE nothing is printed, except what went wrong. */
  get isQuiet(): boolean {
    return this.level === "NONE";
  }

  write(text: string): void {
    if (!this.isQuiet) this.text += text;
  }

  line(text: string): void {
    this.write(`${text}\n`);
  }

  /** What was printed since the last time. */
  take(): string {
    const { text } = this;
    this.text = "";
    return text;
  }

  /** Prints what `act` prints two places to the right. */
  indented(act: () => void): void {
    const before = this.text;
    this.text = "";
    try {
      act();
    } finally {
      const lines = this.text.split("\n");
      if (lines.at(-1) === "") lines.pop();
      this.text = before + lines.map((line) => `  ${line}\n`).join("");
    }
  }

  /** @returns The level there was. */
  setLevel(name: string): string {
    const level = LEVELS.find((each) => each === name.toUpperCase());
    if (level === undefined) throw new Error(`log levels must be either of [${LEVELS.join(" ")}]`);
    const before = this.level;
    this.level = level;
    return before;
  }

  private log(level: Level, text: () => string): void {
    if (LEVELS.indexOf(this.level) <= LEVELS.indexOf(level)) this.line(`${level} ${text()}`);
  }
}
