/** Writes variables in the forms that shells, systemd, containers and etcd's own flags take. */

export const FORMATS = ["env", "export", "flags", "json"] as const;
export type Format = (typeof FORMATS)[number];

/**
 * - `env`: `NAME=value` lines, for `env $(…) etcd`, systemd's EnvironmentFile, `set -a; eval "$(…)"`
 * - `export`: `export NAME=value` lines, for `eval "$(…)"`
 * - `flags`: `--name=value` lines, for `etcd $(…)`
 * - `json`: one object
 * @param variables Names are etcd's: `ETCD_INITIAL_CLUSTER`.
 */
export function formatEnvironment(variables: Readonly<Record<string, string>>, format: Format): string {
  if (format === "json") return `${JSON.stringify(variables, null, 2)}\n`;
  return Object.entries(variables)
    .map(([name, value]) => {
      if (format === "flags") return `${flagName(name)}=${quote(value)}\n`;
      return `${format === "export" ? "export " : ""}${name}=${quote(value)}\n`;
    })
    .join("");
}

/**
 * Names and URLs need no quotes, and get none: `env $(…)` and `docker --env-file` would take quotes for a part of the
 * value. What does need them gets double quotes, which shells and systemd.exec(5) read alike.
 */
function quote(value: string): string {
  if (/^[A-Za-z0-9_@%+=:,./[\]-]+$/.test(value)) return value;
  return `"${value.replaceAll(/["\\$`]/g, "\\$&")}"`;
}

/** `ETCD_INITIAL_CLUSTER` as `--initial-cluster`. */
function flagName(variable: string): string {
  return `--${variable
    .replace(/^ETCD_/, "")
    .toLowerCase()
    .replaceAll("_", "-")}`;
}
