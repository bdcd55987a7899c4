import { describe, expect, test } from "vitest";
import { formatComparison, formatNumber, ratioOf } from "../../bench/report.ts";
import { alternate, medianOf, quantileOf, sampleOf } from "../../bench/rounds.ts";

describe("rounds", () => {
  test("contenders are measured in turn, so that noise hits them alike", async () => {
    const order: string[] = [];
    const measured = await alternate(["ours", "peer"], 2, (name, round) => {
      order.push(`${name} ${round}`);
      return Promise.resolve(order.length);
    });
    expect(order).toEqual(["ours 0", "peer 0", "ours 1", "peer 1"]);
    expect(measured).toEqual([
      [1, 3],
      [2, 4],
    ]);
  });

  test("the median counts, and the extremes are kept", () => {
    const sample = sampleOf([{ value: 9, cpuMicros: 3 }, { value: 1, cpuMicros: 5 }, { value: 4 }]);
    expect(sample).toEqual({ median: 4, low: 1, high: 9, cpuMicros: 4 });
    expect(medianOf([1, 2, 3, 10])).toBe(2.5);
    expect(quantileOf([5, 1, 4, 2, 3], 0.99)).toBe(5);
  });
});

describe("report", () => {
  test("a ratio above one is ours being better, whichever way the unit goes", () => {
    expect(ratioOf(200, 100, "more")).toBe(2);
    expect(ratioOf(100, 200, "less")).toBe(2);
  });

  test("numbers show three figures that matter", () => {
    expect([26_904, 123.4, 12.34, 0.294].map(formatNumber)).toEqual(["26,904", "123", "12.3", "0.29"]);
  });

  test("a comparison says against whom, how much, and whether that is enough", () => {
    const sample = (value: number) => sampleOf([{ value, cpuMicros: 1e6 / value }]);
    const text = formatComparison({
      title: "/new",
      unit: "tokens/s",
      better: "more",
      lines: [
        { server: "quorate", sample: sample(1000) },
        { server: "slow", sample: sample(100), aim: 5 },
        { server: "fast", sample: sample(800), aim: 5 },
        { server: "yardstick", sample: sample(2000) },
      ],
    });
    expect(text.split("\n").map((line) => line.replaceAll(/ {2,}/g, "  "))).toEqual([
      "/new (more is better)",
      "  tokens/s  rounds  CPU/answer  ours is",
      "quorate  1,000  1,000..1,000  1,000 µs",
      "slow  100  100..100  10,000 µs  10.00x  aim 5x: reached",
      "fast  800  800..800  1,250 µs  1.25x  aim 5x: not reached",
      "yardstick  2,000  2,000..2,000  500 µs  0.50x",
    ]);
  });
});
