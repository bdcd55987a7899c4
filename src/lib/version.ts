/** The version of this package, from its package.json: two folders up, from `src/lib` as from `dist/lib`. */
import { readFileSync } from "node:fs";

const manifest = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
  readonly version: string;
};

export const VERSION: string = manifest.version;
