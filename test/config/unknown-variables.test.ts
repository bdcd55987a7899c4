/** A misspelt variable is noticed; what is another command's, or an orchestrator's, is not. */
import { describe, expect, test } from "vitest";
import { integer, text } from "../../src/config/flags.ts";
import { unknownVariables, unknownVariableWarning } from "../../src/config/unknown-variables.ts";

const SERVE = { Registry: { data: text("folder"), "max-size": integer("largest size", 100, 1, 1000) } };
const NEW = { Token: { size: integer("members", 3, 1, 1000) } };

const unknown = (environment: Record<string, string>): readonly string[] =>
  unknownVariables(environment, [SERVE, NEW]);

test("every command's variables are known, and only ours are looked at", () => {
  expect(unknown({ QUORATE_DATA: "x", QUORATE_MAX_SIZE: "0", QUORATE_SIZE: "x", PATH: "/bin" })).toEqual([]);
  expect(unknown({ QUORATE_MAX_SISE: "5", ETCD_MAX_SISE: "5", QUORATE_: "x" })).toEqual([
    "QUORATE_MAX_SISE",
    "QUORATE_",
  ]);
  expect(unknownVariables({ QUORATE_SIZE: "5" }, [SERVE])).toEqual(["QUORATE_SIZE"]);
});

test("one that is set to nothing is as if unset", () => {
  expect(unknown({ QUORATE_MAX_SISE: "" })).toEqual([]);
});

describe("what Kubernetes sets beside a service named quorate or quorate-dns", () => {
  test.each([
    ["QUORATE_SERVICE_HOST", "10.0.0.11"],
    ["QUORATE_SERVICE_PORT", "8087"],
    ["QUORATE_SERVICE_PORT_HTTP_API", "8087"],
    ["QUORATE_PORT", "tcp://10.0.0.11:8087"],
    ["QUORATE_PORT_8087_TCP", "tcp://10.0.0.11:8087"],
    ["QUORATE_PORT_8087_TCP_PROTO", "tcp"],
    ["QUORATE_DNS_SERVICE_HOST", "10.0.0.12"],
    ["QUORATE_DNS_PORT_53_UDP_ADDR", "10.0.0.12"],
  ])("%s", (name, value) => {
    expect(unknown({ [name]: value })).toEqual([]);
  });
});

test.each([
  ["QUORATE_MAX_SISE", "; did you mean QUORATE_MAX_SIZE?"],
  ["QUORATE_SIZES", "; did you mean QUORATE_SIZE?"],
  ["QUORATE_COLOUR", ""],
])("%s is named%s", (name, nearest) => {
  expect(unknownVariableWarning(name, [SERVE, NEW])).toBe(
    `the variable ${name} is not known and changes nothing${nearest}`,
  );
});
