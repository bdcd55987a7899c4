/** `npm test`: the checks, then every test this machine can run. Arguments go to vitest instead (a file, -t NAME). */
import { spawnSync } from "node:child_process";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const given = process.argv.slice(2);

function run(command: string, args: readonly string[]): void {
  const done = spawnSync(command, args, { cwd: root, stdio: "inherit" });
  if (done.status !== 0) process.exit(done.status ?? 1);
}

if (given.length === 0) run(process.execPath, [join(root, "scripts/check.ts")]);
run(join(root, "node_modules/.bin/vitest"), ["run", ...given]);
