import { Display, NEW_LINE_TICKS, type Firing } from "./display.js";
import { EventLog, type LogResult } from "./eventlog.js";
import type { Json } from "./json.js";
import { RelayClock } from "./relayclock.js";
import { SnapshotParts } from "./snapshotparts.js";
import { StateFold } from "./statefold.js";
import { extend32 } from "./timestamp.js";
import { WindowBook, type WindowState } from "./windows.js";
import {
  decodeMessage, decodeSnapshot, KINDS, WireError,
  type ChannelName, type ClockMessage, type FramelockEvent, type Message, type PresentedReport, type Receipt, type Snapshot,
} from "./wire.js";

/** Something that must not happen: an integrator shows it, a regulator asks about it. */
export type Alarm =
  | { code: "equivocation"; seq: number; first: string; second: string }
  | { code: "gap"; from: number; to: number }
  | { code: "foreign"; log: string; seq: number }
  | { code: "unsupported"; kind: string; seq: number }
  | { code: "malformed"; reason: string };

/** What the viewer core wants to be done or told, in this order. */
export type Output =
  | { type: "snapshot"; snapshot: Snapshot }
  | { type: "received"; event: FramelockEvent; channel: ChannelName }
  | { type: "fire"; firing: Firing }
  | { type: "state"; state: Json; ts: number }
  | { type: "notice"; code: string; text: string }
  | { type: "alarm"; alarm: Alarm }
  | { type: "void"; from: number; to: number }
  | { type: "clock" }
  /** A window is in another phase at the frame on screen. */
  | { type: "window"; window: WindowState }
  /** What became of an action; `text` is the message itself. */
  | { type: "receipt"; receipt: Receipt; text: string }
  /** The log can no longer be followed: only a fresh snapshot helps. */
  | { type: "resync"; reason: string };

/** What to do with a frame, and what follows from it. */
export interface FrameResult {
  /** Canonical timestamp; undefined while the relay has named none to extend from. */
  ts: number | undefined;
  /** False: it is not newer than the one on screen, do not draw it. */
  fresh: boolean;
  /** Whether anything may be painted over it. */
  overlay: boolean;
  /** Frames left out before it. */
  skipped: number;
  outputs: Output[];
}

/** A frame that is drawn as it is, since nothing is known of its place on the line. */
const UNNAMED: FrameResult = { ts: undefined, fresh: true, overlay: false, skipped: 0, outputs: [] };

/** How many frames without a name are remembered. */
const KEEP_EARLY = 600;

/** How fast the measured distance between the line and the screen is followed. */
const LAG_GAIN = 0.1;

/** The distance to assume before a frame was ever presented, in ticks (100 ms). */
const DEFAULT_LAG = 9000;

/**
 * The whole viewer without a browser: messages and frames in, outputs back. Time
 * is an argument (local milliseconds, monotonic); one owner calls everything.
 */
export class ViewerCore {
  readonly clock = new RelayClock();
  readonly display = new Display();
  readonly windows = new WindowBook();
  private readonly log = new EventLog();
  private readonly parts = new SnapshotParts();
  private fold: StateFold | undefined;
  private current: Json | undefined;
  private currentTs = 0;
  private early: { rtp: number; now: number }[] = []; // presented before any ts was known
  private lag: number | undefined;
  private report: PresentedReport | undefined;
  private skipped = 0;

  /** The state at the frame on screen, undefined until a frame at or after the first snapshot. */
  get state(): Json | undefined {
    return this.current;
  }

  /** The name of the log, undefined before the first snapshot. */
  get logName(): string | undefined {
    return this.log.log;
  }

  /** The newest seq up to which everything of the log has come. */
  get contiguous(): number {
    return this.log.contiguous;
  }

  /**
   * A new session begins: no overlay, no event until its snapshot. What is on screen
   * stays. `takesOver`: its snapshot is here, and the session before was followed until now.
   */
  begin(takesOver = false): void {
    this.log.begin();
    this.parts.clear();
    this.display.disarm(takesOver);
    this.clock.begin();
    this.early = [];
  }

  /** Takes a data-channel message. A malformed one is an alarm, never an exception. */
  receive(text: string, channel: ChannelName, now: number): Output[] {
    try {
      return this.take(decodeMessage(text), text, channel, now);
    } catch (e) {
      if (!(e instanceof WireError)) throw e;
      return [{ type: "alarm", alarm: { code: "malformed", reason: e.message } }];
    }
  }

  /** Takes a frame as it is presented, by the RTP timestamp that names it on the wire. */
  present(rtp: number, now: number): FrameResult {
    const near = this.clock.ts;
    if (near === undefined) {
      this.early.push({ rtp, now });
      if (this.early.length > KEEP_EARLY) this.early.shift();
      return UNNAMED;
    }
    const ts = extend32(rtp, near);
    this.measureLag(ts, now);
    return this.presentTs(ts, now);
  }

  /** Takes a frame whose timestamp the browser does not tell: the clock's estimate stands in. */
  presentByClock(now: number): FrameResult {
    const ts = this.estimate(now);
    return ts === undefined ? UNNAMED : this.presentTs(ts, now);
  }

  private presentTs(ts: number, now: number): FrameResult {
    const { fresh, overlay, fired, skipped } = this.display.present(ts);
    if (!fresh) return { ts, fresh, overlay, skipped, outputs: [] };
    this.skipped += skipped;
    const outputs = this.fired(fired, now);
    if (overlay) this.show(ts, outputs);
    this.fold?.compact(ts, this.log.contiguous);
    return { ts, fresh, overlay, skipped, outputs };
  }

  /** The page presents nothing: state and sound go on by the clock. */
  advance(now: number): Output[] {
    return this.pass(this.estimate(now), now);
  }

  /** The page presents again, beginning with this picture: what lies before it has passed unseen. */
  resume(rtp: number, now: number): Output[] {
    const near = this.clock.ts;
    return this.pass(near === undefined ? undefined : extend32(rtp, near) - 1, now);
  }

  private pass(ts: number | undefined, now: number): Output[] {
    if (ts === undefined || !this.fold) return [];
    const outputs = this.fired(this.display.advance(ts), now);
    if (ts > this.currentTs && ts >= this.fold.since) this.show(ts, outputs);
    this.fold.compact(ts, this.log.contiguous);
    return outputs;
  }

  /** The timestamp that should be on screen now by the clock, for pages that present nothing or cannot tell. */
  estimate(now: number): number | undefined {
    const line = this.clock.lineNow(now);
    return line === undefined ? undefined : line - Math.round(this.lag ?? DEFAULT_LAG);
  }

  /** What this viewer saw since the last call, undefined if no event fired. To be sent at most once a second. */
  takeReport(): PresentedReport | undefined {
    const r = this.report;
    this.report = undefined;
    if (!r) return undefined;
    r.skipped = this.skipped;
    this.skipped = 0;
    return r;
  }

  private take(m: Message, text: string, channel: ChannelName, now: number): Output[] {
    switch (m.type) {
      case "clock":
        this.tellTime(m.clock, now);
        return [{ type: "clock" }];
      case "pong":
        this.clock.pong(m.id, m.serverMs, now);
        return [];
      case "notice":
        return [{ type: "notice", code: m.code, text: m.text }];
      case "part":
        return this.takePart(m.part, m.parts, m.body, now);
      case "event":
        return this.results(this.log.receive(text, m.event, channel === "events"), channel, now);
      case "receipt":
        return channel === "actions" ? [{ type: "receipt", receipt: m.receipt, text }] : [];
      case "checkpoint": // the verifier reads those by itself
      case "unknown":
        return []; // later versions may say more
    }
  }

  private takePart(part: number, parts: number, body: string, now: number): Output[] {
    const whole = this.parts.add(part, parts, body);
    if (whole === undefined) return [];
    const snapshot = decodeSnapshot(whole);
    if (snapshot.clock) this.tellTime(snapshot.clock, now);
    this.windows.begin(snapshot, snapshot.log === this.log.log);
    this.fold = new StateFold(snapshot.state, snapshot.stateAt, snapshot.seq);
    this.display.arm(snapshot.log, snapshot.stateAt);
    const outputs: Output[] = [{ type: "snapshot", snapshot }];
    if (snapshot.paused) outputs.push({ type: "notice", code: "paused", text: "the studio is paused" });
    outputs.push(...this.results(this.log.open(snapshot), "events", now));
    if (this.display.overlay) this.show(this.display.presentedTs!, outputs);
    return outputs;
  }

  private tellTime(clock: ClockMessage, now: number): void {
    this.clock.update(clock, now);
    if (this.early.length > 0 && this.clock.ts !== undefined) this.nameEarly();
  }

  /** Frames that were presented before the relay named a timestamp get their names now. */
  private nameEarly(): void {
    const early = this.early;
    this.early = [];
    // Nothing is armed before the snapshot, so nothing can follow from them yet.
    for (const { rtp, now } of early) this.present(rtp, now);
  }

  private results(results: LogResult[], channel: ChannelName, now: number): Output[] {
    const outputs: Output[] = [];
    const fired: Firing[] = [];
    let changed = false;
    for (const r of results) {
      switch (r.type) {
        case "accepted":
          outputs.push({ type: "received", event: r.event, channel });
          this.fold?.add(r.event);
          this.windows.apply(r.event);
          if (known(r.event, outputs)) fired.push(...this.display.add(r.event));
          changed = true;
          break;
        case "void":
          this.display.void(r.from, r.to);
          this.windows.void(r.from, r.to);
          outputs.push({ type: "void", from: r.from, to: r.to });
          if (!this.fold?.void(r.from, r.to)) outputs.push({ type: "resync", reason: "the relay lost events that are part of the state" });
          changed = true;
          break;
        case "gap":
          outputs.push({ type: "alarm", alarm: { code: "gap", from: r.from, to: r.to } });
          outputs.push({ type: "resync", reason: `events ${r.from} to ${r.to} never came` });
          break;
        case "equivocation":
          // Neither is to be trusted: if it has not fired yet, it will not.
          this.display.void(r.seq, r.seq);
          this.fold?.void(r.seq, r.seq);
          this.windows.void(r.seq, r.seq);
          changed = true;
          outputs.push({ type: "alarm", alarm: { code: "equivocation", seq: r.seq, first: r.first, second: r.second } });
          break;
        case "foreign":
          outputs.push({ type: "alarm", alarm: { code: "foreign", log: r.log, seq: r.seq } });
          outputs.push({ type: "resync", reason: "the relay speaks of another log" });
          break;
      }
    }
    outputs.push(...this.fired(fired, now));
    if (changed && this.display.overlay) this.show(this.currentTs, outputs);
    return outputs;
  }

  private fired(firings: Firing[], now: number): Output[] {
    for (const f of firings) {
      if (f.hidden) continue;
      this.report = {
        type: "presented",
        seq: f.event.seq,
        ts: f.presentedTs,
        frame_error: f.frames,
        skipped: 0,
        latency_ms: round(Math.max(0, this.clock.latency(f.presentedTs, now) ?? 0)),
      };
    }
    return firings.map((firing) => ({ type: "fire", firing }));
  }

  /** Tells what is to be seen at the frame ts: windows, then the state. */
  private show(ts: number, outputs: Output[]): void {
    for (const window of this.windows.changes(ts)) outputs.push({ type: "window", window });
    this.showState(ts, outputs);
  }

  private showState(ts: number, outputs: Output[]): void {
    if (!this.fold) return;
    // After a hidden spell the clock may have been a little ahead: nothing rewinds, unless the line itself did.
    this.currentTs = ts > this.currentTs - NEW_LINE_TICKS ? Math.max(ts, this.currentTs) : ts;
    const state = this.fold.at(this.currentTs);
    if (state === this.current) return;
    this.current = state;
    outputs.push({ type: "state", state, ts: this.currentTs });
  }

  private measureLag(ts: number, now: number): void {
    const line = this.clock.lineNow(now);
    if (line === undefined) return;
    const lag = Math.max(0, line - ts);
    this.lag = this.lag === undefined ? lag : this.lag + (lag - this.lag) * LAG_GAIN;
  }
}

/** Whether the event may fire: a kind that must be understood and is not is an alarm instead of a guess. */
function known(event: FramelockEvent, outputs: Output[]): boolean {
  if (!event.required || KINDS.has(event.kind)) return true;
  outputs.push({ type: "alarm", alarm: { code: "unsupported", kind: event.kind, seq: event.seq } });
  return false;
}

function round(ms: number): number {
  return Math.round(ms * 100) / 100;
}
