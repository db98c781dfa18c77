/** How many intervals the estimate looks back on. */
const WINDOW = 31;

/** Where frames are left out most of the time, one of ten intervals is still of one frame. */
export const OFTEN_LEFT_OUT = 0.1;

/** A longer gap is a pause of the studio as far as can be told from here: nothing was skipped. */
const PAUSE_TICKS = 90_000;

/**
 * Estimates the stream's frame interval from timestamps: the median of the last
 * intervals, or a shorter one, so that skipped frames do not stretch it.
 */
export class Pace {
  private last: number | undefined;
  private intervals: number[] = [];
  private estimate = 3000; // 30 fps until measured

  /** Of so many of the intervals, 0 to 1, the longest is taken. */
  constructor(private readonly part = 0.5) {}

  /** Ticks between two frames. */
  get interval(): number {
    return this.estimate;
  }

  /** Takes the next presented timestamp. Returns how many frames were left out before it. */
  add(ts: number): number {
    const previous = this.last;
    this.last = ts;
    if (previous === undefined) return 0;
    const interval = ts - previous;
    if (interval <= 0 || interval > PAUSE_TICKS) return 0;
    this.intervals.push(interval);
    if (this.intervals.length > WINDOW) this.intervals.shift();
    const sorted = [...this.intervals].sort((a, b) => a - b);
    this.estimate = sorted[Math.floor(sorted.length * this.part)]!;
    return Math.max(0, this.frames(interval) - 1);
  }

  /** A span of ticks in frames, rounded. */
  frames(ticks: number): number {
    return Math.round(ticks / this.estimate);
  }

  /** The next frame follows no other: what lies between is not skipped, it was a pause. */
  rest(): void {
    this.last = undefined;
  }
}
