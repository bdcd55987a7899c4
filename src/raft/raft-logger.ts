/**
 * Where the core says what it does; pure. There is no fatal level: a violated invariant is thrown (`lib/assert.ts`),
 * so that nobody can log it and go on.
 */

/** Takes lines of the core. Texts are functions, called only where a line is wanted: ids and terms in them cost time. */
export interface RaftLogger {
  debug(text: () => string): void;
  info(text: () => string): void;
  warn(text: () => string): void;
  error(text: () => string): void;
}

/** For cores whose talk nobody wants. */
export const SILENT: RaftLogger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};
