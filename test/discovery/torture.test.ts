/** Killed with SIGKILL under load: nothing acknowledged is lost, nothing is given twice, no waiter misses a member. */
import { expect, test } from "vitest";
import { startDirect } from "./torture/direct.ts";
import { startOverHttp } from "./torture/over-http.ts";
import { torture } from "./torture/torture.ts";

/** Another one every day: a failure names its seed, and `QUORATE_TORTURE_SEED` replays it. */
const seed = Number(process.env["QUORATE_TORTURE_SEED"] ?? Math.floor(Date.now() / 86_400_000));
/** Kills in each of the two ways; `npm run torture` makes hundreds. */
const rounds = Number(process.env["QUORATE_TORTURE_ROUNDS"] ?? 20);
const TIMEOUT_MS = 60_000 + 5000 * rounds;

test.concurrent("the service itself", { timeout: TIMEOUT_MS }, async () => {
  const summary = await torture({ start: startDirect, seed, rounds });
  expect(summary.kills).toBe(rounds);
  expect(summary.registrations).toBeGreaterThan(rounds);
});

test.concurrent("over HTTP, as users run it", { timeout: TIMEOUT_MS }, async () => {
  const summary = await torture({ start: startOverHttp, seed: seed + 1, rounds });
  expect(summary.kills).toBe(rounds);
  expect(summary.registrations).toBeGreaterThan(rounds);
});
