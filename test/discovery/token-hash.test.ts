import { expect, test } from "vitest";
import type { Token } from "../../src/discovery/cluster.ts";
import { tokenHash } from "../../src/discovery/token-hash.ts";
import { TOKEN } from "./make.ts";

test("a token's hash is short, always the same, and shows nothing of it", () => {
  expect(tokenHash(TOKEN)).toMatch(/^[0-9a-f]{12}$/);
  expect(tokenHash(TOKEN)).toBe(tokenHash(TOKEN));
  expect(tokenHash(`${TOKEN}0` as Token)).not.toBe(tokenHash(TOKEN));
  expect(TOKEN).not.toContain(tokenHash(TOKEN).slice(0, 4));
});
