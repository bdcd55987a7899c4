/** `/health`: whether a registration could be stored now. Cheap to ask: no token is made, and the answer is kept. */
import type { Discovery } from "../discovery.ts";

/** One answer serves every probe of this long. */
const HEALTH_KEPT_MS = 1000;

/** @returns undefined when healthy, else the reason. */
export type HealthCheck = () => Promise<string | undefined>;

export function createHealthCheck(
  discovery: Discovery,
  now: () => number = () => performance.now(),
): HealthCheck {
  let kept: Promise<string | undefined> | undefined;
  let keptUntil = 0;
  return () => {
    if (kept === undefined || now() >= keptUntil) {
      keptUntil = now() + HEALTH_KEPT_MS;
      kept = discovery.checkWritable().then(
        () => undefined,
        (error: unknown) => (error instanceof Error ? error.message : String(error)),
      );
    }
    return kept;
  };
}
