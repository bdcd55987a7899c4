/** Elections: how they start, and who gets a vote (paper, 5.2 and 5.4.1; thesis 3.10, 6.2, 9.6). Pure. */
import { assert } from "../lib/assert.ts";
import { hex, messageTypeName } from "./describe.ts";
import { EntryType, type Message, MessageType, message, NO_BYTES, NONE } from "./message.ts";
import type { Raft } from "./raft.ts";

/** What an election is held for. A transfer is wanted by the leader: it needs no pre-vote, and breaks its lease. */
export type CampaignKind = "preElection" | "election" | "transfer";

/** The context of votes for a transfer, as etcd writes it: `CampaignTransfer` in ASCII. */
const TRANSFER_CONTEXT = Uint8Array.from("CampaignTransfer", (letter) => letter.charCodeAt(0));

/** Starts an election, if this member may. */
export function hup(raft: Raft, kind: CampaignKind): void {
  if (raft.role === "leader") {
    raft.logger.debug(() => `${hex(raft.id)} ignoring MsgHup because already leader`);
    return;
  }
  if (!raft.isPromotable()) {
    raft.logger.warn(() => `${hex(raft.id)} is unpromotable and can not campaign`);
    return;
  }
  if (hasUnappliedConfChange(raft)) {
    raft.logger.warn(
      () =>
        `${hex(raft.id)} cannot campaign at term ${raft.term} since there are still pending configuration changes to apply`,
    );
    return;
  }
  raft.logger.info(() => `${hex(raft.id)} is starting a new election at term ${raft.term}`);
  campaign(raft, kind);
}

/** Asks all voters for their votes, itself too: its own counts once it is durable. */
export function campaign(raft: Raft, kind: CampaignKind): void {
  const isPreElection = kind === "preElection";
  if (isPreElection) raft.becomePreCandidate();
  else raft.becomeCandidate();
  const type = isPreElection ? MessageType.preVote : MessageType.vote;
  const term = isPreElection ? raft.term + 1 : raft.term;
  const index = raft.log.lastIndex();
  const logTerm = raft.log.lastTerm();
  const context = kind === "transfer" ? TRANSFER_CONTEXT : NO_BYTES;
  for (const { id } of raft.tracker.voters) {
    if (id === raft.id) {
      raft.messagesAfterAppend.push(message(responseType(type), raft.id, id, term));
      continue;
    }
    raft.logger.info(
      () =>
        `${hex(raft.id)} [logterm: ${logTerm}, index: ${index}] sent ${messageTypeName(type)} request to ${hex(id)} ` +
        `at term ${raft.term}`,
    );
    raft.messages.push(message(type, raft.id, id, term, { index, logTerm, context }));
  }
}

/**
 * True if a member that hears of its leader does not even look at a request for votes (thesis 6.2): the leader counts
 * on that for its lease. A transfer has the leader's consent.
 */
export function refusesElections(raft: Raft, m: Message): boolean {
  const { checkQuorum, electionTicks } = raft.config;
  const inLease = checkQuorum && raft.leader !== NONE && raft.electionElapsed < electionTicks;
  if (!inLease || isTransfer(m)) return false;
  raft.logger.info(
    () =>
      `${lastEntryAndVote(raft)} ignored ${messageTypeName(m.type)} from ${hex(m.from)} ` +
      `[logterm: ${m.logTerm}, index: ${m.index}] at term ${raft.term}: lease is not expired ` +
      `(remaining ticks: ${electionTicks - raft.electionElapsed})`,
  );
  return true;
}

/**
 * Answers a request for a vote or pre-vote. The vote goes to one candidate a term, whose log is at least as up to date
 * as ours (paper, 5.2 and 5.4.1). Learners vote too: who asks them may know of a promotion that they have yet to hear
 * of, and a candidate that counts them wrongly lacks the entry that says so, hence also a quorum.
 */
export function answerVoteRequest(raft: Raft, m: Message): void {
  const isPreVote = m.type === MessageType.preVote;
  const canVote =
    m.term >= raft.term &&
    (raft.vote === m.from ||
      (raft.vote === NONE && raft.leader === NONE) ||
      (isPreVote && m.term > raft.term));
  const granted = canVote && raft.log.isUpToDate(m.logTerm, m.index);
  raft.logger.info(
    () =>
      `${lastEntryAndVote(raft)} ${granted ? "cast" : "rejected"} ${messageTypeName(m.type)} ` +
      `${granted ? "for" : "from"} ${hex(m.from)} [logterm: ${m.logTerm}, index: ${m.index}] at term ${raft.term}`,
  );
  // A grant answers in the term that was asked about, which for a pre-vote is not ours; a refusal tells ours.
  const term = granted ? m.term : raft.term;
  raft.messagesAfterAppend.push(message(responseType(m.type), raft.id, m.from, term, { reject: !granted }));
  if (!granted || isPreVote) return;
  raft.electionElapsed = 0;
  raft.vote = m.from;
}

function responseType(type: MessageType): MessageType {
  return type === MessageType.preVote ? MessageType.preVoteResp : MessageType.voteResp;
}

function isTransfer(m: Message): boolean {
  return (
    m.context.length === TRANSFER_CONTEXT.length &&
    m.context.every((byte, place) => byte === TRANSFER_CONTEXT[place])
  );
}

function lastEntryAndVote(raft: Raft): string {
  const { log, vote } = raft;
  return `${hex(raft.id)} [logterm: ${log.lastTerm()}, index: ${log.lastIndex()}, vote: ${hex(vote)}]`;
}

/**
 * True if a committed configuration change is still to be applied here: this member might campaign by a configuration
 * that the others have left behind. Read page by page, within the bound on entries being applied.
 */
function hasUnappliedConfChange(raft: Raft): boolean {
  const { log } = raft;
  const end = log.committed + 1;
  for (let at = log.applied + 1; at < end; ) {
    const page = log.slice(at, end, log.applyingBytesMax);
    assert(
      typeof page !== "string" && page.length > 0,
      () => `entries [${at}, ${end}) were compacted unapplied`,
    );
    if (page.some((entry) => entry.type !== EntryType.normal)) return true;
    at += page.length;
  }
  return false;
}
