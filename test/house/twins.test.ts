/** Every file in src that does something has its twin in test (`src/a/b.ts`, `test/a/b.test.ts`), or its reason here. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ROOT, reachedFrom, read, tracked } from "./support/files.ts";

/** File in src to the test that holds it to account: parts that make sense only together are tested together. */
const TESTED_BY: Readonly<Record<string, string>> = {
  "discovery/cluster.ts": "discovery/registry.test.ts",
  "discovery/conflicts.ts": "discovery/registry.test.ts",
  "discovery/peer-url.ts": "discovery/member-value.test.ts",
  "discovery/refusal.ts": "discovery/registry.test.ts",
  "discovery/group-commit.ts": "discovery/service.test.ts",
  "discovery/tokens.ts": "discovery/service.test.ts",
  "discovery/waits.ts": "discovery/service.test.ts",
  "discovery/stores/migrations.ts": "discovery/stores/sqlite.test.ts",
  "discovery/stores/sqlite-errors.ts": "discovery/stores/sqlite.test.ts",
  "discovery/stores/sqlite-file.ts": "discovery/stores/sqlite.test.ts",
  "discovery/stores/sqlite-rows.ts": "discovery/stores/sqlite.test.ts",
  "discovery/stores/sqlite-statements.ts": "discovery/stores/sqlite.test.ts",
  "discovery/stores/token-index.ts": "discovery/stores/sqlite.test.ts",
  "discovery/http/access-log.ts": "cli/serve.test.ts",
  "discovery/http/context.ts": "discovery/http/new.test.ts",
  "discovery/http/app.ts": "discovery/http/pages.test.ts",
  "discovery/http/delivery.ts": "discovery/http/http2.test.ts",
  "discovery/http/dns-metrics.ts": "cli/serve.test.ts",
  "discovery/http/failure.ts": "discovery/http/token.test.ts",
  "discovery/http/first-bytes.ts": "discovery/http/http2.test.ts",
  "discovery/http/form.ts": "discovery/http/token.test.ts",
  "discovery/http/head.ts": "discovery/http/server.test.ts",
  "discovery/http/health.ts": "discovery/http/pages.test.ts",
  "discovery/http/host-header.ts": "discovery/http/server.test.ts",
  "discovery/http/key-path.ts": "discovery/http/custom-keys.test.ts",
  "discovery/http/limits.ts": "discovery/http/new.test.ts",
  "discovery/http/methods.ts": "discovery/http/pages.test.ts",
  "discovery/http/metrics.ts": "discovery/http/pages.test.ts",
  "discovery/http/open-polls.ts": "discovery/http/long-poll.test.ts",
  "discovery/http/pipeline.ts": "discovery/http/server.test.ts",
  "discovery/http/public-url.ts": "discovery/http/client-address.test.ts",
  "discovery/http/v2-error.ts": "discovery/http/token.test.ts",
  "discovery/http/v2-node.ts": "discovery/http/token.test.ts",
  "discovery/http/warning-header.ts": "discovery/http/token.test.ts",
  "dns/bind.ts": "dns/start.test.ts",
  "dns/protocol.ts": "dns/message.test.ts",
  "dns/reply.ts": "dns/responder.test.ts",
  "dns/serving.ts": "dns/start.test.ts",
  "raft/candidate.ts": "raft/election.test.ts",
  "raft/conf-entry.ts": "raft/describe.test.ts",
  "raft/follower.ts": "raft/replication.test.ts",
  "raft/heartbeat.ts": "raft/replication.test.ts",
  "raft/raft-config.ts": "raft/raft.test.ts",
  "raft/raft-logger.ts": "raft/interaction.test.ts",
  "raft/ready.ts": "raft/raw-node.test.ts",
  "raft/status.ts": "raft/raw-node.test.ts",
  "raft/storage.ts": "raft/memory-storage.test.ts",
};

/** Not imported but run: as a thread, or as the program itself. */
const RUN_ONLY: Readonly<Record<string, string>> = {
  "dns/udp-thread.ts": "dns/udp-threads.test.ts",
  "main.ts": "cli/run.test.ts",
};

const sources = tracked.filter((file) => /^src\/.*\.ts$/.test(file)).map((file) => file.slice("src/".length));
const twinOf = (file: string): string => join("test", file.replace(/\.ts$/, ".test.ts"));

/** True for a file of types and interfaces, which does nothing that could be wrong. */
function onlyTypes(source: string): boolean {
  const code = source.replaceAll(/\/\*[\s\S]*?\*\//g, "").replaceAll(/^\s*\/\/.*$/gm, "");
  return !/\b(?:function|class|const|await)\b/.test(code);
}

test("every file that does something has its twin, or says where it is tested", () => {
  const without = sources.filter(
    (file) =>
      !existsSync(join(ROOT, twinOf(file))) &&
      !(file in TESTED_BY) &&
      !(file in RUN_ONLY) &&
      !onlyTypes(read(join("src", file))),
  );
  expect(without).toEqual([]);
});

test("a test that is said to hold a file to account uses it", () => {
  const exists = (by: string): boolean => existsSync(join(ROOT, "test", by));
  const idle = Object.entries(TESTED_BY).filter(
    ([file, by]) => !exists(by) || !reachedFrom(join("test", by)).has(join("src", file)),
  );
  expect(idle).toEqual([]);
  expect(Object.values(RUN_ONLY).filter((by) => !exists(by))).toEqual([]);
});

test("no reason is left behind for a file that is gone or has its twin", () => {
  const named = Object.keys({ ...TESTED_BY, ...RUN_ONLY });
  expect(named.filter((file) => !sources.includes(file) || existsSync(join(ROOT, twinOf(file))))).toEqual([]);
});
