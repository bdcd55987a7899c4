/** One clear line for what went wrong, and the exit code; a stack trace only for a bug of ours. */
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { COMMANDS } from "../../src/cli/run.ts";
import { VERSION } from "../../src/lib/version.ts";
import { quorate, ROOT, run } from "./support/command.ts";

describe("the list of commands", () => {
  test.each(["help", "--help", "-help", "-h"])("%s prints it", async (word) => {
    const { code, stdout, stderr } = await quorate([word]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    for (const name of Object.keys(COMMANDS)) expect(stdout).toContain(`\n  ${name} `);
  });

  test("no command at all prints it as an error", async () => {
    const { code, stdout, stderr } = await quorate([]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toContain("Usage: quorate COMMAND");
  });
});

test.each(["version", "--version", "-version"])("%s prints the version", async (word) => {
  expect(await quorate([word])).toMatchObject({ code: 0, stdout: `quorate Version: ${VERSION}\n` });
});

test.each(["nope", "constructor", "__proto__", "--size"])("%s is no command", async (word) => {
  expect(await quorate([word])).toMatchObject({
    code: 2,
    stdout: "",
    stderr: `quorate: unknown command "${word}"; \`quorate --help\` lists the commands\n`,
  });
});

test.each(Object.keys(COMMANDS))(
  "%s --help lists its flags, and an unknown flag is refused in one line",
  async (name) => {
    const help = await quorate([name, "--help"]);
    expect(help).toMatchObject({ code: 0, stderr: "" });
    expect(help.stdout).toMatch(new RegExp(`^quorate ${name}: .*\\n\\nUsage: quorate ${name} `));
    expect(help.stdout).toMatch(/\n {2}--\S+/);
    const unknown = await quorate([name, "--no-such-flag"]);
    expect(unknown).toMatchObject({ code: 2, stdout: "" });
    expect(unknown.stderr).toMatch(/^quorate: unknown flag --no-such-flag[^\n]*\n$/);
    const argument = await quorate([name, "argument"]);
    expect(argument.stderr).toBe('quorate: unexpected argument "argument"; flags begin with --\n');
    expect(argument.code).toBe(2);
  },
);

test("a variable that no command knows is warned of; another command's is not", async () => {
  const { code, stderr } = await quorate(["new", "--server", "http://127.0.0.1:9", "--timeout=1s"], {
    env: { QUORATE_SISE: "5", QUORATE_MAX_SIZE: "9", QUORATE_TOKEN_URL: "x" },
  });
  expect(code).toBe(1);
  const [warning, reason] = stderr.split("\n");
  expect(warning).toBe(
    "quorate: warning: the variable QUORATE_SISE is not known and changes nothing; did you mean QUORATE_SIZE?",
  );
  expect(reason).toMatch(/^quorate: cannot reach http:/);
  const help = await quorate(["new", "--help"], { env: { QUORATE_SISE: "5" } });
  expect(help).toMatchObject({ code: 0, stderr: "" });
});

describe("how a command fails", () => {
  const failing = (error: string): Promise<{ code: number | null; stderr: string }> =>
    run(process.execPath, [
      "--input-type=module-typescript",
      "-e",
      `import { runCli } from ${JSON.stringify(join(ROOT, "src/cli/run.ts"))};
       import * as errors from ${JSON.stringify(join(ROOT, "src/lib/errors.ts"))};
       const load = async () => ({ flags: {}, run: async () => { throw new ${error}; } });
       process.exitCode = await runCli(["fail"], { fail: { summary: "", load } });`,
    ]);

  test.each([
    ['errors.UsageError("bad value")', 2, "quorate: bad value\n"],
    ['errors.RefusedError("full", "cluster is full")', 1, "quorate: cluster is full\n"],
    ['errors.EnvironmentError("disk_full", "no space")', 1, "quorate: no space\n"],
  ])("%s", async (error, code, stderr) => {
    expect(await failing(error)).toMatchObject({ code, stderr });
  });

  test("a bug of ours shows where it is", async () => {
    const { code, stderr } = await failing('errors.InvariantError("applied <= committed")');
    expect(code).toBe(1);
    expect(stderr).toMatch(/InvariantError: applied <= committed\n\s+at /);
  });
});
