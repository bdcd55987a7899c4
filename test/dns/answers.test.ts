import { describe, expect, test } from "vitest";
import { AnswerCache, createScopes, UNCHANGING } from "../../src/dns/answers.ts";
import type { Answer } from "../../src/dns/reply.ts";
import { query } from "./zone-text.ts";

const asked = (name: string, type = "A"): Buffer => query({ name, type });
/** An answer whose wire is its question and padding. */
const answerTo = (message: Buffer, padding = 0): Answer => {
  const wire = Buffer.concat([
    Buffer.from(message.toString("latin1").toLowerCase(), "latin1"),
    Buffer.alloc(padding),
  ]);
  return { wire, additionalAt: wire.length, serialAt: 0 };
};

function keep(cache: AnswerCache, message: Buffer, scope = UNCHANGING, denied = false): Answer {
  const answer = answerTo(message);
  cache.keep(answer, message.length, scope, cache.generation(scope), denied);
  return answer;
}

describe("an answer", () => {
  test("is found again in any case, for the same type and class only", () => {
    const cache = new AnswerCache(createScopes(1));
    const answer = keep(cache, asked("a.example.com"));
    expect(cache.find(asked("A.Example.COM"), 31)).toBe(answer);
    expect(cache.find(asked("a.example.com", "AAAA"), 31)).toBeUndefined();
    expect(cache.find(query({ name: "a.example.com", type: "A", class: 3 }), 31)).toBeUndefined();
    expect(cache.find(asked("b.example.com"), 31)).toBeUndefined();
    expect(cache.find(asked("aa.example.com"), 32)).toBeUndefined();
  });

  test("of type 65 is not that of type 97, though `A` is `a`", () => {
    const cache = new AnswerCache(createScopes(1));
    keep(cache, asked("x", "TYPE97"));
    expect(cache.find(asked("x", "TYPE65"), 19)).toBeUndefined();
  });

  test("is replaced by a later one", () => {
    const cache = new AnswerCache(createScopes(1));
    const message = asked("a");
    keep(cache, message);
    const second = keep(cache, message);
    expect(cache.find(message, message.length)).toBe(second);
    expect(cache.bytes).toBe(message.length);
  });

  test("that is too large is not kept", () => {
    const cache = new AnswerCache(createScopes(1));
    const message = asked("a");
    cache.keep(answerTo(message, 9000), message.length, UNCHANGING, 0, false);
    expect(cache.find(message, message.length)).toBeUndefined();
    expect(cache.bytes).toBe(0);
  });
});

describe("a change", () => {
  test("drops the answers of its scope and no others", () => {
    const cache = new AnswerCache(createScopes(1));
    const [mine, other] = [cache.scopeOf("mine"), cache.scopeOf("other")];
    const kept = keep(cache, asked("b"), other);
    keep(cache, asked("a"), mine);
    const still = keep(cache, asked("c"));
    cache.drop(mine);
    expect(cache.find(asked("a"), 19)).toBeUndefined();
    expect(cache.find(asked("b"), 19)).toBe(kept);
    expect(cache.find(asked("c"), 19)).toBe(still);
  });

  test("also drops an answer that was being computed from what was before it", () => {
    const cache = new AnswerCache(createScopes(1));
    const scope = cache.scopeOf("mine");
    const before = cache.generation(scope);
    cache.drop(scope);
    cache.keep(answerTo(asked("a")), 19, scope, before, false);
    expect(cache.find(asked("a"), 19)).toBeUndefined();
  });

  test("never touches what no cluster has a part in", () => {
    const cache = new AnswerCache(createScopes(1));
    for (let i = 0; i < 100_000; i++) expect(cache.scopeOf(`t${i}`)).not.toBe(UNCHANGING);
  });
});

describe("memory", () => {
  test("is bounded in bytes", () => {
    const cache = new AnswerCache(createScopes(1), { places: 1024, bytesMax: 4000 });
    for (let i = 0; i < 5000; i++) keep(cache, asked(`n${i}`));
    expect(cache.bytes).toBeLessThanOrEqual(4000);
    expect(cache.bytes).toBeGreaterThan(3000);
  });

  test("is bounded in entries", () => {
    const cache = new AnswerCache(createScopes(1), { places: 64, bytesMax: 1e9 });
    for (let i = 0; i < 5000; i++) keep(cache, asked(`n${10_000 + i}`));
    const size = asked("n10000").length;
    expect(cache.bytes).toBeLessThanOrEqual(64 * size);
    expect(cache.find(asked("n14999"), size)).toBeDefined();
  });

  test("a flood of names that do not exist leaves the answers of those that do", () => {
    const cache = new AnswerCache(createScopes(1), { places: 64, bytesMax: 1e9 });
    const mine = Array.from({ length: 8 }, (_value, i) => asked(`c${i}`));
    const kept = mine.map((message) => keep(cache, message));
    for (let i = 0; i < 10_000; i++) keep(cache, asked(`n${i}`), UNCHANGING, true);
    expect(mine.map((message) => cache.find(message, message.length))).toEqual(kept);
  });

  test("worthless entries are overwritten first", () => {
    const cache = new AnswerCache(createScopes(1), { places: 8, bytesMax: 1e9 });
    const scope = cache.scopeOf("mine");
    for (let i = 0; i < 7; i++) keep(cache, asked(`a${i}`), i === 3 ? scope : UNCHANGING);
    cache.drop(scope);
    keep(cache, asked("b0"));
    const left = Array.from({ length: 7 }, (_value, i) => cache.find(asked(`a${i}`), 20) !== undefined);
    expect(left).toEqual([true, true, true, false, true, true, true]);
  });
});
