// Finds a Node that can run quorate and becomes it. Runs on any Node from 18 on.
"use strict";
const { existsSync } = require("node:fs");
const path = require("node:path");
const { spawn } = require("node:child_process");

// The oldest Node that runs TypeScript by erasing its types, without a flag.
const OLDEST = [22, 18];
const PINNED = path.join(
  __dirname,
  "../node_modules/node/bin",
  process.platform === "win32" ? "node.exe" : "node",
);

/** The Node that package.json pins, or this one when it is new enough, or undefined. */
function findNode(version = process.versions.node, pinned = PINNED) {
  if (existsSync(pinned)) return pinned;
  const [major, minor] = version.split(".").map(Number);
  return major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1]) ? process.execPath : undefined;
}

/** Replaces this process by `node file args`; where that cannot be, stays as a parent that passes signals on. */
function runUnderRightNode(file, args, node = findNode()) {
  if (node === undefined) {
    console.error(
      `quorate needs Node ${OLDEST.join(".")} or newer and this is ${process.version}: ` +
        "run `npm ci` in its folder (it brings the right one), or install a newer Node",
    );
    process.exit(1);
  }
  // Some of the Nodes between 22.18 and 24 call the erasing of types experimental, on a stream that holds only logs.
  const argv = [node, "--disable-warning=ExperimentalWarning", file, ...args];
  if (typeof process.execve === "function" && process.platform !== "win32") {
    process.removeAllListeners("warning");
    process.on("warning", () => {}); // execve announces itself as experimental
    process.execve(node, argv);
  }
  const child = spawn(node, argv.slice(1), { stdio: "inherit" });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2"]) {
    try {
      process.on(signal, () => child.kill(signal));
    } catch {
      // A platform without this signal has nothing to pass on.
    }
  }
  child.on("error", (error) => {
    console.error(`quorate: cannot start ${node}: ${error.message}`);
    process.exit(1);
  });
  child.on("exit", (code, signal) => {
    if (signal === null) process.exit(code === null ? 1 : code);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}

module.exports = { PINNED, findNode, runUnderRightNode };
