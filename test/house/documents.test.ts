import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { withFlags } from "../../scripts/write-flags.ts";
import { ROOT, read, tracked } from "./support/files.ts";

const documents = tracked.filter((file) => file.endsWith(".md"));

/** As GitHub makes them: lower case, blanks to dashes, punctuation gone. */
function anchorsOf(markdown: string): string[] {
  return [...markdown.matchAll(/^#+ +(.+)$/gm)].map(([, title = ""]) =>
    title
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-"),
  );
}

/** Targets of `[text](target)`, outside code. */
function linksOf(markdown: string): string[] {
  const prose = markdown.replaceAll(/^```[\s\S]*?^```/gm, "").replaceAll(/`[^`\n]*`/g, "");
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = ""]) => target);
}

test("links between our documents lead somewhere", () => {
  const broken = documents.flatMap((file) =>
    linksOf(read(file))
      .filter((target) => !/^[a-z]+:/.test(target))
      .filter((target) => {
        const [path = "", anchor] = target.split("#");
        const to = path === "" ? file : join(dirname(file), path);
        if (!existsSync(join(ROOT, to))) return true;
        return anchor !== undefined && !anchorsOf(read(to)).includes(anchor);
      })
      .map((target) => `${file}: ${target}`),
  );
  expect(broken).toEqual([]);
});

test("files that documents name in code exist", () => {
  const named = documents.flatMap((file) =>
    [...read(file).matchAll(/`((?:src|test|scripts|bench|docs|migrations|bin)\/[\w./-]+\.\w+)`/g)].map(
      ([, path = ""]) => ({ file, path }),
    ),
  );
  expect(named.filter(({ path }) => !existsSync(join(ROOT, path)))).toEqual([]);
});

test("commands that documents and headers name exist", () => {
  const { scripts } = JSON.parse(read("package.json")) as { scripts: Record<string, string> };
  const named = [...documents, ...tracked.filter((file) => file.endsWith(".ts"))].flatMap((file) =>
    [...read(file).matchAll(/`npm run ([\w:]+)/g)].map(([, name = ""]) => ({ file, name })),
  );
  expect(named.length).toBeGreaterThan(10);
  expect(named.filter(({ name }) => !Object.hasOwn(scripts, name))).toEqual([]);
});

test("a function that a document names with its file is in that file", () => {
  const named = documents.flatMap((file) =>
    [...read(file).matchAll(/`([\w.#]+)`\s+\(`(src\/[\w./-]+\.ts)`\)/g)].map(([, name = "", path = ""]) => ({
      name,
      path,
    })),
  );
  expect(named.length).toBeGreaterThan(10);
  const absent = named.filter(({ name, path }) => !read(path).includes(name.split(".").at(-1) ?? name));
  expect(absent).toEqual([]);
});

// Where this fails, run: node scripts/with-node.cjs scripts/write-flags.ts
test("the README lists every flag as --help does", () => {
  const readme = read("README.md");
  expect(readme).toBe(withFlags(readme));
});

test("every folder of src with rooms of its own says what it is for", () => {
  const folders = new Set(
    tracked
      .filter((file) => /^src\/\w+\/.*\.ts$/.test(file))
      .map((file) => file.split("/").slice(0, 2).join("/")),
  );
  expect([...folders].filter((folder) => !tracked.includes(`${folder}/README.md`))).toEqual([]);
});
