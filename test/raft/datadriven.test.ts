import { describe, expect, test } from "vitest";
import { type Directive, type Environment, parseScript, runScript, valueOf } from "./datadriven.ts";

const directiveOf = (line: string): Directive => {
  const [step] = parseScript("a.txt", `${line}\n----\n`).steps;
  if (step === undefined) throw new Error("no command");
  return step.directive;
};

/** Prints its input, `lines` times. */
const echo: Environment = {
  name: "echo",
  commands: ["echo", "fail"],
  start: () => (directive) => {
    if (directive.command === "fail") throw new Error("as it was told");
    return `${directive.input}${valueOf(directive, "end") ?? ""}`.replaceAll("|", "\n");
  },
};

describe("commands", () => {
  test.each([
    ["cmd", []],
    ["cmd 1 2", ["1", "2"]],
    ["cmd  a=b   c", ["a=b", "c"]],
    ["cmd a= b", ["a=", "b"]],
    ["cmd cfg=(1, 2,3) idx=(_)", ["cfg=1/2/3", "idx=_"]],
    ["cmd e=(a + (b, c), d)", ["e=a + (b, c)/d"]],
    ['cmd 1 "foo"', ["1", '"foo"']],
  ])("%s", (line, expected) => {
    const args = directiveOf(line).args.map(({ key, values }) =>
      values.length === 0 ? key : `${key}=${values.join("/")}`,
    );
    expect(args).toEqual(expected);
  });

  test("a command goes on after a backslash, and its input up to the separator", () => {
    const { directive } = parseScript("a.txt", "# why\n\ncmd 1 \\\n  2\nin\nput\n----\nout\n").steps[0] ?? {};
    expect(directive).toMatchObject({ position: "a.txt:3", command: "cmd", input: "in\nput" });
    expect(directive?.args.map(({ key }) => key)).toEqual(["1", "2"]);
  });

  test.each([
    ["cmd a=(1", "a.txt:1: a parenthesis is not closed"],
    ["cmd =1", "a.txt:1: an argument has no name"],
  ])("%s is refused", (line, message) => expect(() => directiveOf(line)).toThrow(message));

  test("a script that ends within a command or an output is refused", () => {
    expect(() => parseScript("a.txt", "\ncmd\ninput\n")).toThrow("a.txt:2: no ---- follows cmd");
    expect(() => parseScript("a.txt", "cmd\n----\n----\nout\n----\n")).toThrow("is not closed");
  });

  test("an argument that takes one value is read, absent, or refused", () => {
    expect(valueOf(directiveOf("cmd a=1"), "a")).toBe("1");
    expect(valueOf(directiveOf("cmd"), "a")).toBeUndefined();
    expect(() => valueOf(directiveOf("cmd a=(1,2)"), "a")).toThrow("a takes one value");
  });
});

describe("a run", () => {
  const run = (text: string): { text: string; positions: string[] } => {
    const { text: ran, differences } = runScript("a.txt", text, [echo]);
    return { text: ran, positions: differences.map(({ directive }) => directive.position) };
  };

  test.each([
    ["plain", "echo\none\ntwo\n----\none\ntwo\n\n\n# end\n"],
    ["without output", "echo\n----\n\necho\none\n----\none\n"],
    [
      "with blank lines in the output",
      "echo\none||two\n----\n----\none\n\ntwo\n----\n----\n\necho\n1\n----\n1\n",
    ],
    ["with a blank line at the end of the output", "echo end=||\none\n----\n----\none\n\n----\n----\n"],
    ["with a separator in the output", "echo\na||----|b\n----\n----\na\n\n----\nb\n----\n----\n"],
  ])("gives back a script that says what is printed: %s", (_, text) => {
    expect(run(text)).toEqual({ text, positions: [] });
  });

  test("puts what was printed where the script says otherwise", () => {
    expect(run("# a\necho\none\n----\nother\n\n# b\necho\ntwo|\n----\ntwo\n")).toEqual({
      text: "# a\necho\none\n----\none\n\n# b\necho\ntwo|\n----\ntwo\n",
      positions: ["a.txt:2"],
    });
    expect(run("echo\none||two\n----\n\necho\n1\n----\n1\n").text).toBe(
      "echo\none||two\n----\n----\none\n\ntwo\n----\n----\n\necho\n1\n----\n1\n",
    );
  });

  test("stops with file and line at what it does not know and at what fails", () => {
    expect(() => run("what\n----\n")).toThrow("a.txt:1: unknown command what");
    expect(() => run("# nothing\n")).toThrow("a.txt: no command in it");
    expect(() => run("echo\n----\n\nfail\n----\n")).toThrow("a.txt:4: fail: as it was told");
  });
});
