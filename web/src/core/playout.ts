import { extend32, TICKS_PER_MS } from "./timestamp.js";

/** Bounds of a playout, in ms. */
export interface PlayoutLimits {
  /** The most that pictures are held back to even out their arrival. */
  jitterMs: number;
  /** The most that pictures are held back, to wait for the sound as well. */
  delayMs: number;
  /** Further behind than this, pictures are left out to catch up, */
  behindMs: number;
  /** and where the screen refreshes often enough to catch up with all of them, further than this. */
  catchUpMs: number;
}

export const PLAYOUT_LIMITS: PlayoutLimits = { jitterMs: 250, delayMs: 250, behindMs: 150, catchUpMs: 500 };

/** How far back arrivals are looked at. */
const WINDOW_MS = 4000;

/** So many arrivals of a hundred are waited for; the others come late, and are shown when they come. */
const WAITED_FOR = 0.95;

/** A transit shorter by this much is another way here: what was before says nothing of it. */
const NEW_PATH_MS = 40;

/** Frames that come this many times as fast as they were made are a burst, of which only the last says something. */
const BURST = 4;

/** A screen that refreshes this many times while a picture is due catches up. */
const REFRESHES = 1.5;

/** How fast the delay changes, in ms for each frame: an eighth of the time at 30 fps. */
const SLEW_MS = 4;

/** From how many audio samples the middle one is taken. */
const AUDIO_SAMPLES = 9;

interface Arrival {
  at: number;
  transit: number;
}

/**
 * Decides when each picture is shown. Transit is local time less line time, in
 * ms: its smallest is the shortest way, what is more is jitter. Pictures are held
 * back for as long as 95 % of them need, or until the sound of their moment is
 * heard, whichever is later; never for longer than the limits.
 */
export class Playout {
  private arrivals: Arrival[] = [];
  private shortest = 0;
  private longest = 0; // of those that are waited for
  private heard: number[] = [];
  private held = 0;
  private newest: number | undefined;

  constructor(private readonly limits: PlayoutLimits = PLAYOUT_LIMITS) {}

  /** How long pictures are held back now, beyond the shortest way, in ms. */
  get delayMs(): number {
    return this.held;
  }

  /** What the arrivals alone ask for, in ms. */
  get jitterMs(): number {
    return Math.min(this.longest - this.shortest, this.limits.jitterMs);
  }

  /** A picture is ready. Returns its place on this playout's line. */
  arrived(rtp: number, at: number): number {
    const before = this.newest ?? rtp;
    const ts = extend32(rtp, before);
    this.newest = ts;
    const transit = at - ts / TICKS_PER_MS;
    const burst = BURST * (at - (this.arrivals.at(-1)?.at ?? at)) < (ts - before) / TICKS_PER_MS;
    if (transit < this.shortest - (burst ? 0 : NEW_PATH_MS)) this.arrivals = [];
    const first = this.arrivals.length === 0;
    this.arrivals.push({ at, transit });
    while (this.arrivals[0]!.at < at - WINDOW_MS) this.arrivals.shift();
    const sorted = this.arrivals.map((a) => a.transit).sort((a, b) => a - b);
    this.shortest = sorted[0]!;
    this.longest = sorted[Math.floor((sorted.length - 1) * WAITED_FOR)]!;
    const goal = this.goal();
    this.held = first ? goal : this.held + Math.min(Math.max(goal - this.held, -SLEW_MS), SLEW_MS);
    return ts;
  }

  /** Sound captured at the timestamp `rtp` of the pictures' line comes out at `at`. */
  heardAt(rtp: number, at: number): void {
    if (this.newest === undefined) return;
    this.heard.push(at - extend32(rtp, this.newest) / TICKS_PER_MS);
    if (this.heard.length > AUDIO_SAMPLES) this.heard.shift();
  }

  /** There is no sound to keep to. */
  silent(): void {
    this.heard = [];
  }

  /** How much later sound comes out than the pictures of its moment, in ms; undefined without sound. */
  get soundBehindMs(): number | undefined {
    const transit = this.soundTransit();
    return transit === undefined ? undefined : transit - this.shortest - this.held;
  }

  /** When the picture at a place on the line is to be shown, in local ms. */
  dueAt(ts: number): number {
    return ts / TICKS_PER_MS + this.shortest + this.held;
  }

  /**
   * How many pictures of a queue (places on the line, ascending) to take for the
   * screen at `at`, which refreshes every `refresh` ms: the last of them is shown.
   * One at a time, so that none is left out, unless they are too far behind: then up
   * to the newest that is due.
   */
  take(queue: readonly number[], at: number, refresh: number): number {
    if (queue.length === 0 || this.dueAt(queue[0]!) > at) return 0;
    const each = (queue.at(-1)! - queue[0]!) / TICKS_PER_MS / (queue.length - 1);
    const limit = each >= REFRESHES * refresh ? this.limits.catchUpMs : this.limits.behindMs;
    return at - this.dueAt(queue[0]!) <= limit ? 1 : this.due(queue, at);
  }

  /** How many pictures of a queue are due at `at`. */
  due(queue: readonly number[], at: number): number {
    let due = 0;
    while (due < queue.length && this.dueAt(queue[due]!) <= at) due++;
    return due;
  }

  private goal(): number {
    const sound = this.soundTransit();
    const wait = sound === undefined ? 0 : sound - this.shortest;
    return Math.min(Math.max(this.jitterMs, wait), this.limits.delayMs);
  }

  private soundTransit(): number | undefined {
    const sorted = [...this.heard].sort((a, b) => a - b);
    return sorted[sorted.length >> 1];
  }
}
