/**
 * Variables that look like ours and are none. A misspelt flag is refused; a misspelt variable would change nothing
 * without a word. Only warned of, since commands of other versions, started in the same environment, may have more.
 */
import { type FlagGroups, suggestion, variableName } from "./flags.ts";

/**
 * What Docker and Kubernetes set in every container beside a service whose name begins with "quorate":
 * `QUORATE_SERVICE_HOST`, `QUORATE_DNS_SERVICE_PORT_UDP`, `QUORATE_PORT_8087_TCP_ADDR`.
 * Source: kubernetes pkg/kubelet/envvars/envvars.go.
 */
const OF_A_SERVICE = /_SERVICE_(?:HOST|PORT(?:_[A-Z0-9_]+)?)$|_PORT(?:_\d+_(?:TCP|UDP|SCTP)(?:_[A-Z]+)?)?$/;

/** @param tables The flags of commands, each of which may have variables in the same environment. */
export function unknownVariables(
  environment: Readonly<Record<string, string | undefined>>,
  tables: readonly FlagGroups[],
  prefix = "QUORATE_",
): readonly string[] {
  const known = namesOf(tables, prefix);
  return Object.entries(environment)
    .filter(([name, value]) => name.startsWith(prefix) && value !== undefined && value !== "")
    .map(([name]) => name)
    .filter((name) => !known.has(name) && !OF_A_SERVICE.test(name));
}

/** The sentence about one that is unknown. */
export function unknownVariableWarning(
  name: string,
  tables: readonly FlagGroups[],
  prefix = "QUORATE_",
): string {
  return `the variable ${name} is not known and changes nothing${suggestion("", name, namesOf(tables, prefix))}`;
}

function namesOf(tables: readonly FlagGroups[], prefix: string): ReadonlySet<string> {
  const flags = tables.flatMap((groups) => Object.values(groups)).flatMap((table) => Object.keys(table));
  return new Set(flags.map((flag) => variableName(flag, prefix)));
}
