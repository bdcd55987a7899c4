/** For what outsiders can make happen as often as they like: a line a second at most, with the number of times. */
import type { LogFields } from "./logger.ts";

const INTERVAL_MS = 1_000;

/** @returns the same function, which writes one of the lines of a second, with `times` for all of them. @param clock Milliseconds. */
export function throttledLog(
  write: (msg: string, fields: LogFields) => void,
  clock: () => number = () => performance.now(),
): (msg: string, fields?: LogFields) => void {
  let writtenAt = Number.NEGATIVE_INFINITY;
  let times = 0;
  return (msg, fields) => {
    times++;
    const now = clock();
    if (now - writtenAt < INTERVAL_MS) return;
    write(msg, { ...fields, times });
    writtenAt = now;
    times = 0;
  };
}
