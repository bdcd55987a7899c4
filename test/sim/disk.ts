/**
 * A member's disk. What was written is there to be read at once; what of it outlives a loss of power is what was
 * synced, and of the rest as much as the log's reader can use: the log is a sequence of records with checksums, so
 * that it ends at the first one that is torn or missing, whatever may have reached the platter behind it.
 */
import type { ConfState } from "../../src/raft/conf.ts";
import { MemoryStorage } from "../../src/raft/memory-storage.ts";
import type { Entry, HardState, Snapshot } from "../../src/raft/message.ts";
import type { Random } from "./random.ts";

/** What is written as one record: whole, or not at all. */
interface DiskRecord {
  readonly snapshot: Snapshot | undefined;
  readonly entry: Entry | undefined;
  readonly hardState: HardState | undefined;
}

/** What is written at once; see `Ready`. */
export interface DiskWrite {
  readonly hardState: HardState | undefined;
  readonly entries: readonly Entry[];
  readonly snapshot: Snapshot | undefined;
}

export interface CrashReport {
  readonly lost: number;
  readonly reordered: number;
}

export class Disk {
  /** What the running member reads. */
  view: MemoryStorage = new MemoryStorage();
  /** What is there whatever happens. */
  readonly durable: MemoryStorage = new MemoryStorage();
  /** Called with each hard state that has become durable. */
  private readonly kept: (state: HardState) => void;
  private pending: DiskRecord[] = [];

  constructor(kept: (state: HardState) => void) {
    this.kept = kept;
  }

  get isSynced(): boolean {
    return this.pending.length === 0;
  }

  write(what: DiskWrite): void {
    const { hardState, entries, snapshot } = what;
    // A snapshot is of use only with the commit index that covers it: recovery passes over one without.
    if (snapshot !== undefined) this.record({ snapshot, entry: undefined, hardState });
    for (const entry of entries) this.record({ snapshot: undefined, entry, hardState: undefined });
    if (hardState !== undefined && snapshot === undefined) {
      this.record({ snapshot: undefined, entry: undefined, hardState });
    }
  }

  sync(): void {
    for (const record of this.pending) this.keep(record);
    this.pending = [];
  }

  /** The program ends, and with `losesPower` the machine: then records that were not synced are lost here and there. */
  crash(losesPower: boolean, random: Random): CrashReport {
    let lost = 0;
    let reordered = 0;
    const lossPermille = random.pick([100, 500, 1000]);
    for (const record of this.pending) {
      const isLost = losesPower && random.chance(lossPermille);
      if (isLost) lost++;
      else if (lost > 0) reordered++;
      else this.keep(record);
    }
    this.pending = [];
    this.view = this.recovered();
    return { lost, reordered };
  }

  /** Puts the state machine as of `index` on the disk, and forgets the entries up to `upTo`. */
  compact(index: number, config: ConfState, data: Uint8Array, upTo: number): void {
    this.sync();
    for (const storage of [this.view, this.durable]) {
      storage.createSnapshot(index, config, data);
      if (upTo >= storage.firstIndex()) storage.compact(upTo);
    }
  }

  private record(record: DiskRecord): void {
    put(this.view, record);
    this.pending.push(record);
  }

  private keep(record: DiskRecord): void {
    put(this.durable, record);
    if (record.hardState !== undefined) this.kept(record.hardState);
  }

  private recovered(): MemoryStorage {
    const { durable } = this;
    const storage = new MemoryStorage();
    const snapshot = durable.snapshot();
    // Entries before the snapshot's end may be there still; a member that starts has no use for them but to send them.
    const first = durable.firstIndex();
    const last = durable.lastIndex();
    const before = first - 1;
    if (before > 0 && before < snapshot.index) {
      const term = durable.term(before);
      storage.applySnapshot({ ...snapshot, index: before, term: typeof term === "number" ? term : 0 });
    } else {
      storage.applySnapshot(snapshot);
    }
    if (last >= first) {
      const entries = durable.entries(first, last + 1, Infinity);
      if (typeof entries !== "string") storage.append(entries);
    }
    if (snapshot.index > storage.snapshot().index) {
      storage.createSnapshot(snapshot.index, snapshot.confState, snapshot.data);
    }
    storage.setHardState(durable.initialState().hardState);
    return storage;
  }
}

function put(storage: MemoryStorage, { snapshot, entry, hardState }: DiskRecord): void {
  if (snapshot !== undefined && snapshot.index > storage.snapshot().index) storage.applySnapshot(snapshot);
  if (entry !== undefined) storage.append([entry]);
  if (hardState !== undefined) storage.setHardState(hardState);
}
