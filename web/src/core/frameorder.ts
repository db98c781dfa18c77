import { NEW_LINE_TICKS } from "./display.js";
import { Pace } from "./pace.js";
import { extend32 } from "./timestamp.js";

/** What to do after a coded frame came, in this order. */
export type OrderAction<T> =
  | { type: "decode"; frame: T; key: boolean }
  /** Frames may be missing: find out whether packets were lost lately, and say so with `answer`. */
  | { type: "ask" }
  /** Nothing can be decoded before a keyframe. */
  | { type: "request" };

interface Held<T> {
  ts: number;
  key: boolean;
  frame: T;
  at: number;
}

/** How long a lost packet may take to come again, lost once more or twice: a keyframe takes longer. */
const PATIENCE_MS = 700;

/** With a keyframe in hand, what lacks before it is waited for no longer than this. */
const KEY_PATIENCE_MS = 250;

/** Nobody waits for what lacks before a keyframe if it is more than this: half a second. */
const KEY_HOLE_TICKS = 45_000;

/** A keyframe is asked for again after this. */
const ASK_AGAIN_MS = 1000;

/**
 * Puts coded frames into decoding order and keeps from the decoder what it could
 * only turn into a broken picture. A transform is given frames as their last
 * packet comes, so one whose packet was lost comes after its successors or never;
 * coded frames have no numbers. A hole in the timestamps is a lost frame if packets
 * were lost at that time, and a studio that left one out if not.
 */
export class FrameOrder<T> {
  private readonly pace = new Pace();
  private last: number | undefined; // decoded last
  private held: Held<T>[] = []; // ascending, after a hole
  private since = 0; // when the hole was seen
  private broken = true; // only a keyframe helps
  private requested = -Infinity;
  private count = 0;

  /** Frames that were never decoded. */
  get dropped(): number {
    return this.count;
  }

  /** Whether frames wait for an answer or for a lost one. */
  get waiting(): boolean {
    return this.held.length > 0;
  }

  /** Takes a coded frame. */
  push(rtp: number, key: boolean, frame: T, now: number): OrderAction<T>[] {
    const ts = extend32(rtp, this.last ?? rtp);
    const out: OrderAction<T>[] = [];
    const back = this.last === undefined ? -1 : this.last - ts;
    if (back >= 0 && !(key && back > NEW_LINE_TICKS)) {
      // Its successors are decoded: they lacked it, and so does all up to a keyframe.
      this.count++;
      if (back > 0 && !this.broken && !key) this.breakOff(now, out);
      return out;
    }
    const first = key && (this.broken || back >= 0);
    const wasWaiting = this.waiting;
    if (!first && this.broken) {
      this.count++;
      this.request(now, out);
      return out;
    }
    if (back >= 0) {
      this.count += this.held.length; // of the line before
      this.held = [];
    }
    const place = this.held.findIndex((h) => h.ts > ts);
    this.held.splice(place < 0 ? this.held.length : place, 0, { ts, key, frame, at: now });
    if (first || (key && ts - this.last! > KEY_HOLE_TICKS)) this.skipTo(ts, out);
    this.drain(out);
    if (this.waiting && !wasWaiting) this.ask(now, out);
    return out;
  }

  /** Whether packets were lost around the hole. */
  answer(lost: boolean, now: number): OrderAction<T>[] {
    const out: OrderAction<T>[] = [];
    if (lost || !this.waiting) return out;
    this.decode(this.held.shift()!, out);
    this.drain(out);
    if (this.waiting) this.ask(now, out);
    return out;
  }

  /** To be called while frames wait, and some times a second: gives up what does not come. */
  check(now: number): OrderAction<T>[] {
    const out: OrderAction<T>[] = [];
    const key = this.held.find((h) => h.key);
    if (key && now - key.at >= KEY_PATIENCE_MS) {
      this.skipTo(key.ts, out);
      this.drain(out);
      this.since = now; // if there is another hole
    } else if (this.waiting && now - this.since >= PATIENCE_MS) this.breakOff(now, out);
    else if (this.broken && this.last !== undefined) this.request(now, out);
    return out;
  }

  /** The decoder failed or is hopelessly behind: it starts anew with a keyframe. */
  restart(now: number): OrderAction<T>[] {
    const out: OrderAction<T>[] = [];
    this.breakOff(now, out);
    return out;
  }

  /** Begins anew with a keyframe that is held. */
  private skipTo(ts: number, out: OrderAction<T>[]): void {
    const before = this.held.findIndex((h) => h.ts === ts);
    this.count += before;
    this.held.splice(0, before);
    this.broken = false;
    this.decode(this.held.shift()!, out);
  }

  private decode(h: Held<T>, out: OrderAction<T>[]): void {
    this.pace.add(h.ts);
    this.last = h.ts;
    out.push({ type: "decode", frame: h.frame, key: h.key });
  }

  /** Decodes what is held as far as nothing is missing. */
  private drain(out: OrderAction<T>[]): void {
    while (this.waiting && this.pace.frames(this.held[0]!.ts - this.last!) <= 1) this.decode(this.held.shift()!, out);
  }

  private ask(now: number, out: OrderAction<T>[]): void {
    this.since = now;
    out.push({ type: "ask" });
  }

  private breakOff(now: number, out: OrderAction<T>[]): void {
    this.count += this.held.length;
    this.held = [];
    this.broken = true;
    this.pace.rest();
    this.request(now, out);
  }

  private request(now: number, out: OrderAction<T>[]): void {
    if (now - this.requested < ASK_AGAIN_MS) return;
    this.requested = now;
    out.push({ type: "request" });
  }
}
