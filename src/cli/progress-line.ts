/**
 * Tells a person on standard error how a wait is going: one line that is rewritten on a terminal, and otherwise (in a
 * journal, a pipe) a line only when something changed.
 */

export interface ProgressLine {
  /** What is so until the next call. */
  show(text: string): void;
  /** Something that happened: stays on the screen. */
  note(text: string): void;
  /** Takes the line away; what follows begins on a clean one. */
  end(): void;
}

export interface ProgressStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

const ERASE_LINE = "\r\u001b[K";
const TICK_MS = 1000;
const COLUMNS = 80;

/** @param now Milliseconds that only grow: a terminal's line shows for how long it has been so. */
export function createProgressLine(stream: ProgressStream, now: () => number): ProgressLine {
  if (stream.isTTY !== true) {
    let last = "";
    return {
      show(text) {
        if (text !== last) stream.write(`quorate: ${text}\n`);
        last = text;
      },
      note(text) {
        stream.write(`quorate: ${text}\n`);
      },
      end() {},
    };
  }
  let shown = "";
  let since = now();
  const draw = (): void => {
    if (shown === "") return;
    const seconds = Math.floor((now() - since) / TICK_MS);
    // A line that wraps could not be rewritten.
    const line = `quorate: ${shown}${seconds > 0 ? ` (${seconds}s)` : ""}`.slice(
      0,
      (stream.columns ?? COLUMNS) - 1,
    );
    stream.write(`${ERASE_LINE}${line}`);
  };
  const timer = setInterval(draw, TICK_MS);
  return {
    show(text) {
      if (text !== shown) since = now();
      shown = text;
      draw();
    },
    note(text) {
      stream.write(`${ERASE_LINE}quorate: ${text}\n`);
      draw();
    },
    end() {
      clearInterval(timer);
      if (shown !== "") stream.write(ERASE_LINE);
    },
  };
}
