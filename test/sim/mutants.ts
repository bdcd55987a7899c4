/**
 * Faults that somebody might make in the core, each as a replacement of text in one file of src/raft. A simulator is
 * trusted while it finds them: each within so many seeds from the first.
 */

export interface Mutant {
  readonly name: string;
  /** In src/raft. */
  readonly file: string;
  /** Stands there exactly once. */
  readonly text: string;
  readonly replacement: string;
  /** It must be found by then. */
  readonly seedsMax: number;
}

export const MUTANTS: readonly Mutant[] = [
  {
    name: "votes count twice",
    file: "quorum.ts",
    text: "else if (answer) granted++;",
    replacement: "else if (answer) granted += 2;",
    seedsMax: 500,
  },
  {
    name: "half of the voters are a majority",
    file: "quorum.ts",
    text: "if (support >= needed) committed = index;",
    replacement: "if (support >= needed - 1) committed = index;",
    seedsMax: 500,
  },
  {
    name: "entries of an earlier term are committed by count (paper, figure 8)",
    file: "log.ts",
    text: "if (index <= this.committed || !this.matchTerm(term, index)) return false;",
    replacement: "if (index <= this.committed || term === 0) return false;",
    seedsMax: 500,
  },
  {
    name: "a vote is not part of the hard state",
    file: "raw-node.ts",
    text: "return term !== hardState.term || vote !== hardState.vote || log.committed !== hardState.commit;",
    replacement: "return term !== hardState.term || (vote === NONE && log.committed !== hardState.commit);",
    seedsMax: 500,
  },
  {
    name: "votes are sent before they are stored",
    file: "election.ts",
    text: "raft.messagesAfterAppend.push(message(responseType(m.type), raft.id, m.from, term, { reject: !granted }));",
    replacement:
      "raft.messages.push(message(responseType(m.type), raft.id, m.from, term, { reject: !granted }));",
    seedsMax: 500,
  },
  {
    name: "appends are acknowledged before they are stored",
    file: "raft.ts",
    text: "this.messagesAfterAppend.push(message(MessageType.appResp, this.id, to, this.term, fields));",
    replacement:
      "(to === this.id ? this.messagesAfterAppend : this.messages).push(message(MessageType.appResp, this.id, to, this.term, fields));",
    seedsMax: 1000,
  },
  {
    name: "a leader counts itself before it has stored",
    file: "leader.ts",
    text: "raft.acknowledge(raft.id, { index: raft.log.append(entries) });",
    replacement: "raft.tracker.progress(raft.id)?.acknowledge(raft.log.append(entries));",
    seedsMax: 1000,
  },
  {
    name: "reads need no quorum",
    file: "reads.ts",
    text: "|| isOnlyVoter(raft)) {",
    replacement: "|| isOnlyVoter(raft) || raft.id > 0n) {",
    seedsMax: 500,
  },
  {
    name: "reads are served before the first commit of a term",
    file: "reads.ts",
    text: "if (raft.hasCommittedInTerm()) start(raft, [request]);",
    replacement: "if (raft.term > 0) start(raft, [request]);",
    seedsMax: 1000,
  },
  {
    name: "the only voter answers reads for whoever leads, though it is another",
    file: "reads.ts",
    text: "return raft.tracker.isSingleton() && raft.tracker.voters[0]?.id === raft.id;",
    replacement: "return raft.tracker.isSingleton();",
    seedsMax: 10_000,
  },
  {
    name: "one answer to a heartbeat confirms a read",
    file: "read-only.ts",
    text: "jointCommitted(config.voters, config.votersOutgoing, (id) => this.acks.get(id))",
    replacement:
      "jointCommitted([0n], [], () => Math.max(0, ...this.acks.values()) + 0 * config.voters.length)",
    seedsMax: 5000,
  },
  {
    name: "an append is taken whatever stands before it",
    file: "log.ts",
    text: "if (!this.matchTerm(prevTerm, prevIndex)) return undefined;",
    replacement: "if (prevIndex > this.lastIndex() || prevTerm < 0) return undefined;",
    seedsMax: 1000,
  },
  {
    name: "entries that differ are left as they are",
    file: "log.ts",
    text: "if (this.matchTerm(term, index)) continue;",
    replacement: "if (this.matchTerm(term, index) || index <= this.lastIndex()) continue;",
    seedsMax: 500,
  },
  {
    name: "an old append cuts the log (paper, 5.3: only if an entry conflicts)",
    file: "log.ts",
    text: "const conflict = this.findConflict(entries);",
    replacement: "const conflict = this.findConflict(entries) || (entries[0]?.index ?? 0);",
    seedsMax: 1000,
  },
  {
    name: "heartbeats carry the leader's commit index, past the match",
    file: "heartbeat.ts",
    text: "const commit = Math.min(member.match, raft.log.committed);",
    replacement: "const commit = raft.log.committed;",
    seedsMax: 500,
  },
  {
    name: "votes go to logs that are out of date",
    file: "election.ts",
    text: "const granted = canVote && raft.log.isUpToDate(m.logTerm, m.index);",
    replacement: "const granted = canVote;",
    seedsMax: 500,
  },
  {
    name: "the longer log wins, whatever its last term",
    file: "log.ts",
    text: "return term > ours || (term === ours && index >= this.lastIndex());",
    replacement: "return index >= this.lastIndex() && ours + term >= 0;",
    seedsMax: 2000,
  },
  {
    name: "a second vote in the same term",
    file: "election.ts",
    text: "(raft.vote === NONE && raft.leader === NONE) ||",
    replacement: "raft.leader === NONE ||",
    seedsMax: 500,
  },
  {
    name: "the stored vote is forgotten in a restart",
    file: "raft.ts",
    text: "this.vote = state.vote;",
    replacement: "this.vote = NONE;",
    seedsMax: 2000,
  },
  {
    name: "a joint commit needs the incoming half only",
    file: "quorum.ts",
    text: "return Math.min(majorityCommitted(incoming, acked), majorityCommitted(outgoing, acked));",
    replacement: "return Math.min(majorityCommitted(incoming, acked), outgoing.length + Infinity);",
    seedsMax: 500,
  },
  {
    name: "a joint election needs the incoming half only",
    file: "quorum.ts",
    text: "const second = majorityVote(outgoing, vote);",
    replacement: "const second = majorityVote(outgoing.slice(0, 0), vote);",
    seedsMax: 2000,
  },
  {
    name: "the joint configuration is left as soon as it is entered",
    file: "confchange.ts",
    text: "draft.apply(changes);\n  return draft.result(autoLeave);",
    replacement: "draft.apply(changes);\n  return leaveJoint(draft.result(autoLeave).config);",
    seedsMax: 200,
  },
  {
    name: "learners vote on commits",
    file: "confchange.ts",
    text: 'case "addLearnerNode":\n          this.#makeLearner(nodeId);',
    replacement: 'case "addLearnerNode":\n          this.#makeVoter(nodeId);',
    seedsMax: 200,
  },
  {
    name: "a snapshot leaves the log it replaces",
    file: "unstable.ts",
    text: "this.offsetInProgress = this.offset;\n    this.entries = [];\n    this.snapshot = snapshot;",
    replacement: "this.offsetInProgress = this.offset;\n    this.snapshot = snapshot;",
    seedsMax: 2000,
  },
  {
    name: "a change is applied on top of a snapshot that has it",
    file: "raft.ts",
    text: "if (this.log.hasSnapshotPending()) return this.tracker.config;",
    replacement: "",
    seedsMax: 20_000,
  },
  {
    name: "entries that replace some being written are never written",
    file: "unstable.ts",
    text: "this.offsetInProgress = Math.min(this.offsetInProgress, from);",
    replacement: "this.offsetInProgress = Math.max(this.offsetInProgress, this.offset);",
    seedsMax: 500,
  },
  {
    name: "a refused append counts as taken",
    file: "replication.ts",
    text: "if (m.reject) {",
    replacement: "if (m.reject && m.index < 0) {",
    seedsMax: 500,
  },
  {
    name: "a transfer that fails is waited for for ever",
    file: "raft.ts",
    text: "// A transfer that took an election timeout has failed: lead on.\n      this.transferee = NONE;",
    replacement: "",
    seedsMax: 1000,
  },
  {
    name: "a refused probe is not repeated further back",
    file: "progress.ts",
    text: "this.next = Math.max(Math.min(rejected, hint + 1), this.match + 1);",
    replacement: "this.next = Math.max(rejected + 1, this.match + 1 + 0 * hint);",
    seedsMax: 500,
  },
  {
    name: "a leader of an older term is still believed",
    file: "raft.ts",
    text: "} else if (m.term !== 0 && m.term < this.term) {",
    replacement: "} else if (m.term !== 0 && m.term < this.term && m.type !== MessageType.app) {",
    seedsMax: 1000,
  },
];
