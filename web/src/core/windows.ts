import { isObject, type Json } from "./json.js";
import type { FramelockEvent, Snapshot } from "./wire.js";

/** How many closed windows are remembered; the relay remembers as many. */
const KEEP_CLOSED = 64;

/**
 * - `open`: an action that saw this frame may be accepted.
 * - `closing`: from the close frame on; the relay may still take actions that saw an earlier one.
 * - `closed`: a sequenced record says what was accepted.
 * - `void`: taken back by the game.
 */
export type WindowPhase = "open" | "closing" | "closed" | "void";

/** The rules of a window. Times are in milliseconds; a number that is 0 or missing is not known here. */
export interface WindowRules {
  /** Canonical timestamp of the frame at which the relay closes it by itself; 0 if it does not. */
  closes_ts: number;
  grace_ms: number;
  max_per_viewer: number;
  max_bytes: number;
  max_actions: number;
  max_age_ms: number;
}

/** A window as it stands at a frame. */
export interface WindowState {
  window: string;
  phase: WindowPhase;
  /** Canonical timestamp of the first frame that is in it. */
  openTs: number;
  /** Canonical timestamp of the first frame that is no longer in it; undefined while nobody has said. */
  endTs: number | undefined;
  rules: WindowRules;
  /** What the window's closing record says: counts, and the root over the accepted actions. */
  result: WindowResult | undefined;
}

/** What a `window.close` says. */
export interface WindowResult {
  /** The closing record's place in the log. */
  seq: number;
  accepted: number;
  rejected: number;
  /** Merkle root (RFC 6962) over the accepted actions in order, in hexadecimal. */
  root: string;
}

interface Fact {
  seq: number;
  ts: number;
}

/** Of a window whose opening has not come. */
const NOT_OPENED = Infinity;

/** The events that end a window. */
const ENDS: ReadonlySet<string> = new Set(["window.closing", "window.close", "void"]);

interface Entry {
  window: string;
  openSeq: number;
  openTs: number;
  rules: WindowRules;
  closing: (Fact & { closeTs: number }) | undefined;
  close: (Fact & { result: WindowResult | undefined }) | undefined;
  void: Fact | undefined;
  told: WindowPhase | undefined;
}

/**
 * The windows of a stream, from snapshots and events in any order. It keeps the
 * facts with their frames; which phase they amount to is asked for a frame, so
 * that phases change in the paint of their frame like everything else.
 */
export class WindowBook {
  private entries = new Map<string, Entry>();

  /** Takes a snapshot: what it does not list and was not closed has been closed meanwhile, unseen from here. */
  begin(snapshot: Snapshot, sameLog: boolean): void {
    if (!sameLog) this.entries.clear();
    const listed = new Map(snapshot.windows.map((w) => [w.window, w]));
    for (const e of this.entries.values()) {
      if (!listed.has(e.window) && !e.close && !e.void) e.close = { seq: snapshot.seq, ts: snapshot.stateAt, result: undefined };
    }
    for (const w of listed.values()) {
      const closing = w.closeTs === undefined ? undefined : { seq: snapshot.seq, ts: w.closeTs, closeTs: w.closeTs };
      const told = this.entries.get(w.window)?.told;
      this.entries.set(w.window, {
        window: w.window, openSeq: 0, openTs: w.openTs, rules: w.rules, closing, close: undefined, void: undefined, told,
      });
    }
  }

  /**
   * Takes an event; one that is not about a window changes nothing. How a window ends
   * may be told before that it opened. A name may be used again once its window has ended.
   */
  apply(event: FramelockEvent): void {
    const { window, seq, ts } = event;
    if (window === undefined) return;
    const data = isObject(event.data) ? event.data : {};
    let entry = this.entries.get(window);
    if (event.kind === "window.open") {
      const end = entry?.close ?? entry?.void;
      if (entry && entry.openTs !== NOT_OPENED && !(end && end.seq < seq)) return; // as the snapshot had it
      this.entries.delete(window); // the newest comes last
      this.entries.set(window, {
        window, openSeq: seq, openTs: ts, rules: rulesOf(data), told: undefined,
        closing: later(entry?.closing, seq), close: later(entry?.close, seq), void: later(entry?.void, seq),
      });
      this.forget();
      return;
    }
    if (!entry) {
      if (!ENDS.has(event.kind)) return;
      entry = {
        window, openSeq: NOT_OPENED, openTs: NOT_OPENED, rules: rulesOf({}), closing: undefined, close: undefined, void: undefined, told: undefined,
      };
      this.entries.set(window, entry);
      this.forget();
    }
    if (event.kind === "window.closing") entry.closing = { seq, ts, closeTs: count(data.close_ts) || ts };
    if (event.kind === "window.close") {
      const closeTs = count(data.close_ts) || ts;
      entry.closing ??= { seq, ts: closeTs, closeTs };
      entry.close = {
        seq, ts, result: {
          seq, accepted: count(data.accepted), rejected: count(data.rejected), root: typeof data.root === "string" ? data.root : "",
        },
      };
    }
    if (event.kind === "void") entry.void = { seq, ts };
  }

  /** Events from..to never happened. */
  void(from: number, to: number): void {
    const gone = (fact: Fact | undefined) => fact !== undefined && fact.seq >= from && fact.seq <= to;
    for (const e of this.entries.values()) {
      if (e.openSeq >= from && e.openSeq <= to) this.entries.delete(e.window);
      if (gone(e.closing)) e.closing = undefined;
      if (gone(e.close)) e.close = undefined;
      if (gone(e.void)) e.void = undefined;
    }
  }

  /** A window at the frame ts; undefined if it is not known, or its first frame is yet to come. */
  at(window: string, ts: number): WindowState | undefined {
    const e = this.entries.get(window);
    return e && stateOf(e, ts);
  }

  /** All windows at the frame ts, in order of opening. */
  all(ts: number): WindowState[] {
    const states = [...this.entries.values()].flatMap((e) => stateOf(e, ts) ?? []);
    return states.sort((a, b) => a.openTs - b.openTs);
  }

  /** The windows whose phase is another one at the frame ts than when they were last told. */
  changes(ts: number): WindowState[] {
    const changed: WindowState[] = [];
    for (const e of this.entries.values()) {
      const phase = phaseOf(e, ts); // for every frame: makes nothing that is thrown away
      if (!phase || phase === e.told) continue;
      e.told = phase;
      changed.push(stateOf(e, ts)!);
    }
    return changed;
  }

  private forget(): void {
    let closed = [...this.entries.values()].filter((e) => e.close ?? e.void).length;
    for (const e of this.entries.values()) {
      if (closed <= KEEP_CLOSED) return;
      if (!(e.close ?? e.void)) continue;
      this.entries.delete(e.window);
      closed--;
    }
  }
}

/** A fact about a window that opened with seq; one from before is about an earlier window of that name. */
function later<F extends Fact>(fact: F | undefined, seq: number): F | undefined {
  return fact && fact.seq > seq ? fact : undefined;
}

function endOf(e: Entry): number | undefined {
  return e.closing?.closeTs ?? (e.rules.closes_ts || undefined);
}

function phaseOf(e: Entry, ts: number): WindowPhase | undefined {
  if (ts < e.openTs) return undefined;
  if (e.void && ts >= e.void.ts) return "void";
  if (e.close && ts >= e.close.ts) return "closed";
  return ts >= (endOf(e) ?? Infinity) ? "closing" : "open";
}

function stateOf(e: Entry, ts: number): WindowState | undefined {
  const phase = phaseOf(e, ts);
  return phase && { window: e.window, phase, openTs: e.openTs, endTs: endOf(e), rules: e.rules, result: e.close?.result };
}

/** Reads a window's rules, from a `window.open` or a snapshot. */
export function rulesOf(data: { [key: string]: Json }): WindowRules {
  return {
    closes_ts: count(data.closes_ts),
    grace_ms: count(data.grace_ms),
    max_per_viewer: count(data.max_per_viewer),
    max_bytes: count(data.max_bytes),
    max_actions: count(data.max_actions),
    max_age_ms: count(data.max_age_ms),
  };
}

function count(value: Json | undefined): number {
  return typeof value === "number" && Number.isSafeInteger(value) && value > 0 ? value : 0;
}
