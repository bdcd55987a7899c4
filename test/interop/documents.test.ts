/**
 * The console blocks of the documents, typed into a shell: each `$ command` must print what stands below it, but for
 * tokens, ids, times and indexes. Port 8087, 8053 and 53 are those of a network namespace.
 */
import { readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { both, etcd34, findProgram } from "./support/binaries.ts";
import { openLab } from "./support/lab.ts";
import { namespaces, openNamespace } from "./support/namespace.ts";
import { PATIENCE_MS } from "./support/program.ts";
import { Quorate } from "./support/quorate.ts";
import { Shell } from "./support/shell.ts";

const ROOT = join(import.meta.dirname, "../..");

interface Typed {
  readonly command: string;
  readonly expected: string;
}

/** `$ ` begins a command, `> ` goes on with it, all else is what it prints. */
function typedIn(markdown: string): Typed[] {
  const blocks = [...markdown.matchAll(/^```console\n([\s\S]*?)^```/gm)].map(([, block = ""]) => block);
  return blocks.flatMap((block) =>
    block.split(/^\$ /m).flatMap((part) => {
      if (part === "") return [];
      const lines = part.trimEnd().split("\n");
      const end = lines.findIndex((line, index) => index > 0 && !line.startsWith("> "));
      const command = lines.slice(0, end === -1 ? undefined : end).map((line) => line.replace(/^> /, ""));
      return [{ command: command.join("\n"), expected: end === -1 ? "" : lines.slice(end).join("\n") }];
    }),
  );
}

/** Without what differs from one run to the next: names made at random, and the order in which members came. */
function normal(text: string): string {
  return text
    .replaceAll(/\b[0-9a-f]{32}\b/g, "TOKEN")
    .replaceAll(/\b[0-9a-f]{14,16}\b/g, "ID")
    .replaceAll(/"(modifiedIndex|createdIndex)":\d+/g, '"$1":N')
    .replaceAll(/"etcdserver":"[\d.]+"/g, '"etcdserver":"V"')
    .replaceAll(/[ \t]+/g, " ")
    .split(/[\n,"]/)
    .map((piece) => piece.trim())
    .filter((piece) => piece !== "")
    .toSorted()
    .join("\n");
}

const needed = namespaces.type === "missing" ? namespaces : both(etcd34, findProgram("dig"));

describe.each(["README.md", "docs/dns.md"])("%s", (file) => {
  const typed = typedIn(readFileSync(join(ROOT, file), "utf8"));

  test("its commands print what it says", async (context) => {
    const [lab, [etcd]] = openLab(context, needed);
    const place = await openNamespace(lab, {
      addresses: ["10.0.1.10", "10.0.1.11", "10.0.1.12"],
      nameserver: "127.0.0.1",
    });
    const flags = ["--dns-allow-domain", "example.com"];
    await Quorate.start(lab, { place, flags, port: 8087, dns: "127.0.0.1:8053" });
    // On a terminal curl shows no progress for so little; in a pipe it would.
    writeFileSync(join(lab.dir, ".curlrc"), "silent\nshow-error\n");
    symlinkSync(join(ROOT, "bin"), join(lab.dir, "bin"));
    symlinkSync(etcd.etcd, join(lab.dir, "etcd"));
    symlinkSync(etcd.etcdctl, join(lab.dir, "etcdctl"));
    const shell = new Shell(lab, place, {
      PATH: `${lab.dir}:${process.env["PATH"] ?? ""}`,
      ETCDCTL_API: "3",
      CURL_HOME: lab.dir,
    });

    expect(typed.length).toBeGreaterThan(0);
    for (const { command, expected } of typed) {
      // A person waits for etcd to come up, and tries again.
      const deadline = Date.now() + PATIENCE_MS;
      let printed = await shell.run(command);
      while (normal(printed) !== normal(expected) && Date.now() < deadline)
        printed = await shell.run(`sleep 0.5; ${command}`);
      expect({ command, printed: normal(printed) }).toEqual({ command, printed: normal(expected) });
    }
  });
});
