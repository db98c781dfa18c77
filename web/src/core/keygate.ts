import { KEY_HOLE_TICKS, KEY_PATIENCE_MS } from "./frameorder.js";
import { Pace } from "./pace.js";
import { extend32 } from "./timestamp.js";

/** What lacks so far behind the newest is not waited for any more: 250 ms. */
const GIVEN_UP_TICKS = 22_500;

/** What to do after something happened. */
export interface Passage<T> {
  /** What goes on to the decoder, in this order. */
  pass: T[];
  /** Find out whether packets were lost lately, and say so with `answer`. */
  ask: boolean;
}

/**
 * Stands before a browser's own decoder, which takes a keyframe as soon as it is
 * there and throws away what comes after it of before it: the frames whose packets
 * have yet to be sent again. The gate is shut to a keyframe, and to what follows it,
 * until those have passed, or for a moment at most. All else goes on as it comes.
 */
export class KeyGate<T> {
  private readonly pace = new Pace();
  private front: number | undefined; // all before it have passed
  private ahead: number[] = []; // came after a hole; ascending
  private held: { ts: number; frame: T }[] = []; // in the order of coming, from a keyframe on
  private since = 0;

  /** Takes a coded frame. */
  push(rtp: number, key: boolean, frame: T, now: number): Passage<T> {
    const ts = extend32(rtp, this.front ?? rtp);
    const first = this.front === undefined || (key && (ts <= this.front || ts - this.front > KEY_HOLE_TICKS));
    const shut = this.held[0]?.ts;
    if (first) {
      const pass = this.open(ts);
      return { pass: [...pass, frame], ask: false };
    }
    const at = this.ahead.findIndex((t) => t > ts);
    this.ahead.splice(at < 0 ? this.ahead.length : at, 0, ts);
    this.advance();
    if (shut === undefined) {
      if (!key || this.front! >= ts) return { pass: [frame], ask: false };
      this.held = [{ ts, frame }];
      this.since = now;
      return { pass: [], ask: true };
    }
    if (ts > shut) {
      this.held.push({ ts, frame });
      return { pass: [], ask: false };
    }
    return { pass: this.front! >= shut ? [frame, ...this.open(this.front!)] : [frame], ask: false };
  }

  /** Packets were lost lately, or not: then nothing lacks. */
  answer(lost: boolean): T[] {
    return lost || this.held.length === 0 ? [] : this.open(this.held.at(-1)!.ts);
  }

  /** Opens the gate if it has been shut for long enough. To be called KEY_PATIENCE_MS after `ask`. */
  check(now: number): T[] {
    return this.held.length > 0 && now - this.since >= KEY_PATIENCE_MS ? this.open(this.held.at(-1)!.ts) : [];
  }

  /** What it has, for the end. */
  end(): T[] {
    return this.open(this.front ?? 0);
  }

  /** Lets all go; what follows the timestamp is complete. */
  private open(ts: number): T[] {
    const pass = this.held.map((h) => h.frame);
    this.held = [];
    this.front = ts;
    this.ahead = this.ahead.filter((t) => t > ts);
    return pass;
  }

  private advance(): void {
    while (this.ahead.length > 0) {
      const ts = this.ahead[0]!;
      if (ts > this.front! && this.pace.frames(ts - this.front!) > 1 && this.ahead.at(-1)! - this.front! <= GIVEN_UP_TICKS) return;
      this.ahead.shift();
      if (ts <= this.front!) continue;
      this.pace.add(ts);
      this.front = ts;
    }
  }
}
