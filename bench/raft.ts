/**
 * `npm run raft:bench`: three members of a group in one process, without disk or network. Proposals of 128 bytes in
 * batches of 64 go through the whole core: append, send, acknowledge, commit, apply, on every member. Prints
 * proposals a second and bytes allocated for each, by all three members together.
 */
import { cpus, loadavg } from "node:os";
import { getHeapStatistics, type HeapInfo } from "node:v8";
import { describeFlags, integer, parseFlags } from "../src/config/flags.ts";
import { assert, must } from "../src/lib/assert.ts";
import { UsageError } from "../src/lib/errors.ts";
import { EMPTY_CONF_STATE } from "../src/raft/conf.ts";
import { MemoryStorage } from "../src/raft/memory-storage.ts";
import { EntryType, NO_BYTES } from "../src/raft/message.ts";
import { SILENT } from "../src/raft/raft-logger.ts";
import { RawNode } from "../src/raft/raw-node.ts";

const IDS = [1n, 2n, 3n];
/** Entries that a member keeps for those who lag: as etcd does, older ones go when there are twice as many. */
const KEPT_ENTRIES = 5000;

interface Member {
  readonly node: RawNode;
  readonly storage: MemoryStorage;
  applied: number;
}

function newMember(id: bigint): Member {
  const storage = new MemoryStorage();
  storage.applySnapshot({
    index: 1,
    term: 1,
    confState: { ...EMPTY_CONF_STATE, voters: IDS },
    data: NO_BYTES,
  });
  const node = new RawNode({
    id,
    electionTicks: 10,
    heartbeatTicks: 1,
    storage,
    applied: 1,
    asyncStorageWrites: false,
    messageBytesMax: 512 * 1024,
    applyingBytesMax: 512 * 1024,
    uncommittedBytesMax: 64 * 1024 * 1024,
    inflightMessagesMax: 512,
    inflightBytesMax: 0,
    checkQuorum: true,
    preVote: true,
    readOnly: "safe",
    disableProposalForwarding: false,
    disableConfChangeValidation: false,
    stepDownOnRemoval: false,
    logger: SILENT,
    random: () => 0,
  });
  return { node, storage, applied: 1 };
}

/** Does what the members want until they want nothing: what a node's loop does, without waiting for anything. */
function settle(members: readonly Member[]): void {
  for (let idle = 0; idle < members.length; ) {
    for (const member of members) {
      if (!member.node.hasReady()) {
        idle++;
        continue;
      }
      idle = 0;
      const { node, storage } = member;
      const ready = node.ready();
      if (ready.hardState !== undefined) storage.setHardState(ready.hardState);
      if (ready.entries.length > 0) storage.append(ready.entries);
      for (const messages of [ready.messages, ready.messagesAfterSync]) {
        for (const message of messages) members[Number(message.to) - 1]?.node.step(message);
      }
      for (const entry of ready.committed) if (entry.type === EntryType.normal) member.applied = entry.index;
      node.advance();
      compact(member);
    }
  }
}

function compact({ storage, applied }: Member): void {
  if (applied - storage.firstIndex() >= 2 * KEPT_ENTRIES) storage.compact(applied - KEPT_ENTRIES);
}

/** Proposes `rounds` batches, and checks that every member has applied all of them. */
function drive(
  members: readonly Member[],
  leader: Member,
  batch: readonly Uint8Array[],
  rounds: number,
): void {
  const before = leader.applied;
  for (let round = 0; round < rounds; round++) {
    const result = leader.node.propose(batch);
    assert(result === "accepted", () => `proposal ${round} was ${result}`);
    settle(members);
  }
  for (const { applied } of members) {
    assert(
      applied === before + rounds * batch.length,
      () => `applied ${applied} of ${before} + ${rounds} batches`,
    );
  }
}

/** Bytes that were ever allocated on the heap of this process. */
function allocatedBytes(): number {
  const statistics: HeapInfo & { readonly total_allocated_bytes?: number } = getHeapStatistics();
  return must(statistics.total_allocated_bytes, () => "this Node does not count the bytes it allocates");
}

const FLAGS = {
  "What to propose": {
    batch: integer("Entries in one proposal", 64, 1, 10_000),
    bytes: integer("Data of an entry, made once for all: it is not the core's", 128, 0, 65_536),
    proposals: integer("Entries in one measurement", 1_000_000, 1, 100_000_000),
    rounds: integer("Measurements, after one that is not counted", 5, 1, 100),
  },
} as const;

function main(argv: readonly string[]): number {
  const { values, rest, help } = parseFlags(FLAGS, argv, process.env, "QUORATE_BENCH_");
  if (help) {
    process.stdout.write(`npm run raft:bench -- [FLAGS]\n\n${describeFlags(FLAGS, "QUORATE_BENCH_")}\n`);
    return 0;
  }
  if (rest.length > 0) throw new UsageError(`unexpected argument ${JSON.stringify(rest[0])}`);
  const { batch: size, bytes: dataBytes, rounds } = values;
  const batches = Math.ceil(values.proposals / size);
  const batch = Array.from({ length: size }, () => new Uint8Array(dataBytes));

  const members = IDS.map(newMember);
  const leader = must(members[0], () => "a group of none");
  leader.node.campaign();
  settle(members);
  drive(members, leader, batch, batches);

  process.stdout.write(
    `${cpus()[0]?.model ?? "unknown cpu"}, load ${(loadavg()[0] ?? 0).toFixed(1)}, node ${process.version}\n` +
      `${IDS.length} members in one process, batches of ${size} entries of ${dataBytes} bytes\n`,
  );
  const count = batches * size;
  for (let round = 0; round < rounds; round++) {
    const before = allocatedBytes();
    const start = performance.now();
    drive(members, leader, batch, batches);
    const rate = Math.round((count / (performance.now() - start)) * 1000).toLocaleString("en");
    const bytes = Math.round((allocatedBytes() - before) / count);
    process.stdout.write(`${rate} proposals/s, ${bytes} bytes allocated per proposal\n`);
  }
  return 0;
}

try {
  process.exitCode = main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`raft:bench: ${error.message}\n`);
  process.exitCode = 2;
}
