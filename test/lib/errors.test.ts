import { expect, test } from "vitest";
import { EnvironmentError, InvariantError, RefusedError, UsageError } from "../../src/lib/errors.ts";

test("every error has the name of its class, its code and its cause", () => {
  const cause = new Error("ENOSPC");
  expect(new EnvironmentError("disk_full", "no space", { cause })).toMatchObject({
    name: "EnvironmentError",
    code: "disk_full",
    message: "no space",
    cause,
  });
  expect(new InvariantError("x").name).toBe("InvariantError");
  expect(new RefusedError("name_taken", "x")).toMatchObject({ name: "RefusedError", code: "name_taken" });
});

test("bad usage is a refusal; the other kinds are not each other", () => {
  const usage = new UsageError("x");
  expect(usage).toBeInstanceOf(RefusedError);
  expect(usage).toMatchObject({ name: "UsageError", code: "usage" });
  expect(new EnvironmentError("x", "x")).not.toBeInstanceOf(RefusedError);
  expect(new InvariantError("x")).not.toBeInstanceOf(RefusedError);
});
