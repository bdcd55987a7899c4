/** What happened, as a number that tells two runs apart, and as text where somebody wants to read it. */

export class Trace {
  /** Of everything that happened so far, in its order. */
  hash = 0x811c9dc5;
  /** Things that happened. */
  steps = 0;
  /** The last of them in words; empty unless they were wanted. */
  readonly lines: string[] = [];
  private readonly kept: number;

  /** @param kept How many lines to keep; 0 for none, which is faster. */
  constructor(kept: number) {
    this.kept = kept;
  }

  /** @param text Called only where lines are kept. */
  event(now: number, kind: number, first: number, second: number, text: () => string): void {
    this.steps++;
    this.mix(now);
    this.mix(kind);
    this.mix(first);
    this.mix(second);
    if (this.kept === 0) return;
    this.lines.push(`${String(now).padStart(6)} ${text()}`);
    if (this.lines.length > 2 * this.kept) this.lines.splice(0, this.kept);
  }

  private mix(value: number): void {
    this.hash = Math.imul(this.hash ^ value, 0x01000193);
    this.hash ^= this.hash >>> 15;
  }
}
