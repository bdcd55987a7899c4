import { execFileSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { formatEnvironment } from "../../src/cli/environment-format.ts";

const plain = {
  ETCD_NAME: "infra0",
  ETCD_INITIAL_CLUSTER: "infra0=http://[fd00::1]:2380,infra1=http://b.example.com:2380",
};
/** As bad as names and URLs can be; blanks and control characters are refused before. */
const hostile = {
  ETCD_NAME: "a$HOME`id`\"'\\;&|<>*?~#()!é",
  ETCD_INITIAL_CLUSTER_TOKEN: "http://d/t?x=1&y=2",
};

test("plain values are not quoted in any form", () => {
  expect(formatEnvironment(plain, "env")).toBe(
    "ETCD_NAME=infra0\nETCD_INITIAL_CLUSTER=infra0=http://[fd00::1]:2380,infra1=http://b.example.com:2380\n",
  );
  expect(formatEnvironment(plain, "export")).toMatch(
    /^export ETCD_NAME=infra0\nexport ETCD_INITIAL_CLUSTER=infra0=/,
  );
  expect(formatEnvironment(plain, "flags")).toMatch(/^--name=infra0\n--initial-cluster=infra0=/);
  expect(JSON.parse(formatEnvironment(plain, "json"))).toEqual(plain);
});

const sh = (script: string, ...args: string[]): string =>
  execFileSync("sh", ["-c", script, "sh", ...args]).toString();
const show = 'printf "%s\\n" "$ETCD_NAME" "$ETCD_INITIAL_CLUSTER_TOKEN"';
const expected = `${hostile.ETCD_NAME}\n${hostile.ETCD_INITIAL_CLUSTER_TOKEN}\n`;

describe("a shell gets back what went in, whatever it was", () => {
  test("by eval of exports", () => {
    expect(sh(`eval "$1"; sh -c '${show}'`, formatEnvironment(hostile, "export"))).toBe(expected);
  });

  test("by eval of plain lines under set -a", () => {
    expect(sh(`set -a; eval "$1"; sh -c '${show}'`, formatEnvironment(hostile, "env"))).toBe(expected);
  });

  test("by eval of flags", () => {
    const script = 'eval "set -- $(echo "$1" | tr "\\n" " ")"; printf "%s\\n" "$@"';
    expect(sh(script, formatEnvironment({ ETCD_NAME: "a$HOME&`id`" }, "flags"))).toBe("--name=a$HOME&`id`\n");
  });

  test("env $(…) takes plain values as they are", () => {
    const script = `env $1 sh -c 'printf "%s\\n" "$ETCD_NAME" "$ETCD_INITIAL_CLUSTER"'`;
    expect(sh(script, formatEnvironment(plain, "env"))).toBe(
      `${plain.ETCD_NAME}\n${plain.ETCD_INITIAL_CLUSTER}\n`,
    );
  });
});
