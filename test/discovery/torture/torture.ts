/** Kills the service under load, again and again, and holds every answer against all earlier ones. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { actOnce, Nodes, Waiter } from "./clients.ts";
import { Ledger, must } from "./ledger.ts";
import { seededRandom } from "./random.ts";
import { Died, type ServiceUnderTest, type Start } from "./service-under-test.ts";

export interface TortureOptions {
  readonly start: Start;
  readonly seed: number;
  /** Kills. */
  readonly rounds: number;
  readonly onRound?: (round: number, ledger: Ledger) => void;
}

export interface TortureSummary {
  readonly kills: number;
  readonly tokens: number;
  readonly registrations: number;
  readonly waiters: number;
}

/** Clients that act at once. */
const CLIENTS = 16;
/** The latest moment of a kill, in milliseconds after the service was ready. */
const KILL_WITHIN_MS = 250;
/** Tokens of earlier rounds looked at after each restart; all of them are looked at in the end. */
const LOOKED_BACK = 40;
/** Waiters of complete clusters are waiting for nothing; a slow machine needs a moment to tell them. */
const WAITERS_END_WITHIN_MS = 30_000;
/** One in so many rounds kills the service while it is starting. */
const KILL_AT_START = 8;

/** @throws Error with the seed and the round, and what was not true. */
export async function torture({ start, seed, rounds, onRound }: TortureOptions): Promise<TortureSummary> {
  const random = seededRandom(seed);
  const [ledger, nodes] = [new Ledger(), new Nodes()];
  const waiters: Waiter[] = [];
  const folder = await mkdtemp(join(tmpdir(), "quorate-torture-"));
  let round = 0;
  let running: ReturnType<Start> | undefined;
  try {
    for (; round < rounds; round++) {
      running = start(folder);
      if (random.below(KILL_AT_START) === 0) {
        const early = untilDeath(running.ready);
        await delay(random.below(KILL_WITHIN_MS));
        await running.kill();
        await early;
        continue;
      }
      const service = await running.ready;
      await lookBack(service, ledger, ledger.tokens.slice(-LOOKED_BACK));
      const load = Array.from({ length: CLIENTS }, async () => {
        for (;;) await actOnce(service, ledger, random, nodes);
      });
      const following = waiters.filter(({ complete }) => !complete).map((waiter) => waiter.follow(service));
      const ended = Promise.all([...load, ...following].map((work) => untilDeath(work)));
      // Whoever finds something wrong ends the run at once.
      await Promise.race([delay(random.below(KILL_WITHIN_MS)), ended]);
      await service.kill();
      await ended;
      for (const token of ledger.tokens.slice(-2)) waiters.push(new Waiter(token, ledger.sizeOf(token)));
      onRound?.(round, ledger);
    }
    running = start(folder);
    const service = await running.ready;
    await lookBack(service, ledger, ledger.tokens);
    await completeAll(service, ledger, nodes, waiters);
    return {
      kills: rounds,
      tokens: ledger.tokens.length,
      registrations: ledger.registrations,
      waiters: waiters.length,
    };
  } catch (error) {
    throw new Error(
      `torture failed at round ${round}, seed ${seed}: ${error instanceof Error ? error.message : String(error)}`,
      { cause: error },
    );
  } finally {
    // One that has ended by itself was reported already.
    await running?.kill().catch(() => {});
    await rm(folder, { recursive: true, force: true });
  }
}

/** Right after a restart: nothing acknowledged is missing, no index has gone back. */
async function lookBack(service: ServiceUnderTest, ledger: Ledger, tokens: readonly string[]): Promise<void> {
  const listings = await Promise.all(tokens.map((token) => ledger.verify(service, token)));
  for (const listing of listings) ledger.restarted(listing);
}

async function untilDeath(work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!(error instanceof Died)) throw error;
  }
}

/** Fills the clusters that somebody waits for, and checks that every waiter has counted every member. */
async function completeAll(
  service: ServiceUnderTest,
  ledger: Ledger,
  nodes: Nodes,
  waiters: readonly Waiter[],
): Promise<void> {
  const following = waiters.map((waiter) => waiter.follow(service));
  for (const token of new Set(waiters.map((waiter) => waiter.token))) {
    let listing = await ledger.verify(service, token);
    while (listing.members.length < listing.size) {
      const { id, value } = nodes.next();
      const createdIndex = await service.register(token, id, value);
      if (createdIndex !== undefined) ledger.registered(token, id, createdIndex);
      listing = await ledger.verify(service, token);
    }
  }
  const late = delay(WAITERS_END_WITHIN_MS, "late" as const, { ref: false });
  must(
    (await Promise.race([Promise.all(following), late])) !== "late",
    "a waiter waits for members that are all there",
  );
  for (const waiter of waiters) {
    const { members } = await ledger.verify(service, waiter.token);
    waiter.check(members.map(({ id }) => id));
  }
}
