/** `npm run check`: types twice (all, and the pure cores without node), lint, format, house rules. Seconds. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const bin = (name: string): string => join(root, "node_modules/.bin", name);

const steps: readonly (readonly [string, string, readonly string[]])[] = [
  ["types", bin("tsc"), ["-p", "tsconfig.json"]],
  ["types of the pure cores", bin("tsc"), ["-p", "tsconfig.core.json"]],
  ["lint", bin("oxlint"), ["--type-aware", "--deny-warnings"]],
  ["format and import order", bin("biome"), ["check", "."]],
  ["house rules", bin("vitest"), ["run", "--project", "unit", "test/house"]],
];

for (const [title, command, args] of steps) {
  process.stdout.write(`== ${title}\n`);
  const done = spawnSync(command, args, { cwd: root, stdio: "inherit" });
  if (done.status !== 0) {
    process.stdout.write(`check failed at: ${title}\n`);
    process.exit(1);
  }
}
