import { Attention } from "../core/attention.js";
import type { Firing } from "../core/display.js";
import { frameHash } from "../core/framehash.js";
import { Heartbeat } from "../core/heartbeat.js";
import type { ReceiptRecord } from "../core/actions.js";
import type { Json } from "../core/json.js";
import type { Verification } from "../core/verifier.js";
import { ViewerCore, type Alarm, type FrameResult, type Output } from "../core/viewer.js";
import { TICKS_PER_MS } from "../core/timestamp.js";
import { CHANNELS, type ChannelName, type FramelockEvent, type PresentedReport, type Receipt, type Snapshot } from "../core/wire.js";
import type { WindowState } from "../core/windows.js";
import { Acting, type ActOptions } from "./acting.js";
import { Emitter } from "./emitter.js";
import type { Picture, Route } from "./frames.js";
import { Pictures, type HashCheck, type Pacing, type PictureOptions } from "./pictures.js";
import { Verifying } from "./verification.js";

/** A frame on screen, with what belongs on it. */
export interface Frame {
  /** Canonical timestamp (90 kHz); undefined while the relay has named none. */
  ts: number | undefined;
  /** RTP timestamp on the wire; undefined on the `clock` route. */
  rtp: number | undefined;
  /** The picture: a VideoFrame (exact, decoded) or a canvas. Valid until the next frame; not to be closed. */
  image: CanvasImageSource;
  width: number;
  height: number;
  route: Route;
  /** Whether anything may be painted over it (protocol, section 4: not before the snapshot's frame). */
  overlay: boolean;
  /** Events that fire on it, in seq order. */
  fired: Firing[];
  /** The state at this frame, undefined while there is none to show. */
  state: Json | undefined;
  /** Frames of the stream that were left out before it. */
  skipped: number;
  /** Local time (performance.now scale) at which the screen is expected to show it. */
  displayAt: number;
  /** Presented before: painted again because of a late event. */
  again: boolean;
}

/** What a Framelock tells, by name. */
export interface FramelockEvents {
  /** An event on its frame, before that frame's `frame`. `frame` is undefined while the page is hidden. */
  event: Firing & { frame: Frame | undefined };
  /** A frame to draw, with everything that belongs on it: one paint. */
  frame: Frame;
  /** The state at the frame on screen has changed. */
  state: { state: Json; ts: number };
  /** A session's snapshot has come. */
  snapshot: Snapshot;
  /** An event's bytes have come, long before it fires. Never draw on this. */
  received: { event: FramelockEvent; channel: ChannelName; at: number };
  /** Events from..to never happened (the relay lost them before they were durable). */
  void: { from: number; to: number };
  /** `paused`, `resumed`, `congested`, `draining` from the relay; `insecure_context`, `route` from here. */
  notice: { code: string; text: string };
  /** Something that must not happen. */
  alarm: Alarm | HashAlarm;
  /** A marked frame's coded bytes were compared with its published hash (`checkFrameHashes`). */
  hash: HashCheck;
  /** This viewer's own capture-to-screen latency in ms, about once a second. */
  latency: { ms: number; ts: number };
  /** What was told to the relay. */
  presented: PresentedReport;
  /** A window is in another phase at the frame on screen. */
  window: WindowState;
  /** What became of an action of this viewer. */
  receipt: ReceiptRecord;
  /** What this viewer was sent was compared with what the relay signed, or its log went on. */
  verification: Verification;
  /** The frame route turned out to be another one. */
  route: Route;
  /** The relay fell silent or the channel closed: this session is over. */
  dead: { reason: string };
  /** The log can no longer be followed in this session: take a new one. */
  resync: { reason: string };
}

/** The coded bytes of a marked frame are not those that the relay hashed. */
export interface HashAlarm {
  code: "frame_hash";
  seq: number;
  published: string;
  computed: string;
}

/** Options of `attach`. */
export interface FramelockOptions extends PictureOptions {
  /** Sends `presented` reports (default true). */
  report?: boolean;
  /** Verifies the log against the relay's signed checkpoints, in a worker (default true). */
  verify?: boolean;
  /** The relay's verifier key, `<name>+<hash>+<base64>`; without it the first that a snapshot names is trusted. */
  logKey?: string;
}

const TICK_MS = 250;
const REPORT_MS = 1000;
const FAST_PINGS = 8; // the first round trips come every tick, later ones every two seconds
const PING_MS = 2000;
/** After so long without a frame, the relay's clock says how far the line has come. */
const FRAME_GAP_MS = 250;

/**
 * One viewer of one stream: holds events until their frame is presented, and
 * fires them in that very frame. Headless: the integrator draws.
 */
export class Framelock {
  readonly events = new Emitter<FramelockEvents>();
  private readonly core = new ViewerCore();
  private readonly heartbeat = new Heartbeat();
  private readonly attention = new Attention();
  private readonly pictures: Pictures;
  private readonly wantReports: boolean;
  private readonly verifying: Verifying | undefined;
  private readonly acting = new Acting((text) => this.sendText(text), (record) => this.events.emit("receipt", record));
  /** The verifier key that the page trusts; read at the next `connect`. */
  logKey: string | undefined;
  private timer: ReturnType<typeof setInterval> | undefined;
  private channels: RTCDataChannel[] = [];
  private actions: RTCDataChannel | undefined;
  private picture: Picture | undefined;
  private session = 0;
  private pings = 0;
  private pingedAt = -Infinity;
  private reportedAt = -Infinity;
  private latencyAt = -Infinity;
  private warned = false;

  constructor(readonly video: HTMLVideoElement, options: FramelockOptions = {}) {
    this.wantReports = options.report ?? true;
    this.logKey = options.logKey;
    if (options.verify ?? true) this.verifying = new Verifying((v) => this.events.emit("verification", v));
    this.pictures = new Pictures(video, this.core.clock, {
      picture: (p) => this.present(p),
      route: (route, reason) => this.rerouted(route, reason),
      hash: (check) => this.checked(check),
    }, options);
  }

  /** The state at the frame on screen; undefined before the snapshot's frame. */
  get state(): Json | undefined {
    return this.core.state;
  }

  /** How local time, the relay's time and the stream's timestamps relate. */
  get clock(): ViewerCore["clock"] {
    return this.core.clock;
  }

  /** How exactly pictures and timestamps are tied together in this browser. */
  get route(): Route {
    return this.pictures.route;
  }

  /** The connection that it follows, for statistics; undefined between two. */
  get connection(): RTCPeerConnection | undefined {
    return this.pictures.connection;
  }

  /** How pictures are held back for jitter and sound; undefined where the browser does it. */
  get pacing(): Pacing | undefined {
    return this.pictures.pacing;
  }

  /** Canonical timestamp of the frame on screen. */
  get presentedTs(): number | undefined {
    return this.core.display.presentedTs;
  }

  /** The windows at the frame on screen, in order of opening; none before it may carry an overlay. */
  get windows(): WindowState[] {
    const { display, windows } = this.core;
    return display.overlay ? windows.all(display.presentedTs!) : [];
  }

  /** A window at the frame on screen; undefined before it may carry an overlay, or if there is none. */
  window(name: string): WindowState | undefined {
    const { display, windows } = this.core;
    return display.overlay ? windows.at(name, display.presentedTs!) : undefined;
  }

  /**
   * How much of a window is left, in ms, by the frame on screen: it never runs
   * apart from the picture. While no frames come the relay's clock stands in.
   * Undefined for a window that nobody has set an end for.
   */
  remainingMs(window: WindowState): number | undefined {
    const presented = this.presentedTs;
    if (window.endTs === undefined || presented === undefined) return undefined;
    const now = performance.now();
    const waits = this.picture !== undefined && now - this.picture.displayAt > FRAME_GAP_MS;
    const at = waits ? Math.max(presented, this.core.estimate(now) ?? presented) : presented;
    return Math.max(0, (window.endTs - at) / TICKS_PER_MS);
  }

  /**
   * Acts in a window, on the frame that is on screen now. Resolves with the
   * relay's receipt, accepted or rejected; the same action is sent again after a
   * reconnect until it is there. Rejects with an ActionError if it cannot be sent
   * or was not answered in time.
   */
  act(window: string, data: Json, options: ActOptions = {}): Promise<Receipt> {
    const { display, windows } = this.core;
    const { presentedTs, overlay, armed } = display;
    const at = presentedTs === undefined ? undefined : windows.at(window, presentedTs);
    const sight = { snapshot: armed, overlay, presentedTs, named: this.route !== "clock", window: at };
    return this.acting.act(window, data, sight, options, performance.now());
  }

  /** The newest receipts, oldest first. */
  get receipts(): ReceiptRecord[] {
    return this.acting.book.receipts;
  }

  /** The receipts as JSON lines, byte for byte as they came: for an auditor, `relay transcript verify`. */
  exportReceipts(): string {
    return this.acting.book.export();
  }

  /** Where the verification of the log stands; undefined if it is switched off. */
  get verification(): Verification | undefined {
    return this.verifying?.verification;
  }

  /**
   * Creates the negotiated channels on a connection, before its offer is made,
   * and follows it from now on. What is on screen stays until its first frame.
   */
  connect(pc: RTCPeerConnection): void {
    this.disconnect();
    this.pictures.connect(pc);
    this.timer ??= setInterval(() => this.tick(), TICK_MS);
    if (!isSecureContext && !this.warned) queueMicrotask(() => this.sayInsecure());
    this.core.begin();
    this.verifying?.begin(this.logKey);
    this.heartbeat.begin();
    this.pings = 0;
    const session = ++this.session;
    for (const name of Object.keys(CHANNELS) as ChannelName[]) this.open(pc, name, session);
  }

  /** Lets go of the connection; the picture stays. */
  disconnect(): void {
    this.session++;
    this.pictures.disconnect();
    for (const c of this.channels) c.close();
    this.channels = [];
    this.actions = undefined;
  }

  /** Lets go of the connection, the picture and all timers. `connect` starts anew. */
  close(): void {
    this.disconnect();
    clearInterval(this.timer);
    this.timer = undefined;
    this.pictures.stop();
    this.picture = undefined;
    this.acting.close();
    this.verifying?.close();
  }

  private open(pc: RTCPeerConnection, name: ChannelName, session: number): void {
    const { label, ...init } = CHANNELS[name];
    const channel = pc.createDataChannel(label, { ...init, negotiated: true });
    this.channels.push(channel);
    if (name === "actions") this.actions = channel;
    channel.onmessage = (m: MessageEvent<unknown>) => {
      if (session !== this.session || typeof m.data !== "string") return;
      if (name === "events") this.verifying?.message(m.data);
      this.apply(this.core.receive(m.data, name, performance.now()));
    };
    channel.onclose = () => {
      if (session === this.session) this.die(`${label} was closed`);
    };
  }

  private present(picture: Picture): boolean {
    const at = picture.displayAt;
    const result = picture.rtp === undefined ? this.core.presentByClock(at) : this.core.present(picture.rtp, at);
    if (!result.fresh) return false;
    this.picture = picture;
    this.attention.presented(performance.now());
    this.heartbeat.beat(performance.now());
    this.paint(picture, result, result.outputs, false);
    this.tellLatency(result.ts, at);
    return true;
  }

  /** Tells what follows from a frame, then the frame itself: all within one paint. */
  private paint(p: Picture, result: Omit<FrameResult, "fresh">, outputs: Output[], again: boolean): void {
    const frame: Frame = {
      ts: result.ts,
      rtp: p.rtp,
      image: p.image,
      width: p.width,
      height: p.height,
      route: this.route,
      overlay: result.overlay,
      fired: outputs.flatMap((o) => (o.type === "fire" && !o.firing.hidden ? [o.firing] : [])),
      state: this.core.state,
      skipped: result.skipped,
      displayAt: p.displayAt,
      again,
    };
    for (const o of outputs) this.tell(o, frame);
    this.events.emit("frame", frame);
  }

  /** Tells what follows from a message; a late event paints the frame on screen again. */
  private apply(outputs: Output[]): void {
    const late = outputs.some((o) => o.type === "fire" && !o.firing.hidden);
    if (late && this.picture) {
      this.paint(this.picture, { ts: this.presentedTs, overlay: true, skipped: 0, outputs }, outputs, true);
      return;
    }
    for (const o of outputs) this.tell(o, undefined);
  }

  private tell(o: Output, frame: Frame | undefined): void {
    switch (o.type) {
      case "fire":
        return this.events.emit("event", { ...o.firing, frame: o.firing.hidden ? undefined : frame });
      case "received":
        return this.received(o.event, o.channel);
      case "state":
        return this.events.emit("state", { state: o.state, ts: o.ts });
      case "snapshot":
        this.acting.resend();
        this.pictures.begin();
        return this.events.emit("snapshot", o.snapshot);
      case "window":
        return this.events.emit("window", o.window);
      case "receipt":
        return this.acting.receive(o.receipt, o.text);
      case "notice":
        return this.events.emit("notice", { code: o.code, text: o.text });
      case "alarm":
        return this.events.emit("alarm", o.alarm);
      case "void":
        return this.events.emit("void", { from: o.from, to: o.to });
      case "clock":
        return this.heartbeat.beat(performance.now());
      case "resync":
        return this.events.emit("resync", { reason: o.reason });
    }
  }

  private received(event: FramelockEvent, channel: ChannelName): void {
    const hash = frameHash(event);
    if (hash) this.pictures.check(hash);
    this.events.emit("received", { event, channel, at: performance.now() });
  }

  private checked(check: HashCheck): void {
    const { seq, result, published, computed } = check;
    if (result === "mismatch") this.events.emit("alarm", { code: "frame_hash", seq, published, computed: computed! });
    this.events.emit("hash", check);
  }

  private tick(): void {
    const now = performance.now();
    this.pictures.tick();
    if (this.attention.lost(now, document.hidden, this.pictures.arrived)) this.apply(this.core.advance(now));
    if (this.heartbeat.silent(now)) this.die("the relay has fallen silent");
    const open = this.actions?.readyState === "open";
    this.acting.tick(now, open);
    if (!open) return;
    if (this.pings < FAST_PINGS || now - this.pingedAt >= PING_MS) {
      this.pings++;
      this.pingedAt = now;
      this.send({ type: "ping", id: this.core.clock.ping(now) });
    }
    if (this.wantReports && now - this.reportedAt >= REPORT_MS) this.sendReport(now);
  }

  private sendReport(now: number): void {
    const report = this.core.takeReport();
    if (!report) return;
    this.reportedAt = now;
    this.send(report);
    this.events.emit("presented", report);
  }

  private send(message: object): void {
    this.sendText(JSON.stringify(message));
  }

  private sendText(text: string): boolean {
    if (this.actions?.readyState !== "open") return false;
    this.actions.send(text);
    return true;
  }

  private tellLatency(ts: number | undefined, at: number): void {
    if (ts === undefined || at - this.latencyAt < REPORT_MS) return;
    const ms = this.core.clock.latency(ts, at);
    if (ms === undefined) return;
    this.latencyAt = at;
    this.events.emit("latency", { ms, ts });
  }

  private die(reason: string): void {
    this.disconnect();
    this.heartbeat.begin();
    this.events.emit("dead", { reason });
  }

  private rerouted(route: Route, reason: string): void {
    this.events.emit("route", route);
    this.events.emit("notice", { code: "route", text: `frames are tied to their timestamps on the ${route} route: ${reason}` });
  }

  private sayInsecure(): void {
    this.warned = true;
    this.events.emit("notice", {
      code: "insecure_context",
      text: "this page is not a secure context (HTTPS or localhost): exact frames (WebCodecs) and hash checks (crypto.subtle) are not to be had, so events are shown on the approximate route",
    });
  }
}

/**
 * Binds an integrator's own connection and video element to a stream's events.
 * To be called before the connection's offer is made. The integrator draws
 * `events.on("frame", …)` on a canvas, or shows `events.on("event", …)` its own way.
 */
export function attach(pc: RTCPeerConnection, video: HTMLVideoElement, options?: FramelockOptions): Framelock {
  const framelock = new Framelock(video, options);
  framelock.connect(pc);
  return framelock;
}
