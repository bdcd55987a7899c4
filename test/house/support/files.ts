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
