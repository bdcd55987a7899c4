/** Writes the flags of every command into README.md, between its marks, as `--help` prints them. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describeDiscoverFlags } from "../src/cli/discover.ts";
import { describeNewFlags } from "../src/cli/new.ts";
import { describeServeFlags } from "../src/config/serve.ts";
import { root } from "./tools.ts";

const BEGIN = "<!-- flags: written by scripts/write-flags.ts -->";
const END = "<!-- end of flags -->";

const COMMANDS: Readonly<Record<string, () => string>> = {
  serve: describeServeFlags,
  new: describeNewFlags,
  discover: describeDiscoverFlags,
};

/** The README with its flags section as it should be. @throws Error when a mark is missing. */
export function withFlags(readme: string): string {
  const [from, to] = [readme.indexOf(BEGIN), readme.indexOf(END)];
  if (from === -1 || to < from) throw new Error(`README.md needs the marks ${BEGIN} and ${END}`);
  const sections = Object.entries(COMMANDS).map(
    ([name, describe]) => `### quorate ${name}\n\n\`\`\`text\n${describe()}\n\`\`\`\n`,
  );
  return `${readme.slice(0, from)}${BEGIN}\n\n${sections.join("\n")}\n${readme.slice(to)}`;
}

if (import.meta.main) {
  const file = join(root, "README.md");
  writeFileSync(file, withFlags(readFileSync(file, "utf8")));
}
