import { InvariantError } from "./errors.ts";

/**
 * Checks what must hold if our own code is right; stays on in production.
 * @param message A function, so that a check that holds costs no string.
 * @throws InvariantError: the process is meant to stop on it.
 */
export function assert(condition: boolean, message: () => string): asserts condition {
  if (!condition) throw new InvariantError(message());
}

/** A value that cannot be absent here, or an InvariantError that says what was expected. */
export function must<T>(value: T | null | undefined, message: () => string): T {
  if (value === null || value === undefined) throw new InvariantError(message());
  return value;
}

/** The end of a switch over a union: compiles only while every case has been handled. */
export function unreachable(value: never): never {
  throw new InvariantError(`unhandled case ${JSON.stringify(value)}`);
}
