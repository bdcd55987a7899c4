/** Adds up what many runs met, in a table for people. */
import { STATES, type State, Tally } from "./coverage.ts";
import type { Outcome } from "./run.ts";
import { FAULT_KINDS, type FaultKind } from "./weather.ts";

export class Report {
  passed = 0;
  failed = 0;
  steps = 0;
  /** Ticks to rest, of the run that took longest. */
  restTicksMost = 0;
  readonly faults: Tally<FaultKind> = new Tally(FAULT_KINDS);
  readonly states: Tally<State> = new Tally(STATES);
  stranded = 0;
  private lost = 0;
  private reordered = 0;

  add({ failure, steps, faults, states, torn, restTicks, isStranded }: Outcome): void {
    if (failure === undefined) this.passed++;
    else this.failed++;
    this.steps += steps;
    if (isStranded) this.stranded++;
    this.restTicksMost = Math.max(this.restTicksMost, restTicks);
    this.faults.addAll(faults);
    this.states.addAll(states);
    this.lost += torn.lost;
    this.reordered += torn.reordered;
  }

  text(): string {
    const faults = {
      ...this.faults.counts,
      "records lost": this.lost,
      "records after a lost one": this.reordered,
    };
    return [
      `${count(this.steps)} steps; at rest at most ${this.restTicksMost} ticks after the faults`,
      `${count(this.stranded)} groups left without rest by rules that are etcd's too`,
      "faults injected",
      ...rows(faults),
      "states reached",
      ...rows(this.states.counts),
    ].join("\n");
  }
}

const count = (value: number): string => value.toLocaleString("en");

function rows(counts: Readonly<Record<string, number>>): string[] {
  return Object.entries(counts).map(([name, value]) => `${count(value).padStart(14)}  ${name}`);
}
