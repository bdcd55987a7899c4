const SIGNALS = ["SIGTERM", "SIGINT"] as const;

/** Sooner than this, a second signal is the first one again; nobody presses Ctrl-C twice as fast. */
const ECHO_MS = 500;

/**
 * Waits for SIGTERM or SIGINT, the order to stop in good order.
 *
 * A terminal sends Ctrl-C to every process of its group, and `npm start` passes its own on: the same order arrives
 * twice within milliseconds. Only a later one is a person who does not want to wait.
 * @param insisted Called with a later signal.
 * @param now Milliseconds that only grow.
 */
export function stopSignal(
  insisted: (signal: NodeJS.Signals) => void,
  now: () => number = () => performance.now(),
): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let first: number | undefined;
    const onSignal = (signal: NodeJS.Signals): void => {
      if (first === undefined) {
        first = now();
        resolve(signal);
      } else if (now() - first >= ECHO_MS) {
        insisted(signal);
      }
    };
    for (const signal of SIGNALS) process.on(signal, onSignal);
  });
}
