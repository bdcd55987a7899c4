/**
 * The three ways things go wrong. Which one it is decides what happens next:
 * `InvariantError` is our own bug (stop the process), `RefusedError` is bad or late input (nothing changed, the
 * caller is told why), `EnvironmentError` is the machine (disk, port, certificate: a message and an exit code).
 */
abstract class QuorateError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** A violated invariant: a bug in quorate. Never caught to go on. */
export class InvariantError extends QuorateError {}

/**
 * Something a person or a program asked for cannot be done, and nothing was changed.
 * The message says what was wrong, with which value, and what to do instead.
 */
export class RefusedError extends QuorateError {
  /** Stable, for logs, metrics and tests: `size_out_of_range`, `name_taken` … */
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** A command line or environment variable that cannot be used: printed in one line, exit code 2. */
export class UsageError extends RefusedError {
  constructor(message: string, options?: ErrorOptions) {
    super("usage", message, options);
  }
}

/** The machine refuses: disk full, port in use, unreadable file. Printed in one line, exit code 1. */
export class EnvironmentError extends QuorateError {
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
