import { TICKS_PER_SECOND } from "./timestamp.js";
import { SILENT_KINDS, type FramelockEvent } from "./wire.js";
import { OFTEN_LEFT_OUT, Pace } from "./pace.js";

/** How long presented frames are remembered. */
const KEEP_TICKS = 10 * TICKS_PER_SECOND;

/** How many events are remembered to have fired. */
const KEEP_FIRED = 4096;

/** A step back of more than this is a new clock, not an old frame. */
export const NEW_LINE_TICKS = 10 * TICKS_PER_SECOND;

/** An event on its frame. */
export interface Firing {
  event: FramelockEvent;
  /** Canonical timestamp of the frame on screen; 0 if none was ever presented. */
  presentedTs: number;
  /** Frames from the event's own frame to the one on screen; 0 is exact. */
  frames: number;
  /** The event's own frame was never presented; the first later one stands in for it. */
  skipped: boolean;
  /** The event came after the frame it should have fired on. */
  late: boolean;
  /** If late, how many frames after its own were presented before it fired; 0 if its frame is still on screen. */
  lateFrames: number;
  /** The page presents nothing now: fired by the clock, to be heard but not painted. */
  hidden: boolean;
}

/** What to do with a frame. */
export interface Presentation {
  /** False for a frame that is not newer than the one on screen: nothing rewinds. */
  fresh: boolean;
  /** Whether anything may be painted over it: false until a frame at or after the snapshot. */
  overlay: boolean;
  /** Events that fire on it, in seq order, all in this one paint. */
  fired: Firing[];
  /** Frames of the stream that were left out before it. */
  skipped: number;
}

/**
 * The display rule (protocol, section 4), the same on every client: an event
 * fires once, when the first frame with ts >= event.ts is presented. Frames wait
 * for events and events wait for frames, in one ring each.
 */
export class Display {
  private armedAt: number | undefined;
  private since = Infinity; // what is not newer than this never fires
  private log: string | undefined;
  private waiting: FramelockEvent[] = [];
  private ring: number[] = []; // presented, ascending
  private fired = new Set<number>(); // by seq
  private newest: number | undefined; // newest frame on screen
  private heard = -Infinity; // up to where events have fired by the clock
  private readonly pace = new Pace(OFTEN_LEFT_OUT);

  /** The newest frame on screen, undefined before the first. */
  get presentedTs(): number | undefined {
    return this.newest;
  }

  /** Whether the session's snapshot has come. */
  get armed(): boolean {
    return this.armedAt !== undefined;
  }

  /** Ticks between two frames, as measured. */
  get frameInterval(): number {
    return this.pace.interval;
  }

  /** Whether something may be painted over the frame on screen. */
  get overlay(): boolean {
    return this.armedAt !== undefined && this.newest !== undefined && this.newest >= this.armedAt;
  }

  /** How many events wait for their frame. */
  get waitingCount(): number {
    return this.waiting.length;
  }

  /**
   * Nothing fires and nothing is overlaid until the next snapshot: a new session
   * begins. If it takes over from one that was followed to its last frame, what was
   * still to fire is not lost: what waits stays for the next snapshot of the log.
   */
  disarm(takesOver = false): void {
    this.armedAt = undefined;
    if (!takesOver) {
      this.waiting = [];
      this.since = Infinity;
      this.pace.rest();
    }
  }

  /** A snapshot cut at stateAt: what is not newer never fires, unless it was due in the session before. */
  arm(log: string, stateAt: number): void {
    if (log !== this.log) {
      this.fired.clear();
      this.waiting = [];
      this.since = Infinity;
      this.heard = -Infinity;
    }
    this.log = log;
    this.armedAt = stateAt;
    this.since = Math.min(this.since, stateAt);
    // What is newer comes again, with the snapshot or after it.
    this.waiting = this.waiting.filter((e) => e.ts <= stateAt);
    this.ring = this.ring.filter((ts) => ts >= stateAt);
  }

  /** Takes an event of the log, in any order. Returns its firing if its frame has passed. */
  add(event: FramelockEvent): Firing[] {
    if (this.armedAt === undefined || event.ts <= this.since) return [];
    if (SILENT_KINDS.has(event.kind) || this.fired.has(event.seq)) return [];
    if (this.waiting.some((e) => e.seq === event.seq)) return [];
    if (this.overlay && event.ts <= this.newest!) return [this.fire(event, "late")];
    if (event.ts <= this.heard) return [this.fire(event, "hidden")];
    this.waiting.push(event);
    return [];
  }

  /** Takes a presented frame. */
  present(ts: number): Presentation {
    if (this.newest !== undefined && ts <= this.newest && this.newest - ts < NEW_LINE_TICKS) {
      return { fresh: false, overlay: this.overlay, fired: [], skipped: 0 };
    }
    if (this.newest !== undefined && ts < this.newest) this.restart();
    const skipped = this.pace.add(ts);
    this.newest = ts;
    this.ring.push(ts);
    this.forget(ts);
    if (!this.overlay) return { fresh: true, overlay: false, fired: [], skipped };
    const fired = this.due(ts).map((event) => this.fire(event, "frame"));
    return { fresh: true, overlay: true, fired, skipped };
  }

  /** The page is hidden and its clock says ts: events fire unseen, so that no burst waits for the return. */
  advance(ts: number): Firing[] {
    if (this.armedAt === undefined || ts <= this.heard) return [];
    this.heard = ts;
    this.pace.rest();
    return this.due(ts).map((event) => this.fire(event, "hidden"));
  }

  /** From..to never happened: what of it still waits will not fire. */
  void(from: number, to: number): void {
    this.waiting = this.waiting.filter((e) => e.seq < from || e.seq > to);
  }

  private due(ts: number): FramelockEvent[] {
    const due = this.waiting.filter((e) => e.ts <= ts).sort((a, b) => a.seq - b.seq);
    if (due.length > 0) this.waiting = this.waiting.filter((e) => e.ts > ts);
    return due;
  }

  private fire(event: FramelockEvent, how: "frame" | "late" | "hidden"): Firing {
    this.fired.add(event.seq);
    if (this.fired.size > KEEP_FIRED) this.fired.delete(this.fired.values().next().value as number);
    const presentedTs = this.newest ?? 0;
    if (how === "hidden") {
      return { event, presentedTs, frames: 0, skipped: false, late: false, lateFrames: 0, hidden: true };
    }
    const first = this.ring.findIndex((ts) => ts >= event.ts);
    return {
      event,
      presentedTs,
      frames: this.pace.frames(presentedTs - event.ts),
      skipped: this.ring[first] !== event.ts,
      late: how === "late",
      lateFrames: how === "late" ? this.ring.length - 1 - first : 0,
      hidden: false,
    };
  }

  /** Drops what lies further back than the rings keep. */
  private forget(ts: number): void {
    while (this.ring[0]! < ts - KEEP_TICKS) this.ring.shift();
  }

  /** The line stepped back: everything about the old one is void. */
  private restart(): void {
    this.ring = [];
    this.heard = -Infinity;
    this.pace.rest();
  }
}
