/**
 * One member of the simulated group: the core, its disk, its state machine and its clock, and the loop around them,
 * as `raw-node.ts` asks for it. Things take time, and it can crash between any two of them.
 */
import { must } from "../../src/lib/assert.ts";
import { RefusedError } from "../../src/lib/errors.ts";
import { describeConfChange, describeConfig, EMPTY_CONF_STATE } from "../../src/raft/conf.ts";
import { confChangeIn } from "../../src/raft/conf-entry.ts";
import {
  APPEND_THREAD,
  type Entry,
  isLocalThread,
  type Message,
  type NodeId,
} from "../../src/raft/message.ts";
import type { Raft } from "../../src/raft/raft.ts";
import { SILENT } from "../../src/raft/raft-logger.ts";
import { RawNode } from "../../src/raft/raw-node.ts";
import type { Ready } from "../../src/raft/ready.ts";
import type { Violation } from "./checkers/checker.ts";
import { changed, confStateOf, type Membership, membershipOf, sameMembership } from "./config-model.ts";
import { Disk, type DiskWrite } from "./disk.ts";
import { applyToState } from "./history.ts";
import { numberIn, payload, proposalIn } from "./payload.ts";
import type { Random } from "./random.ts";
import type { Trace } from "./trace.ts";
import type { Watch } from "./watch.ts";
import { TICK, type Weather } from "./weather.ts";

/** Numbers of the things that happen to a member, for the hash of a run. */
const EVENT = { start: 1, crash: 2, tick: 3, receive: 4, ready: 5, write: 6, apply: 7 } as const;

/** Where in its loop a member may be made to crash. */
export const CRASH_POINTS = ["now", "sent", "written", "synced", "answered", "applied"] as const;
export type CrashPoint = (typeof CRASH_POINTS)[number];

/** What a member's surroundings do for it. */
export interface Surroundings {
  readonly now: number;
  readonly random: Random;
  readonly weather: Weather;
  readonly trace: Trace;
  readonly watch: Watch;
  send(m: Message): void;
}

/** The state machine, lost in a crash and rebuilt from snapshot and log. */
export interface Machine {
  applied: number;
  state: number;
  membership: Membership;
}

interface Crash {
  readonly at: CrashPoint;
  readonly losesPower: boolean;
  readonly downFor: number;
}

/** Work that is done when its time has come. */
interface Job<T> {
  readonly work: T;
  readonly done: number;
}

export class Member {
  readonly id: NodeId;
  readonly disk: Disk;
  node: RawNode;
  machine: Machine;
  isUp = true;
  /** A member that was removed and switched off does not come back. */
  isRetired = false;
  /** Its whole process stands still until then. */
  frozenUntil = 0;
  /** Its clock stands still until then. */
  clockPausedUntil = 0;
  /** Writes take long until then. */
  diskSlowUntil = 0;
  /** Writes fail until then. */
  diskFullUntil = 0;
  /** A crash to come. */
  doom: Crash | undefined = undefined;
  /** Units of time between its ticks. */
  tickLength: number = TICK;

  private readonly world: Surroundings;
  private nextTick: number;
  private restartAt = 0;
  private writing: Job<Ready> | undefined = undefined;
  private appending: Job<readonly Message[]> | undefined = undefined;
  private appends: Message[] = [];
  private applying: Job<Message> | undefined = undefined;
  private applies: Message[] = [];
  private reports: { readonly to: NodeId; readonly result: "finished" | "failed" }[] = [];

  constructor(id: NodeId, world: Surroundings) {
    this.id = id;
    this.world = world;
    this.disk = new Disk((state) => world.watch.kept(this, state));
    this.nextTick = 1 + world.random.below(TICK);
    this.machine = { applied: 0, state: 0, membership: membershipOf(EMPTY_CONF_STATE) };
    this.node = this.boot();
  }

  get raft(): Raft {
    return this.node.raft;
  }

  /** Makes it a founder of the group: with a snapshot to begin from. */
  found(index: number, membership: Membership): void {
    const snapshot = { index, term: 1, confState: confStateOf(membership), data: payload(0) };
    this.disk.write({ hardState: { term: 1, vote: 0n, commit: index }, entries: [], snapshot });
    this.disk.sync();
    this.node = this.boot();
  }

  start(): void {
    this.isUp = true;
    this.node = this.boot();
    const { term, vote, log } = this.raft;
    this.note(
      EVENT.start,
      term,
      log.committed,
      () => `starts in term ${term}, vote ${vote}, ${log.describe()}`,
    );
    this.world.watch.started(this);
  }

  /** All that is in memory is gone, and of the disk's cache what `losesPower` makes of it. */
  crash(losesPower: boolean, downFor: number): void {
    // A write under way has reached the disk's cache in part, or not at all.
    const under =
      this.writing !== undefined ? [this.writing.work] : (this.appending?.work.map(writeOf) ?? []);
    if (this.world.now >= this.diskFullUntil) for (const write of under) this.disk.write(write);
    const { lost, reordered } = this.disk.crash(losesPower, this.world.random);
    if (lost > 0) this.world.watch.reached("recoveries that cut the log");
    this.world.watch.tore(lost, reordered);
    this.note(
      EVENT.crash,
      lost,
      reordered,
      () => `crashes${losesPower ? " without power" : ""}, ${lost} records lost`,
    );
    this.isUp = false;
    this.doom = undefined;
    this.restartAt = this.world.now + downFor;
    this.writing = undefined;
    this.appending = undefined;
    this.applying = undefined;
    this.appends = [];
    this.applies = [];
    this.reports = [];
  }

  /** One unit of time. */
  run(): void {
    const { now } = this.world;
    if (!this.isUp) {
      if (now >= this.restartAt && !this.isRetired) this.start();
      return;
    }
    if (now < this.frozenUntil || this.meets("now")) return;
    if (now >= this.nextTick) this.tickClock();
    for (const { to, result } of this.reports.splice(0)) {
      this.node.reportSnapshot(to, result);
      this.world.watch.look(this);
    }
    if (this.writing !== undefined && now >= this.writing.done && this.diskWorks())
      this.finishWrite(this.writing.work);
    if (this.isUp && this.appending !== undefined && now >= this.appending.done && this.diskWorks()) {
      this.finishAppends(this.appending.work);
    }
    if (this.isUp && this.applying !== undefined && now >= this.applying.done)
      this.finishApply(this.applying.work);
    if (this.isUp && this.writing === undefined && this.node.hasReady()) this.takeReady();
    if (this.isUp) this.beginJobs();
  }

  receive(m: Message): void {
    this.node.step(m);
    this.world.watch.look(this);
  }

  /** What became of a snapshot that it sent. */
  reportSnapshot(to: NodeId, result: "finished" | "failed"): void {
    this.reports.push({ to, result });
  }

  /** Makes a snapshot of the state machine and forgets the entries before it, but for the last few. */
  compact(keep: number): void {
    const { applied, state, membership } = this.machine;
    this.disk.sync();
    const { commit } = this.disk.durable.initialState().hardState;
    // A snapshot ahead of the stored commit index would be passed over by recovery.
    if (applied <= this.disk.durable.snapshot().index || applied > commit) return;
    this.disk.compact(applied, confStateOf(membership), payload(state >>> 0), applied - keep);
    this.world.watch.reached("snapshots taken");
  }

  private boot(): RawNode {
    const { weather, random } = this.world;
    const snapshot = this.disk.view.snapshot();
    this.machine = {
      applied: snapshot.index,
      state: snapshot.index === 0 ? 0 : numberIn(snapshot.data) | 0,
      membership: membershipOf(snapshot.confState),
    };
    return new RawNode({
      id: this.id,
      electionTicks: weather.electionTicks,
      heartbeatTicks: 1,
      storage: this.disk.view,
      applied: snapshot.index,
      asyncStorageWrites: weather.asyncStorageWrites,
      messageBytesMax: weather.tight ? 60 : 4096,
      applyingBytesMax: weather.tight ? 80 : 4096,
      uncommittedBytesMax: weather.tightProposals ? 120 : 65_536,
      inflightMessagesMax: weather.tight ? 2 : 64,
      inflightBytesMax: weather.tight ? 90 : 0,
      checkQuorum: weather.checkQuorum,
      preVote: weather.preVote,
      readOnly: weather.leaseReads ? "leaseBased" : "safe",
      disableProposalForwarding: false,
      disableConfChangeValidation: false,
      stepDownOnRemoval: weather.stepDownOnRemoval,
      logger: SILENT,
      random: (limit) => random.below(limit),
    });
  }

  private tickClock(): void {
    const { now, trace } = this.world;
    this.nextTick = now + this.tickLength;
    if (now < this.clockPausedUntil) return;
    trace.event(now, EVENT.tick, Number(this.id), this.raft.term, () => `${this.id} tick`);
    this.node.tick();
    this.world.watch.look(this);
  }

  private takeReady(): void {
    const ready = this.node.ready();
    const { watch, weather, now } = this.world;
    this.note(EVENT.ready, ready.entries.length, ready.messages.length, () => {
      const { role, term, log } = this.raft;
      const first = ready.entries[0]?.index;
      const wrote = first === undefined ? "" : `, writes ${first}-${ready.entries.at(-1)?.index}`;
      return `ready as ${role} of term ${term} [${log.describe()}]${wrote}`;
    });
    watch.wrote(this, ready.entries);
    for (const state of ready.readStates) watch.readAnswered(this, numberIn(state.context), state);
    for (const m of ready.messages) {
      if (!isLocalThread(m.to)) this.world.send(m);
      else if (m.to === APPEND_THREAD) this.appends.push(m);
      else this.applies.push(m);
    }
    if (this.meets("sent") || weather.asyncStorageWrites) return;
    this.writing = { work: ready, done: now + this.writeTime() };
    if (this.writing.done === now && this.diskWorks()) this.finishWrite(ready);
  }

  /** The plain loop: all that a `Ready` says, then `advance`. */
  private finishWrite(ready: Ready): void {
    this.store(ready);
    this.note(EVENT.write, ready.entries.length, ready.mustSync ? 1 : 0, () => "wrote");
    this.writing = { work: { ...ready, hardState: undefined, entries: [], snapshot: undefined }, done: 0 };
    if (this.meets("written")) return;
    if (ready.mustSync || ready.snapshot !== undefined) this.disk.sync();
    if (this.meets("synced")) return;
    this.restore(ready);
    for (const m of ready.messagesAfterSync) this.world.send(m);
    if (this.meets("answered")) return;
    this.apply(ready.committed);
    if (this.meets("applied")) return;
    this.writing = undefined;
    this.node.advance();
    this.world.watch.look(this);
  }

  private beginJobs(): void {
    const { now, random } = this.world;
    if (this.appending === undefined && this.appends.length > 0) {
      // Several writes may share one sync.
      const work = this.appends.splice(0, random.between(1, 3));
      this.appending = { work, done: now + this.writeTime() };
    }
    if (this.applying === undefined) {
      const work = this.applies.shift();
      if (work !== undefined) this.applying = { work, done: now + random.below(3) };
    }
  }

  private finishAppends(orders: readonly Message[]): void {
    const writes = orders.map(writeOf);
    for (const write of writes) this.store(write);
    this.note(EVENT.write, orders.length, 0, () => `wrote ${orders.length} orders`);
    this.appending = { work: [], done: 0 };
    if (this.meets("written")) return;
    const owes = orders.some(({ responses }) => responses.length > 0);
    if (owes || writes.some(({ entries, snapshot }) => entries.length > 0 || snapshot !== undefined))
      this.disk.sync();
    if (this.meets("synced")) return;
    for (const write of writes) this.restore(write);
    this.appending = undefined;
    for (const { responses } of orders) this.respond(responses);
    this.meets("answered");
  }

  private finishApply(order: Message): void {
    this.applying = undefined;
    this.apply(order.entries);
    if (this.meets("applied")) return;
    this.respond(order.responses);
  }

  private respond(responses: readonly Message[]): void {
    for (const m of responses) {
      if (m.to === this.id) this.receive(m);
      else this.world.send(m);
    }
  }

  private store(write: DiskWrite): void {
    const first = write.entries[0];
    if (first !== undefined && first.index <= this.disk.view.lastIndex())
      this.world.watch.reached("logs truncated");
    this.disk.write(write);
  }

  /** A snapshot that is stored takes the place of the state machine. */
  private restore({ snapshot }: DiskWrite): void {
    if (snapshot === undefined || snapshot.index <= this.machine.applied) return;
    const { index, confState, data } = snapshot;
    this.machine = { applied: index, state: numberIn(data) | 0, membership: membershipOf(confState) };
    this.world.watch.restored(this, snapshot);
  }

  private apply(entries: readonly Entry[]): void {
    const { watch } = this.world;
    for (const entry of entries) {
      const { machine } = this;
      // Handed out before the snapshot that has replaced it was received.
      if (entry.index <= machine.applied) continue;
      if (entry.index !== machine.applied + 1) {
        throw watch.violation(`${this.id} was to apply ${entry.index} after ${machine.applied}`);
      }
      machine.applied = entry.index;
      machine.state = applyToState(machine.state, entry);
      this.applyChange(entry);
      this.note(
        EVENT.apply,
        entry.index,
        machine.state,
        () => `applied ${entry.index} of term ${entry.term}`,
      );
      watch.applied(this, entry);
      const proposal = proposalIn(entry);
      if (proposal !== undefined) watch.appliedProposal(this, proposal, entry.index);
    }
  }

  /** As etcd does with a change that its own rules forbid: everybody passes over the same. */
  private applyChange(entry: Entry): void {
    const change = confChangeIn(entry);
    if (change === undefined) return;
    const { watch } = this.world;
    const before = this.machine.membership;
    const expected = changed(before, change);
    if (expected !== undefined) this.machine.membership = expected;
    try {
      const config = this.node.applyConfChange(change);
      // With a snapshot on its way to the disk, the core is ahead of the state machine.
      if (this.raft.log.hasSnapshotPending()) return;
      if (expected === undefined || !sameMembership(membershipOf(config), expected)) {
        throw this.differs(before, describeConfChange(change), describeConfig(config));
      }
      watch.changed(this, before, expected);
      watch.look(this);
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error;
      if (expected !== undefined) throw this.differs(before, describeConfChange(change), error.message);
      watch.reached("membership changes passed over");
    }
  }

  private differs(before: Membership, change: string, result: string): Violation {
    return this.world.watch.violation(
      `${this.id} made of ${describeConfig(confStateOf(before))} by ${change}: ${result}; the model says otherwise`,
    );
  }

  /** True if it crashes here: it does nothing more then. */
  private meets(point: CrashPoint): boolean {
    if (this.doom?.at !== point) return false;
    const { losesPower, downFor } = must(this.doom, () => "no doom");
    this.crash(losesPower, downFor);
    return true;
  }

  /** False while the disk is full: writes are tried again until there is room. */
  private diskWorks(): boolean {
    return this.world.now >= this.diskFullUntil;
  }

  private writeTime(): number {
    const { now, random, weather } = this.world;
    if (weather.leaseReads) return 0;
    return now < this.diskSlowUntil ? random.between(2 * TICK, 8 * TICK) : random.below(3);
  }

  private note(kind: number, first: number, second: number, text: () => string): void {
    const { trace, now } = this.world;
    trace.event(now, kind * 8 + Number(this.id), first, second, () => `${this.id} ${text()}`);
  }
}

/** The order of a storageAppend message: its term is 0 where it has no hard state. */
function writeOf(m: Message): DiskWrite {
  const { term, vote, commit, entries, snapshot } = m;
  return { hardState: term === 0 ? undefined : { term, vote, commit }, entries, snapshot };
}
