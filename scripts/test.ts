/** `npm test`: the checks, then every test this machine can run. Arguments go to vitest instead (a file, -t NAME). */
import { join } from "node:path";
import { root, runTool } from "./tools.ts";

const given = process.argv.slice(2);
if (given.length === 0) await import(join(root, "scripts/check.ts"));
process.exitCode = runTool("vitest", ["run", ...given]);
