// Runs a TypeScript file of this project under the pinned Node, installing what is missing first.
// It is what `npm start` and `npm test` call, so it must itself run on any Node from 18 on.
"use strict";
const { existsSync, readFileSync } = require("node:fs");
const path = require("node:path");
const { spawnSync } = require("node:child_process");
const { PINNED, runUnderRightNode } = require("../bin/runtime.cjs");

const ROOT = path.join(__dirname, "..");

/** True when every package of the lock file that this machine needs is in node_modules at its version. */
function isInstalled(root) {
  const installedLock = path.join(root, "node_modules/.package-lock.json");
  if (!existsSync(installedLock)) return false;
  const wanted = JSON.parse(readFileSync(path.join(root, "package-lock.json"), "utf8")).packages;
  const have = JSON.parse(readFileSync(installedLock, "utf8")).packages;
  return Object.entries(wanted).every(
    ([place, entry]) =>
      place === "" || (have[place] ? have[place].version === entry.version : entry.optional === true),
  );
}

/** @returns whether npm did it; what it says goes to standard error, where it does not mix with a command's output. */
function npm(args) {
  // npm tells its scripts where it is; outside of npm the one on the PATH serves.
  const cli = process.env.npm_execpath;
  const options = { cwd: ROOT, stdio: ["ignore", 2, 2] };
  const done =
    cli && path.basename(cli) === "npm-cli.js"
      ? spawnSync(process.execPath, [cli, ...args], options)
      : spawnSync("npm", args, { ...options, shell: process.platform === "win32" });
  if (done.error) console.error(`quorate: cannot run npm: ${done.error.message}`);
  return done.status === 0;
}

function installMissing() {
  if (!isInstalled(ROOT)) {
    console.error("quorate: installing dependencies (npm ci), once ...");
    // Development dependencies too, whatever NODE_ENV says: the pinned Node is one. Warnings (this Node is too old
    // for some packages) do not concern anybody: the packages run under the pinned one.
    if (!npm(["ci", "--include=dev", "--no-audit", "--no-fund", "--loglevel=error"])) {
      console.error("quorate: `npm ci` failed for the reason above; put that right and start again");
      process.exit(1);
    }
  }
  // Where install scripts are switched off (ignore-scripts in .npmrc), the pinned Node has not been put in its place.
  if (!existsSync(PINNED)) npm(["rebuild", "node", "--ignore-scripts=false", "--loglevel=error"]);
}

module.exports = { isInstalled };

if (require.main === module) {
  const [file, ...args] = process.argv.slice(2);
  installMissing();
  runUnderRightNode(path.join(ROOT, file), args);
}
