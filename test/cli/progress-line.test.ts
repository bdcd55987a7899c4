import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createProgressLine } from "../../src/cli/progress-line.ts";

const ERASE = "\r\u001b[K";
let written = "";
const write = (text: string): void => {
  written += text;
};

beforeEach(() => {
  written = "";
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test("without a terminal: whole lines, and only what changed", () => {
  const line = createProgressLine({ write }, () => 0);
  line.show("1 of 3");
  line.show("1 of 3");
  line.note("connection refused");
  line.show("2 of 3");
  vi.advanceTimersByTime(60_000);
  line.end();
  expect(written).toBe("quorate: 1 of 3\nquorate: connection refused\nquorate: 2 of 3\n");
});

describe("on a terminal", () => {
  const terminal = { isTTY: true, columns: 30, write };

  test("one line is rewritten, shows for how long it has been so, and is taken away", () => {
    const line = createProgressLine(terminal, () => Date.now());
    line.show("1 of 3");
    vi.advanceTimersByTime(2000);
    line.show("2 of 3");
    line.end();
    vi.advanceTimersByTime(5000);
    expect(written).toBe(
      `${ERASE}quorate: 1 of 3${ERASE}quorate: 1 of 3 (1s)${ERASE}quorate: 1 of 3 (2s)${ERASE}quorate: 2 of 3${ERASE}`,
    );
  });

  test("what happened stays above it", () => {
    const line = createProgressLine(terminal, () => Date.now());
    line.show("1 of 3");
    line.note("refused");
    line.end();
    expect(written).toBe(`${ERASE}quorate: 1 of 3${ERASE}quorate: refused\n${ERASE}quorate: 1 of 3${ERASE}`);
  });

  test("it never wraps", () => {
    const line = createProgressLine(terminal, () => Date.now());
    line.show("x".repeat(100));
    line.end();
    expect(written).toBe(`${ERASE}quorate: ${"x".repeat(20)}${ERASE}`);
  });
});
