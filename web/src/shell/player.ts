import { Backoff } from "../core/backoff.js";
import { Emitter } from "./emitter.js";
import { Framelock, type FramelockOptions, type Latency } from "./framelock.js";
import { watchOccasions } from "./occasions.js";
import type { ProofFrame } from "./proofs.js";
import { randomHex } from "./random.js";
import { Session } from "./session.js";
import { VideoPair } from "./videopair.js";
import type { WhepError } from "./whep.js";

/** Where a player stands. */
export type PlayerStatus =
  /** Not started, or stopped. */
  | "idle"
  /** The session is being set up. */
  | "connecting"
  /** Connected; no frame of this session yet. */
  | "waiting"
  /** Frames are presented. */
  | "live"
  /** The session ended; the next one follows. The last picture stays. */
  | "reconnecting"
  /** The relay refused for good (a wrong token, an unacceptable offer). */
  | "failed";

/** What a player plays. */
export interface PlayerSource {
  /** WHEP URL of the stream. */
  src: string;
  /** Bearer token, or where to get a fresh one for every session. */
  token?: string | (() => string | Promise<string>);
}

/** Options of a player. */
export interface PlayerOptions extends FramelockOptions {
  /** STUN and TURN servers; a relay that the viewer can reach needs none. */
  iceServers?: RTCIceServer[];
  /**
   * A secret of this viewer, 16 to 128 characters, by which the relay knows it again
   * after a reconnect where the token is many people's; by default one for as long
   * as this player lives. Keep it, and receipts can be asked for in a later visit.
   */
  viewer?: string;
}

/** A session has taken over from another one. */
export interface Switched {
  /** Why there is another one. */
  reason: string;
  /** The one before was followed until then: no picture was waited for. */
  seamless: boolean;
  /** The element that plays it. */
  video: HTMLVideoElement;
}

/** A sound track of the stream. */
export interface AudioTrack {
  /** Its name at the relay. */
  track: string;
  codec: string;
  /** Its language (BCP 47); undefined while the relay names none. */
  language: string | undefined;
}

/** What a player tells, by name. */
export interface PlayerEvents {
  status: StatusChange;
  /** A new session plays. */
  switched: Switched;
  /** The browser refused sound without a gesture: the player is muted. Call `unmute()` in a click. */
  "autoplay-muted": { reason: string };
}

/** A status with the reason for it, where there is one. */
export interface StatusChange {
  status: PlayerStatus;
  reason: string;
}

/** How long a connected player waits for the snapshot before it shows pictures without one. */
const SNAPSHOT_PATIENCE_MS = 1_500;
/** So many times a new session is tried beside one that still plays and goes on to. */
const MAKE_ATTEMPTS = 5;
/** A relay that drains tells all viewers at once: they spread over this time. */
const DRAIN_SPREAD_MS = 1_000;

/**
 * Plays a stream of a relay by WHEP and stays with it. While the session plays, a
 * new one is made beside it and takes over with its first picture; if the session
 * is dead, the next one follows with exponential backoff and jitter, and the last
 * picture stays meanwhile. Each begins with a fresh snapshot, and nothing rewinds.
 */
export class FramelockPlayer {
  readonly framelock: Framelock;
  readonly events = new Emitter<PlayerEvents>();
  /** The secret by which the relay knows this viewer again: see PlayerOptions. */
  readonly viewer: string;
  private readonly videos: VideoPair;
  private readonly backoff = new Backoff(); // between sessions
  private readonly pause = new Backoff(); // between tries beside a session
  private standing: StatusChange = { status: "idle", reason: "" };
  private source: PlayerSource | undefined; // while it runs
  private run = new AbortController();
  private current: Session | undefined;
  private next: { session: Session; reason: string } | undefined; // being made beside it
  private timer: ReturnType<typeof setTimeout> | undefined; // of the next try, of either kind
  private tries = 0;
  private draining = false; // the relay of the present session stops soon
  private tracks: AudioTrack[] = [];

  constructor(video: HTMLVideoElement, private readonly options: PlayerOptions = {}) {
    this.viewer = options.viewer ?? randomHex();
    this.videos = new VideoPair(video);
    this.framelock = new Framelock(video, options);
    const { events } = this.framelock;
    events.on("dead", ({ reason, suspended }) => (suspended ? this.replace(reason) : this.current?.end(reason)));
    events.on("route", () => this.current?.fill());
    events.on("resync", ({ reason }) => this.current?.end(reason));
    events.on("frame", () => {
      if (this.status === "waiting") this.become("live");
    });
    events.on("snapshot", ({ tracks }) => {
      this.backoff.reset();
      this.tracks = tracks.filter((t) => t.kind === "audio").map(({ track, codec, language }) => ({ track, codec, language }));
    });
    events.on("notice", ({ code, text }) => {
      if (code !== "draining" || this.draining) return;
      this.draining = true;
      if (!this.next) this.later(Math.random() * DRAIN_SPREAD_MS, () => this.make(text || "the relay is draining"));
    });
  }

  /** Where the player stands. */
  get status(): PlayerStatus {
    return this.standing.status;
  }

  /** The element that plays now: after a reconnect it may be another one, in the place of the one before. */
  get video(): HTMLVideoElement {
    return this.videos.current;
  }

  /** This viewer's capture-to-screen latency as it was measured last; undefined before the first second. */
  get latency(): Latency | undefined {
    return this.framelock.latency;
  }

  /** The picture on which an outcome fired, one of the last few: see Framelock.proofFrame. */
  proofFrame(seq: number): ProofFrame | undefined {
    return this.framelock.proofFrame(seq);
  }

  /** Starts playing, instead of what it played before. */
  start(source: PlayerSource): void {
    this.stop();
    this.source = source;
    this.run = new AbortController();
    watchOccasions({
      network: (reason) => this.reconnect(reason),
      resumed: () => this.current && this.framelock.suspended(),
    }, this.run.signal);
    this.backoff.reset();
    this.become("connecting");
    this.open();
  }

  /** Stops, and ends the session at the relay. */
  stop(): void {
    if (!this.source) return;
    this.halt();
    this.framelock.close();
    this.become("idle");
  }

  /**
   * Takes a new session: beside the present one while that plays, which goes on
   * until the new one has a picture; or else at once. Does nothing while it is
   * under way.
   */
  reconnect(reason = "asked to"): void {
    if (!this.source || this.next) return;
    if (this.current && this.status === "live") return this.make(reason);
    clearTimeout(this.timer);
    this.replace(reason);
  }

  /** Whether the sound is off. */
  get muted(): boolean {
    return this.video.muted;
  }

  /** Turns the sound off. */
  mute(): void {
    this.video.muted = true;
  }

  /** Turns the sound on, to be called in a click or key press. False if the browser refuses it. */
  async unmute(): Promise<boolean> {
    const { video } = this;
    video.muted = false;
    try {
      await video.play();
      return true;
    } catch {
      // Some browsers have stopped the element as its sound was turned on.
      video.muted = true;
      video.play().catch(() => undefined);
      return false;
    }
  }

  /** The sound tracks of the stream, as the last snapshot named them. */
  get audioTracks(): AudioTrack[] {
    return this.tracks;
  }

  /**
   * Chooses a sound track by its name or language. A relay has one sound track for
   * each stream now, which is played in any case: this says whether it is the one that is wanted.
   * Throws a RangeError that names what there is.
   */
  selectAudio(nameOrLanguage: string): AudioTrack {
    const found = this.tracks.find((t) => t.track === nameOrLanguage) ?? this.tracks.find((t) => t.language === nameOrLanguage);
    if (found) return found;
    const there = this.tracks.map((t) => (t.language ? `${t.track} (${t.language})` : t.track)).join(", ");
    throw new RangeError(`there is no sound track ${JSON.stringify(nameOrLanguage)}; this stream has ${there || "none yet"}`);
  }

  /** A session in place of none. */
  private open(): void {
    const session = (this.current = this.session());
    this.draining = false;
    this.framelock.connect(session.pc);
    // Pictures are shown once the state is known: however busy the page is, no frame
    // is presented before the snapshot has been taken in.
    const show = () => {
      if (session !== this.current || this.video.srcObject === session.media) return;
      // The element blanks on a new source until its first frame; a canvas keeps its picture.
      this.video.srcObject = session.media;
      this.play(this.video);
    };
    const forget = this.framelock.events.on("snapshot", show);
    let patience: ReturnType<typeof setTimeout> | undefined;
    session.pc.addEventListener("connectionstatechange", () => {
      if (session.pc.connectionState === "connected") patience ??= setTimeout(show, SNAPSHOT_PATIENCE_MS);
    });
    session.signal.addEventListener("abort", () => {
      clearTimeout(patience);
      forget();
    });
    session.open(this.source!);
  }

  /** A session beside the present one, which takes over with its first picture. */
  private make(reason: string): void {
    clearTimeout(this.timer);
    if (!this.source || !this.current || this.next) return;
    const video = this.videos.next;
    const session = this.session();
    this.next = { session, reason };
    this.framelock.prepare(session.pc, video, {
      switched: () => this.switched(),
      closed: (why) => session.end(why),
    });
    video.srcObject = session.media;
    this.play(video);
    session.open(this.source);
  }

  private session(): Session {
    const session: Session = new Session(this.options.iceServers ?? [], this.viewer, {
      connected: () => this.connected(session),
      disconnected: () => {
        if (session === this.current && this.status === "live") this.make("the connection is in doubt");
      },
      bypassed: () => this.framelock.bypasses(session.pc),
      ended: (reason, error) => this.ended(session, reason, error),
    });
    return session;
  }

  /** One that is made beside another has not come up before it takes over. */
  private connected(session: Session): void {
    if (session !== this.current || session.pc.connectionState !== "connected") return;
    session.settle();
    if (this.status !== "live") this.become("waiting");
  }

  /** The session that was made beside the present one is followed from now on. */
  private switched(): void {
    const { session, reason } = this.next!;
    const before = this.current;
    this.next = undefined;
    this.current = session;
    this.connected(session);
    this.tries = 0;
    this.draining = false;
    this.pause.reset();
    this.videos.exchange();
    if (!this.video.muted) this.play(this.video); // some browsers stop what is unmuted
    before?.end("another session has taken over");
    this.events.emit("switched", { reason, seamless: before !== undefined, video: this.video });
  }

  private ended(session: Session, reason: string, error: WhepError | undefined): void {
    if (session === this.next?.session) return this.notMade(this.next.reason, error);
    if (session !== this.current) return;
    this.current = undefined;
    clearTimeout(this.timer);
    this.framelock.disconnect();
    if (!this.source) return;
    this.become("reconnecting", reason);
    if (this.next) return this.framelock.promote(); // it is on its way already
    if (error?.final) {
      this.halt();
      return this.become("failed", reason);
    }
    const pause = Math.max(error?.retryAfterMs ?? 0, this.backoff.next(Math.random()));
    // The sessions of a relay that has stopped end in the same moment.
    this.later(pause + (this.draining ? Math.random() * DRAIN_SPREAD_MS : 0), () => this.open());
  }

  /** The session beside the present one came to nothing. The present one goes on as long as it can. */
  private notMade(reason: string, error: WhepError | undefined): void {
    this.next = undefined;
    this.framelock.abandon();
    this.videos.release();
    if (!this.current || error?.final || (++this.tries >= MAKE_ATTEMPTS && !this.draining)) return void (this.tries = 0);
    this.later(Math.max(error?.retryAfterMs ?? 0, this.pause.next(Math.random())), () => this.make(reason));
  }

  /** Another session at once, instead of all that there is. */
  private replace(reason: string): void {
    if (!this.source) return;
    this.drop();
    this.framelock.disconnect();
    this.become("reconnecting", reason);
    this.open();
  }

  /** Ends what there is, and nothing follows from it. */
  private drop(): void {
    const { current, next } = this;
    this.current = undefined;
    this.next = undefined;
    clearTimeout(this.timer);
    this.framelock.abandon();
    this.videos.release();
    next?.session.end("given up");
    current?.end("given up");
  }

  private halt(): void {
    this.source = undefined;
    this.run.abort();
    this.drop();
  }

  private later(ms: number, then: () => void): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(then, ms);
  }

  private play(video: HTMLVideoElement): void {
    video.play().catch((e: unknown) => {
      // Others: interrupted by the next source.
      if (!(e instanceof Error) || e.name !== "NotAllowedError" || video.muted) return;
      video.muted = true;
      this.events.emit("autoplay-muted", { reason: "the browser plays sound only after a click or a key press" });
      video.play().catch(() => undefined);
    });
  }

  private become(status: PlayerStatus, reason = ""): void {
    if (status === this.standing.status && reason === this.standing.reason) return;
    this.standing = { status, reason };
    this.events.emit("status", this.standing);
  }
}
