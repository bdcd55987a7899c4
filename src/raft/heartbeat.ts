/** Heartbeats of a leader (paper, 5.2). Pure. */
import { MessageType } from "./message.ts";
import type { Raft } from "./raft.ts";

/** Tells everybody else that this is the leader; and asks them to confirm it, for the reads that wait. */
export function broadcastHeartbeat(raft: Raft): void {
  const context = raft.readOnly.heartbeatContext();
  for (const member of raft.tracker.members) {
    if (member.id === raft.id) continue;
    // Not past what is known to match: a follower would take entries of its own, which differ, for committed.
    const commit = Math.min(member.match, raft.log.committed);
    raft.send(MessageType.heartbeat, member.id, { commit, context });
    member.sentCommitIndex(commit);
  }
}
