/**
 * Adds to package-lock.json what npm leaves out and `npm ci` then fails on. Run it after changing a dependency:
 * `node scripts/with-node.cjs scripts/complete-lock.ts`. A house test says when that was forgotten.
 *
 * - Optional packages for other platforms, where the registry in use did not serve them: without their entries
 *   `npm ci` refuses the whole file. They carry no integrity (only the registry could tell).
 * - `gypfile: false` of packages that ship their binaries: a lock does not keep that field, and without it npm 9 and 10
 *   take a `binding.gyp` for an order to compile, which fails where there is no Python or compiler.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./tools.ts";

interface LockEntry {
  readonly version?: string;
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly os?: readonly string[];
  readonly cpu?: readonly string[];
  readonly libc?: readonly string[];
  readonly gypfile?: boolean;
}

export interface Lock {
  packages: Record<string, LockEntry>;
}

const OPERATING_SYSTEMS = ["android", "darwin", "freebsd", "linux", "openharmony", "win32"];
const PROCESSORS = ["arm", "arm64", "ia32", "ppc64", "riscv64", "s390x", "x64"];

/** `@oxlint/binding-linux-x64-musl` names its platform; npm skips an entry whose platform is another one. */
export function platformOf(name: string): Pick<LockEntry, "os" | "cpu" | "libc"> {
  const words = name.split(/[/-]/);
  const os = words.filter((word) => OPERATING_SYSTEMS.includes(word));
  const cpu = words.filter((word) => PROCESSORS.includes(word));
  if (os.length !== 1 || cpu.length !== 1)
    throw new Error(`${name} does not name one platform: add it by hand`);
  const libc = words.some((word) => word.startsWith("musl"))
    ? ["musl"]
    : words.some((word) => word.startsWith("gnu"))
      ? ["glibc"]
      : undefined;
  return { os, cpu, ...(libc === undefined ? {} : { libc }) };
}

/** Place in node_modules to entry, for every optional dependency that the lock names but does not hold. */
export function missingFrom(lock: Lock): [place: string, entry: LockEntry][] {
  return Object.values(lock.packages).flatMap((parent) =>
    Object.entries(parent.optionalDependencies ?? {})
      .filter(([name]) => lock.packages[`node_modules/${name}`] === undefined)
      .map(([name, version]): [string, LockEntry] => [
        `node_modules/${name}`,
        { version, ...(parent.dev === true ? { dev: true } : {}), optional: true, ...platformOf(name) },
      ]),
  );
}

/** Places of packages that forbid npm to compile them, where the lock does not say so. */
export function silentAboutGyp(lock: Lock): string[] {
  return Object.entries(lock.packages)
    .filter(([place, entry]) => place !== "" && entry.gypfile !== false)
    .map(([place]) => place)
    .filter((place) => {
      const manifest = join(root, place, "package.json");
      if (!existsSync(manifest)) return false;
      return (JSON.parse(readFileSync(manifest, "utf8")) as LockEntry).gypfile === false;
    });
}

export function readLock(): Lock {
  return JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as Lock;
}

if (import.meta.main) {
  const lock = readLock();
  const missing = missingFrom(lock);
  const packages = { ...lock.packages, ...Object.fromEntries(missing) };
  for (const place of silentAboutGyp(lock)) packages[place] = { ...packages[place], gypfile: false };
  lock.packages = Object.fromEntries(Object.entries(packages).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  writeFileSync(join(root, "package-lock.json"), `${JSON.stringify(lock, null, 2)}\n`);
  process.stdout.write(`package-lock.json: ${missing.length} optional packages added\n`);
}
