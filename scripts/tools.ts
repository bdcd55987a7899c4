/** Runs the project's development tools under this very Node: their launchers take the first `node` on the PATH. */
import { spawnSync } from "node:child_process";
import { delimiter, dirname, join } from "node:path";

export const root: string = join(import.meta.dirname, "..");

/** @returns the tool's exit code; a tool that cannot start counts as 1. */
export function runTool(name: string, args: readonly string[]): number {
  const path = [dirname(process.execPath), process.env["PATH"] ?? ""].join(delimiter);
  const done = spawnSync(join(root, "node_modules/.bin", name), args, {
    cwd: root,
    stdio: "inherit",
    env: { ...process.env, PATH: path },
    shell: process.platform === "win32",
  });
  return done.status ?? 1;
}
