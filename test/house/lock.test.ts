import { expect, test } from "vitest";
import { missingFrom, platformOf, readLock, silentAboutGyp } from "../../scripts/complete-lock.ts";
import { read } from "./support/files.ts";

// Where one of the first two fails, run: node scripts/with-node.cjs scripts/complete-lock.ts
test("npm ci accepts the lock file: every optional package of every platform has its entry", () => {
  expect(missingFrom(readLock()).map(([place]) => place)).toEqual([]);
});

test("npm ci compiles nothing", () => {
  expect(silentAboutGyp(readLock())).toEqual([]);
});

test("versions are exact: what was tested is what is installed", () => {
  const manifest = JSON.parse(read("package.json")) as Record<string, Record<string, string>>;
  const versions = { ...manifest["dependencies"], ...manifest["devDependencies"] };
  expect(Object.entries(versions).filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([]);
});

test("a platform is read from a package's name", () => {
  expect(platformOf("@oxlint/binding-linux-arm-musleabihf")).toEqual({
    os: ["linux"],
    cpu: ["arm"],
    libc: ["musl"],
  });
  expect(platformOf("@biomejs/cli-linux-x64")).toEqual({ os: ["linux"], cpu: ["x64"] });
  expect(platformOf("@oxlint/binding-linux-ppc64-gnu")).toEqual({
    os: ["linux"],
    cpu: ["ppc64"],
    libc: ["glibc"],
  });
  expect(platformOf("@biomejs/cli-win32-arm64")).toEqual({ os: ["win32"], cpu: ["arm64"] });
  expect(() => platformOf("left-pad")).toThrow("left-pad does not name one platform");
});

test("an optional package without entry, and one with, are told apart", () => {
  const lock = {
    packages: {
      "node_modules/tool": {
        version: "1.0.0",
        dev: true,
        optionalDependencies: { "t-linux-x64": "1.0.0", "t-win32-x64": "1.0.0" },
      },
      "node_modules/t-linux-x64": { version: "1.0.0" },
    },
  };
  expect(missingFrom(lock)).toEqual([
    [
      "node_modules/t-win32-x64",
      { version: "1.0.0", dev: true, optional: true, os: ["win32"], cpu: ["x64"] },
    ],
  ]);
});
