/** The files of this project as git knows them, for rules that read text. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

export const ROOT: string = join(import.meta.dirname, "../../..");

/** Paths from the root, of files that are committed or staged and not deleted since. */
export const tracked: readonly string[] = execFileSync("git", ["ls-files", "-z"], { cwd: ROOT })
  .toString()
  .split("\0")
  .filter((file) => file !== "" && existsSync(join(ROOT, file)));

export function read(file: string): string {
  return readFileSync(join(ROOT, file), "utf8");
}

/** `file:line: text` of every line that matches. */
export function linesMatching(files: readonly string[], pattern: RegExp): string[] {
  return files.flatMap((file) =>
    read(file)
      .split("\n")
      .flatMap((text, index) => (pattern.test(text) ? [`${file}:${index + 1}: ${text.trim()}`] : [])),
  );
}

/** The relative paths that a file imports, also on demand. */
export function importsOf(source: string): string[] {
  return [...source.matchAll(/(?:from|import)\s*\(?\s*"(\.{1,2}\/[^"]+)"/g)].map((match) => match[1] ?? "");
}

/** What a file imports, and what that imports, and so on: paths from the root. */
export function reachedFrom(file: string): ReadonlySet<string> {
  const reached = new Set<string>();
  const visit = (from: string): void => {
    for (const specifier of importsOf(read(from))) {
      const to = join(from, "..", specifier);
      if (reached.has(to) || !existsSync(join(ROOT, to))) continue;
      reached.add(to);
      visit(to);
    }
  };
  visit(file);
  return reached;
}
