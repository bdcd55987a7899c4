// Runs a TypeScript file of this project under the pinned Node, installing what is missing first.
// It is what `npm start` and `npm test` call, so it must itself run on any Node from 18 on.
"use strict";
const { existsSync, readFileSync } = require("node:fs");
const path = require("node:path");
const { spawnSync } = require("node:child_process");
const { runUnderPinnedNode } = require("../bin/runtime.cjs");

const root = path.join(__dirname, "..");

/** True when every package of the lock file that this machine needs is in node_modules at its version. */
function isInstalled() {
  const installedLock = path.join(root, "node_modules/.package-lock.json");
  if (!existsSync(installedLock)) return false;
  const wanted = JSON.parse(readFileSync(path.join(root, "package-lock.json"), "utf8")).packages;
  const have = JSON.parse(readFileSync(installedLock, "utf8")).packages;
  return Object.entries(wanted).every(
    ([place, entry]) =>
      place === "" || (have[place] ? have[place].version === entry.version : entry.optional === true),
  );
}

function npm(args) {
  // npm tells its scripts where it is; outside of npm the one on the PATH serves.
  const cli = process.env.npm_execpath;
  const options = { cwd: root, stdio: ["ignore", 2, "inherit"] };
  const done =
    cli && cli.endsWith(".js")
      ? spawnSync(process.execPath, [cli, ...args], options)
      : spawnSync("npm", args, { ...options, shell: process.platform === "win32" });
  if (done.status !== 0) {
    console.error(
      `quorate: \`npm ${args.join(" ")}\` failed; see its messages above, then run it by hand`,
    );
    process.exit(1);
  }
}

if (!isInstalled()) {
  console.error("quorate: installing dependencies (npm ci), once ...");
  npm(["ci", "--no-audit", "--no-fund"]);
}
if (!existsSync(path.join(root, "node_modules/node/bin"))) npm(["rebuild", "node"]);

const [file, ...args] = process.argv.slice(2);
runUnderPinnedNode(path.join(root, file), args);
