import { expect, test } from "vitest";
import { clientTls, refuseArguments } from "../../src/cli/client-flags.ts";
import { UsageError } from "../../src/lib/errors.ts";

test("a certificate and its key go together", () => {
  const both = { caFile: "", certFile: "c.pem", keyFile: "k.pem" };
  expect(clientTls(both)).toBe(both);
  expect(() => clientTls({ ...both, keyFile: "" })).toThrow(UsageError);
  expect(() => clientTls({ ...both, certFile: "" })).toThrow(UsageError);
});

test("an argument that is no flag is named", () => {
  refuseArguments([]);
  expect(() => refuseArguments(["size=3"])).toThrow('unexpected argument "size=3"; flags begin with --');
});
