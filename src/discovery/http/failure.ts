/** What went wrong in a handler, as the answer to it: below a token in etcd's JSON, elsewhere in plain words. */
import { EnvironmentError, InvariantError, RefusedError } from "../../lib/errors.ts";
import type { Logger } from "../../lib/logger.ts";
import { throttledLog } from "../../lib/throttled-log.ts";
import type { HttpContext, HttpServices } from "./context.ts";
import { errorNameOf, plainError, statusOf, V2Refusal, v2Error } from "./v2-error.ts";

/** @throws InvariantError: our own bug stops the process. */
export function tokenFailure(services: HttpServices, c: HttpContext, error: unknown): Response {
  const { index } = services.discovery;
  if (error instanceof V2Refusal) return v2Error(error.reason, error.message, index, error.headers);
  if (error instanceof RefusedError) return v2Error(errorNameOf(error.code), error.message, index);
  const reason = reasonOf(services, error);
  // A 5xx here would make the etcd that registers exit without printing the reason.
  if (c.req.method === "PUT") return v2Error("notStored", reason, index);
  return v2Error("unavailable", reason, index, { "Retry-After": "1" });
}

/** @throws InvariantError: our own bug stops the process. */
export function plainFailure(services: HttpServices, error: unknown): Response {
  if (error instanceof V2Refusal) return plainError(statusOf(error.reason), error.message, error.headers);
  if (error instanceof RefusedError) return plainError(statusOf(errorNameOf(error.code)), error.message);
  return plainError(503, reasonOf(services, error), { "Retry-After": "1" });
}

function reasonOf({ logger }: HttpServices, error: unknown): string {
  if (error instanceof InvariantError) {
    // Out of the handler's promise, so that nothing on the way catches it.
    setImmediate(() => {
      throw error;
    });
    return "internal error";
  }
  if (error instanceof EnvironmentError) {
    failureLogOf(logger)("a request failed", { error, code: error.code });
    return error.message;
  }
  if (isAbort(error)) return "the request ended before it was complete";
  logger.error("a request failed unexpectedly", {
    error,
    stack: error instanceof Error ? error.stack : undefined,
  });
  return "internal error";
}

/** A full disk fails every request, and the log may be on that disk: a line a second. */
function failureLogOf(logger: Logger): ReturnType<typeof throttledLog> {
  let log = failureLogs.get(logger);
  if (log === undefined) {
    log = throttledLog((msg, fields) => logger.error(msg, fields));
    failureLogs.set(logger, log);
  }
  return log;
}

const failureLogs = new WeakMap<Logger, ReturnType<typeof throttledLog>>();

/** The client closed the connection in the middle of its body: nobody reads the answer. */
function isAbort(error: unknown): boolean {
  return (
    error instanceof Error &&
    ((error as NodeJS.ErrnoException).code === "ECONNRESET" || error.message.includes("prematurely closed"))
  );
}
