/** Linearizable reads, as their leader handles them (thesis 6.4). Pure. */
import { must } from "../lib/assert.ts";
import { hex } from "./describe.ts";
import { broadcastHeartbeat } from "./heartbeat.ts";
import { type Message, MessageType, NONE } from "./message.ts";
import type { Raft } from "./raft.ts";

/**
 * Reads that may wait at once, for the first commit or for a quorum: far more than a node asks for in one election
 * timeout, as it batches its own. The next ones are dropped; who asked hears nothing and asks again.
 */
export const READS_WAITING_MAX = 4096;

/** Somebody asks from which index on a read is safe. */
export function readIndex(raft: Raft, request: Message): void {
  if (raft.readsBeforeCommit.length + raft.readOnly.length >= READS_WAITING_MAX) {
    raft.logger.warn(() => `${hex(raft.id)} dropping index reading msg: ${READS_WAITING_MAX} are waiting`);
    return;
  }
  // Until an entry of this term is committed, our commit index may lag behind what was acknowledged (step 1). That
  // holds for the only voter too, whose commit index may be lost in a crash.
  if (raft.hasCommittedInTerm()) start(raft, [request]);
  else raft.readsBeforeCommit.push(request);
}

/** Reads that waited for the first commit of this term go on their way. */
export function releaseReads(raft: Raft): void {
  const requests = raft.readsBeforeCommit;
  if (requests.length === 0) return;
  raft.readsBeforeCommit = [];
  start(raft, requests);
}

/** A heartbeat was answered, and with it perhaps some reads. */
export function confirmReads(raft: Raft, m: Message): void {
  if (raft.config.readOnly !== "safe" || m.context.length === 0) return;
  raft.readOnly.acknowledge(m.from, m.context);
  for (const { request, index } of raft.readOnly.takeConfirmed(raft.tracker.config)) {
    answer(raft, request, index);
  }
}

/** One round of heartbeats is enough for all of them. */
function start(raft: Raft, requests: readonly Message[]): void {
  const { committed } = raft.log;
  if (raft.config.readOnly === "leaseBased" || isOnlyVoter(raft)) {
    for (const request of requests) answer(raft, request, committed);
    return;
  }
  for (const request of requests) raft.readOnly.add(committed, request);
  raft.readOnly.acknowledge(raft.id, raft.readOnly.heartbeatContext());
  broadcastHeartbeat(raft);
}

function answer(raft: Raft, request: Message, index: number): void {
  if (request.from === NONE || request.from === raft.id) {
    const { data } = must(request.entries[0], () => "a read without its context");
    raft.readStates.push({ index, context: data });
  } else {
    raft.send(MessageType.readIndexResp, request.from, { index, entries: request.entries });
  }
}

/** Nobody else could have been elected. A leader that is being removed may lead a single voter that is another. */
function isOnlyVoter(raft: Raft): boolean {
  return raft.tracker.isSingleton() && raft.tracker.voters[0]?.id === raft.id;
}
