/** Flags of the commands that ask a discovery service over HTTP. */
import type { ClientTls } from "../bootstrap/http-client.ts";
import { type Flag, text } from "../config/flags.ts";
import { UsageError } from "../lib/errors.ts";

export const TLS_FLAGS: Readonly<Record<"ca-file" | "cert-file" | "key-file", Flag<string>>> = {
  "ca-file": text(
    "authority that signed the service's certificate (PEM); without it the system's count",
    "",
    "FILE",
  ),
  "cert-file": text("client certificate, for a service with --client-cert-auth (PEM)", "", "FILE"),
  "key-file": text("its private key (PEM)", "", "FILE"),
};

/** @throws UsageError when one of certificate and key is missing. */
export function clientTls(values: ClientTls): ClientTls {
  if ((values.certFile === "") !== (values.keyFile === ""))
    throw new UsageError("--cert-file and --key-file go together");
  return values;
}

/** @throws UsageError for anything that is not a flag. */
export function refuseArguments(rest: readonly string[]): void {
  const [extra] = rest;
  if (extra !== undefined)
    throw new UsageError(`unexpected argument ${JSON.stringify(extra)}; flags begin with --`);
}

/** On standard error, one a line: standard output is for what was asked for. */
export function tellWarnings(warnings: readonly string[]): void {
  for (const warning of warnings) process.stderr.write(`quorate: warning: ${warning}\n`);
}
