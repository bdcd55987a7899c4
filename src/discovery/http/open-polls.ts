/** The long polls that are open now, so that a stopping service can end them as a quiet one ends: an empty 200. */

export interface OpenPolls {
  readonly size: number;
  /** @param end Ends the poll with an empty answer. @returns a function to call when it has ended. */
  add(end: () => void): () => void;
  /** Ends all that are open, and every later one at once. */
  endAll(): void;
}

export function createOpenPolls(): OpenPolls {
  const open = new Set<() => void>();
  let ended = false;
  return {
    get size() {
      return open.size;
    },
    add(end) {
      if (ended) queueMicrotask(end);
      open.add(end);
      return () => open.delete(end);
    },
    endAll() {
      ended = true;
      for (const end of open) end();
    },
  };
}
