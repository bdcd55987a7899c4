/** `npm run check`: types twice (all, and the pure cores without node), lint, format, house rules. Seconds. */
import { runTool } from "./tools.ts";

const steps: readonly (readonly [title: string, tool: string, args: readonly string[]])[] = [
  ["types", "tsc", ["-p", "tsconfig.json"]],
  ["types of the pure cores", "tsc", ["-p", "tsconfig.core.json"]],
  ["lint", "oxlint", ["--type-aware", "--deny-warnings"]],
  ["format and import order", "biome", ["check", "."]],
  ["house rules", "vitest", ["run", "--project", "unit", "test/house"]],
];

for (const [title, tool, args] of steps) {
  process.stdout.write(`== ${title}\n`);
  if (runTool(tool, args) !== 0) {
    process.stdout.write(`check failed at: ${title}\n`);
    process.exit(1);
  }
}
