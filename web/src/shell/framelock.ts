import { Attention } from "../core/attention.js";
import type { Firing } from "../core/display.js";
import { frameHash } from "../core/framehash.js";
import { Heartbeat } from "../core/heartbeat.js";
import type { ReceiptRecord } from "../core/actions.js";
import type { Json } from "../core/json.js";
import type { Verification } from "../core/verifier.js";
import { ViewerCore, type Alarm, type FrameResult, type Output } from "../core/viewer.js";
import { TICKS_PER_MS } from "../core/timestamp.js";
import { Standby } from "../core/standby.js";
import type { ChannelName, FramelockEvent, PresentedReport, Receipt, Snapshot } from "../core/wire.js";
import type { WindowState } from "../core/windows.js";
import { Acting, type ActOptions } from "./acting.js";
import { Emitter } from "./emitter.js";
import type { Picture, Route } from "./frames.js";
import { Link } from "./link.js";
import { ProofFrames, type ProofFrame } from "./proofs.js";
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
  /**
   * From the relay `paused`, `resumed`, `source_restarted`, `input_switched`, `congested`,
   * `clear`, `draining`, and what later versions add; from here `insecure_context`, `route`.
   */
  notice: { code: string; text: string };
  /** Something that must not happen. */
  alarm: Alarm | HashAlarm;
  /** A marked frame's coded bytes were compared with its published hash (`checkFrameHashes`). */
  hash: HashCheck;
  /** This viewer's own capture-to-screen latency in ms, about once a second. */
  latency: Latency;
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
  /**
   * The session is over: the relay fell silent, a channel was closed, or the page was
   * `suspended`, and what waits to be read is of the past.
   */
  dead: { reason: string; suspended: boolean };
  /** The log can no longer be followed in this session: take a new one. */
  resync: { reason: string };
}

/** A viewer's own latency. */
export interface Latency {
  /** From capture, by the relay's clock, to the screen. */
  ms: number;
  /** Canonical timestamp of the frame that it was measured on. */
  ts: number;
}

/** What a session that is prepared beside the present one tells. */
export interface StandbyHandlers {
  /** It has taken over: the picture on screen is its own, or will be with the next frame. */
  switched(): void;
  /** It is over before it took over. */
  closed(reason: string): void;
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
  /** The pictures of so many last outcomes are kept for `proofFrame` (default 4, 0 for none). */
  proofFrames?: number;
}

const TICK_MS = 250;
const REPORT_MS = 1000;
const FAST_PINGS = 8; // the first round trips come every tick, later ones every two seconds
const PING_MS = 2000;
/** After so long without a frame, the relay's clock says how far the line has come. */
const FRAME_GAP_MS = 250;
/** A page that has done nothing for so long was suspended: what it missed is not shown any more. */
const SUSPENDED_MS = 5000;
/** A standby whose pictures are not asked for, as of an element out of sight, takes over after this long. */
const UNSEEN_MS = 1500;
const PROOF_FRAMES = 4;

/** A session beside the present one. */
interface Heir {
  link: Link;
  said: Standby;
  handlers: StandbyHandlers;
}

/**
 * One viewer of one stream: holds events until their frame is presented, and
 * fires them in that very frame. Headless: the integrator draws.
 */
export class Framelock {
  readonly events = new Emitter<FramelockEvents>();
  private readonly core = new ViewerCore();
  private readonly heartbeat = new Heartbeat();
  private readonly attention = new Attention();
  private readonly proofs: ProofFrames;
  private readonly options: FramelockOptions;
  private pictures: Pictures; // on screen
  private retired: Pictures | undefined; // of the session before, until the first picture of this one
  private readonly wantReports: boolean;
  private readonly verifying: Verifying | undefined;
  private readonly acting = new Acting((text) => this.sendText(text), (record) => this.events.emit("receipt", record));
  /** The verifier key that the page trusts; read at the next `connect`. */
  logKey: string | undefined;
  private timer: ReturnType<typeof setInterval> | undefined;
  private link: Link | undefined;
  private heir: Heir | undefined;
  private picture: Picture | undefined;
  private unseen = false; // time has passed of which the page presented nothing
  private tickedAt: number | undefined;
  private last: Latency | undefined;
  private pings = 0;
  private pingedAt = -Infinity;
  private reportedAt = -Infinity;
  private latencyAt = -Infinity;
  private warned = false;

  constructor(video: HTMLVideoElement, options: FramelockOptions = {}) {
    this.options = options;
    this.proofs = new ProofFrames(options.proofFrames ?? PROOF_FRAMES);
    this.wantReports = options.report ?? true;
    this.logKey = options.logKey;
    if (options.verify ?? true) this.verifying = new Verifying((v) => this.events.emit("verification", v));
    this.pictures = this.picturesOf(video);
  }

  /** The element that plays the present connection. */
  get video(): HTMLVideoElement {
    return this.pictures.video;
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

  /**
   * Whether the pictures of a connection, the present one or the one that is prepared,
   * come another way than by its element, which then has to play the sound alone.
   */
  bypasses(pc: RTCPeerConnection): boolean {
    return (this.heir?.link.pc === pc ? this.heir.link.pictures : this.pictures).bypassing;
  }

  /** This viewer's latency as it was measured last; undefined before the first second. */
  get latency(): Latency | undefined {
    return this.last;
  }

  /** The picture on which an outcome fired, one of the last few (`proofFrames`). */
  proofFrame(seq: number): ProofFrame | undefined {
    return this.proofs.of(seq);
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
    this.abandon();
    this.disconnect();
    this.wakeUp();
    if (!isSecureContext && !this.warned) queueMicrotask(() => this.sayInsecure());
    this.begin(false);
    this.link = new Link(pc, this.pictures, {
      message: (text, channel) => this.awake() && this.heard(text, channel, performance.now()),
      closed: (reason) => this.linkClosed(pc, reason),
    });
  }

  /**
   * Creates the channels on a second connection, before its offer is made, to play
   * on an element of its own beside the present one. It takes over by itself,
   * with its first picture that is the one on screen or a newer one, once its
   * snapshot is there: nothing rewinds, is lost or fires twice. Until then nothing
   * of it is told. Only one is prepared at a time.
   */
  prepare(pc: RTCPeerConnection, video: HTMLVideoElement, handlers: StandbyHandlers): void {
    this.abandon();
    const said = new Standby();
    const link = new Link(pc, this.picturesOf(video, this.pictures), {
      message: (text, channel) => {
        const now = performance.now();
        if (this.link === link) {
          if (this.awake()) this.heard(text, channel, now);
        } else if (!said.receive(text, channel, now)) this.linkClosed(pc, "too much was said before the first picture");
      },
      closed: (reason) => this.linkClosed(pc, reason),
    });
    link.pictures.begin();
    this.heir = { link, said, handlers };
  }

  /** The connection that is prepared takes over now, whatever it has: the present one is dead. */
  promote(): void {
    if (this.heir) this.change(this.heir);
  }

  /** Lets go of the connection that is prepared. */
  abandon(): void {
    const heir = this.heir;
    this.heir = undefined;
    heir?.link.close();
    heir?.link.pictures.stop();
  }

  /** Lets go of the connection; the picture stays. */
  disconnect(): void {
    this.link?.close();
    this.link = undefined;
  }

  /** Lets go of the connection, the picture and all timers. `connect` starts anew. */
  close(): void {
    this.abandon();
    this.disconnect();
    clearInterval(this.timer);
    this.timer = undefined;
    document.removeEventListener("visibilitychange", this.seen);
    this.pictures.stop();
    this.retire(undefined);
    this.picture = undefined;
    this.last = undefined;
    this.acting.close();
    this.verifying?.close();
  }

  /** The page was suspended and is back: what it missed is not shown any more, the session is over. */
  suspended(): void {
    this.core.begin();
    this.die("the page was suspended", true);
  }

  private picturesOf(video: HTMLVideoElement, before?: Pictures): Pictures {
    const pictures: Pictures = new Pictures(video, this.core.clock, {
      picture: (p) => (pictures === this.pictures ? this.awake() && this.present(p) : this.offered(pictures, p)),
      route: (route, reason) => this.rerouted(pictures, route, reason),
      hash: (check) => this.checked(check),
    }, this.options, before);
    return pictures;
  }

  private begin(takesOver: boolean): void {
    this.core.begin(takesOver);
    this.verifying?.begin(this.logKey);
    this.heartbeat.begin();
    this.pings = 0;
    this.pingedAt = -Infinity;
  }

  private heard(text: string, channel: ChannelName, at: number): void {
    if (channel === "events") this.verifying?.message(text);
    this.apply(this.core.receive(text, channel, at));
  }

  private linkClosed(pc: RTCPeerConnection, reason: string): void {
    if (this.link?.pc === pc) return this.die(reason);
    const heir = this.heir;
    if (heir?.link.pc !== pc) return;
    this.abandon();
    heir.handlers.closed(reason);
  }

  /** A picture of another session than the one on screen. */
  private offered(pictures: Pictures, picture: Picture): boolean {
    const heir = this.heir;
    if (heir?.link.pictures !== pictures || !this.awake()) return false;
    const { display, logName, contiguous } = this.core;
    const on = { presentedTs: display.presentedTs, log: logName, contiguous };
    if (!heir.said.takesOver(picture.rtp, on, performance.now())) return false;
    this.change(heir, () => this.present(picture));
    return this.picture === picture;
  }

  /** The heir is the session that is followed from now on. */
  private change(heir: Heir, show?: () => void): void {
    const route = this.route;
    this.heir = undefined;
    this.link?.close();
    this.link = heir.link;
    this.retire(this.pictures);
    this.pictures = heir.link.pictures;
    this.begin(heir.said.ready);
    for (const { text, channel, at } of heir.said.take()) this.heard(text, channel, at);
    show?.();
    if (this.route !== route) this.rerouted(this.pictures, this.route, "as the new session's are");
    heir.handlers.switched();
  }

  /** The pictures before these; theirs stays on screen until another one is there. */
  private retire(pictures: Pictures | undefined): void {
    this.retired?.stop();
    this.retired = pictures;
  }

  private wakeUp(): void {
    this.tickedAt = performance.now();
    if (this.timer !== undefined) return;
    this.timer = setInterval(() => this.tick(), TICK_MS);
    document.addEventListener("visibilitychange", this.seen);
  }

  /** Whether the page has been running. If it has not, the session is over. */
  private awake(): boolean {
    const now = performance.now();
    if (document.hidden || this.tickedAt === undefined || now - this.tickedAt < SUSPENDED_MS) return true;
    this.tickedAt = now;
    this.suspended();
    return false;
  }

  /** The page is hidden, or is seen again: what has passed meanwhile fires before the first picture, unseen. */
  private readonly seen = (): void => {
    if (document.hidden || !this.link || !this.awake()) return;
    this.pictures.skip();
    this.passUnseen();
  };

  /** Nobody has seen what has passed until now, nor what still does up to the next picture. */
  private passUnseen(): void {
    this.unseen = true;
    this.apply(this.core.advance(performance.now()));
  }

  private present(picture: Picture): boolean {
    const at = picture.displayAt;
    if (this.unseen && !document.hidden && picture.rtp !== undefined) {
      this.unseen = false;
      this.apply(this.core.resume(picture.rtp, at));
    }
    const result = picture.rtp === undefined ? this.core.presentByClock(at) : this.core.present(picture.rtp, at);
    if (!result.fresh) return false;
    this.picture = picture;
    this.retire(undefined);
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
        if (this.picture && frame) this.proofs.fired(o.firing, this.picture);
        return this.events.emit("event", { ...o.firing, frame: o.firing.hidden ? undefined : frame });
      case "received":
        return this.received(o.event, o.channel);
      case "state":
        return this.events.emit("state", { state: o.state, ts: o.ts });
      case "snapshot":
        this.acting.resend();
        this.pictures.begin();
        this.ping(performance.now());
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
    if (!this.awake()) return;
    const now = performance.now();
    this.tickedAt = now;
    this.pictures.tick();
    this.heir?.link.pictures.tick();
    this.takeOverUnseen(now);
    if (this.attention.lost(now, document.hidden, this.pictures.arrived)) this.passUnseen();
    if (this.heartbeat.silent(now)) this.die("the relay has fallen silent");
    const open = this.link?.open ?? false;
    this.acting.tick(now, open);
    if (!open) return;
    if (this.pings < FAST_PINGS || now - this.pingedAt >= PING_MS) this.ping(now);
    if (this.wantReports && now - this.reportedAt >= REPORT_MS) this.sendReport(now);
  }

  /** A hidden page is given no pictures, and need not wait for one. */
  private takeOverUnseen(now: number): void {
    const heir = this.heir;
    if (!heir?.said.ready) return;
    const { pictures } = heir.link;
    if (document.hidden || (pictures.arrived > 0 && heir.said.readyFor(now) > UNSEEN_MS)) this.change(heir);
  }

  private ping(now: number): void {
    if (!this.link?.open) return;
    this.pings++;
    this.pingedAt = now;
    this.send({ type: "ping", id: this.core.clock.ping(now) });
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
    return this.link?.send(text) ?? false;
  }

  private tellLatency(ts: number | undefined, at: number): void {
    if (ts === undefined || at - this.latencyAt < REPORT_MS) return;
    const ms = this.core.clock.latency(ts, at);
    if (ms === undefined) return;
    this.latencyAt = at;
    this.last = { ms, ts };
    this.events.emit("latency", this.last);
  }

  private die(reason: string, suspended = false): void {
    this.disconnect();
    this.heartbeat.begin();
    this.events.emit("dead", { reason, suspended });
  }

  private rerouted(pictures: Pictures, route: Route, reason: string): void {
    if (pictures !== this.pictures) return;
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
