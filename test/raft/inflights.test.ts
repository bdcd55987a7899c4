import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { InvariantError } from "../../src/lib/errors.ts";
import { Inflights } from "../../src/raft/inflights.ts";

describe("a window of messages", () => {
  test("is full with as many as it may hold, and one acknowledgement frees all that came before it", () => {
    const window = new Inflights(3, 0);
    window.add(5, 10);
    window.add(7, 20);
    expect(window.isFull()).toBe(false);
    window.add(9, 30);
    expect([window.isFull(), window.count, window.bytes]).toEqual([true, 3, 60]);
    window.freeUpTo(8);
    expect([window.isFull(), window.count, window.bytes]).toEqual([false, 1, 30]);
    window.freeUpTo(9);
    expect([window.count, window.bytes]).toEqual([0, 0]);
  });

  test("an acknowledgement from before the window frees nothing", () => {
    const window = new Inflights(2, 0);
    window.add(5, 1);
    window.freeUpTo(4);
    expect(window.count).toBe(1);
  });

  test("one message may pass the bound of bytes, and is then the last", () => {
    const window = new Inflights(10, 100);
    window.add(1, 99);
    expect(window.isFull()).toBe(false);
    window.add(2, 1000);
    expect(window.isFull()).toBe(true);
    window.freeUpTo(1);
    expect(window.isFull()).toBe(true);
    window.freeUpTo(2);
    expect(window.isFull()).toBe(false);
  });

  test("grows also when its oldest message is not at the beginning of the ring", () => {
    const window = new Inflights(8, 0);
    for (const index of [1, 2]) window.add(index, index);
    window.freeUpTo(1);
    for (const index of [3, 4, 5]) window.add(index, index);
    window.freeUpTo(2);
    expect([window.count, window.bytes]).toEqual([3, 12]);
  });

  test("reset forgets all that was under way", () => {
    const window = new Inflights(1, 5);
    window.add(1, 10);
    window.reset();
    expect([window.isFull(), window.count, window.bytes]).toEqual([false, 0, 0]);
  });

  test("a message more than it may hold is our own bug, and so is a window of none", () => {
    const window = new Inflights(1, 0);
    window.add(1, 1);
    expect(() => window.add(2, 1)).toThrow(InvariantError);
    expect(() => new Inflights(0, 0)).toThrow(InvariantError);
    expect(() => new Inflights(1, -1)).toThrow(InvariantError);
  });
});

test("however it grows and turns, it holds what a plain list holds", () => {
  const command = fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({ add: fc.integer({ min: 1, max: 3 }), bytes: fc.integer({ min: 0, max: 50 }) }),
    },
    { weight: 1, arbitrary: fc.record({ free: fc.integer({ min: -1, max: 6 }) }) },
  );
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 11 }),
      fc.constantFrom(0, 120),
      fc.array(command, { maxLength: 80 }),
      (size, maxBytes, commands) => {
        const window = new Inflights(size, maxBytes);
        let model: { index: number; bytes: number }[] = [];
        let last = 0;
        for (const each of commands) {
          if ("free" in each) {
            const upTo = (model[0]?.index ?? last) + each.free;
            window.freeUpTo(upTo);
            model = model.filter(({ index }) => index > upTo);
          } else if (!window.isFull()) {
            last += each.add;
            window.add(last, each.bytes);
            model.push({ index: last, bytes: each.bytes });
          }
          const bytes = model.reduce((sum, message) => sum + message.bytes, 0);
          expect([window.count, window.bytes]).toEqual([model.length, bytes]);
          expect(window.isFull()).toBe(model.length === size || (maxBytes > 0 && bytes >= maxBytes));
        }
      },
    ),
  );
});
