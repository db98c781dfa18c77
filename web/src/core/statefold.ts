import { mergePatch, type Json } from "./json.js";
import { TICKS_PER_SECOND } from "./timestamp.js";
import type { FramelockEvent } from "./wire.js";

/** How far back the state can be asked for, and late events be put in order. */
export const KEEP_TICKS = 10 * TICKS_PER_SECOND;

interface Entry {
  seq: number;
  ts: number;
  patch: Json | undefined;
}

/**
 * The state shown at frame t: the fold, in seq order, of all events with
 * ts <= t, whatever their order of arrival (protocol, section 4, display rule).
 *
 * It keeps a base and the log of the last ten seconds. Only a prefix of the log
 * in seq order is ever folded into the base, so that a late event always finds
 * its place.
 */
export class StateFold {
  private base: Json;
  private baseTS: number;
  private baseSeq: number;
  private entries: Entry[] = []; // in seq order
  private shown: { state: Json; from: number; until: number } | undefined;
  private last: { state: Json; text: string } | undefined; // what `at` gave last

  /** Starts from a snapshot: `state` is the fold of everything with ts <= stateAt. */
  constructor(state: Json, stateAt: number, seq: number) {
    this.base = state;
    this.baseTS = stateAt;
    this.baseSeq = seq;
  }

  /** The oldest timestamp that can be asked for. */
  get since(): number {
    return this.baseTS;
  }

  /** Takes an event, in any order. Every event counts, with a patch or without. */
  add(event: FramelockEvent): void {
    let i = this.entries.length;
    while (i > 0 && this.entries[i - 1]!.seq > event.seq) i--;
    this.entries.splice(i, 0, { seq: event.seq, ts: event.ts, patch: event.patch });
    if (event.patch !== undefined) this.shown = undefined;
  }

  /** Takes from..to out again. False if they are in the base already: a new snapshot is needed. */
  void(from: number, to: number): boolean {
    this.entries = this.entries.filter((e) => e.seq < from || e.seq > to);
    this.shown = undefined;
    return from > this.baseSeq;
  }

  /** The state at a frame; before `since` it is the state at `since`. The same value while nothing changes. */
  at(ts: number): Json {
    if (this.shown && ts >= this.shown.from && ts < this.shown.until) return this.shown.state;
    let state = this.base;
    let from = -Infinity;
    let until = Infinity;
    const t = Math.max(ts, this.baseTS);
    for (const e of this.entries) {
      if (e.patch === undefined) continue;
      if (e.ts > t) {
        until = Math.min(until, e.ts);
        continue;
      }
      if (e.ts > this.baseTS) from = Math.max(from, e.ts);
      state = mergePatch(state, e.patch);
    }
    state = this.settled(state);
    this.shown = { state, from, until };
    return state;
  }

  /** The value that was given before, if it says the same: whoever watches the state sees no change. */
  private settled(state: Json): Json {
    const text = JSON.stringify(state);
    if (this.last?.text !== text) this.last = { state, text };
    return this.last.state;
  }

  /**
   * Folds what is older than ten seconds before `ts` into the base. Nothing
   * behind a seq that may still come (above `contiguous`), or behind an event
   * whose frame is newer, is touched: order would be lost.
   */
  compact(ts: number, contiguous: number): void {
    const cutoff = ts - KEEP_TICKS;
    let n = 0;
    for (const e of this.entries) {
      if (e.ts > cutoff || e.seq > contiguous) break;
      if (e.patch !== undefined) this.base = mergePatch(this.base, e.patch);
      this.baseSeq = Math.max(this.baseSeq, e.seq);
      n++;
    }
    if (n === 0) return;
    this.entries.splice(0, n);
    this.baseTS = Math.max(this.baseTS, cutoff);
    this.shown = undefined;
  }
}
