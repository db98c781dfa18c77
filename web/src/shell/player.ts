import { Backoff } from "../core/backoff.js";
import { Emitter } from "./emitter.js";
import { Framelock, type FramelockOptions } from "./framelock.js";
import { randomHex } from "./random.js";
import { endSession, offerSession, WhepError } from "./whep.js";

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

/** A status with the reason for it, where there is one. */
export interface StatusChange {
  status: PlayerStatus;
  reason: string;
}

/** A session that is not connected after this long is given up. */
const CONNECT_TIMEOUT_MS = 10_000;
/** How long a connected player waits for the snapshot before it shows pictures without one. */
const SNAPSHOT_PATIENCE_MS = 1_500;

interface Session {
  pc: RTCPeerConnection;
  resource: string | undefined;
  token: string | undefined;
}

/**
 * Plays a stream of a relay by WHEP and stays with it: reconnects with
 * exponential backoff and jitter, each time from a fresh snapshot. Nothing
 * rewinds, and the last picture stays while it reconnects.
 */
export class FramelockPlayer {
  readonly framelock: Framelock;
  readonly events = new Emitter<{ status: StatusChange }>();
  /** The secret by which the relay knows this viewer again: see PlayerOptions. */
  readonly viewer: string;
  private current: StatusChange = { status: "idle", reason: "" };
  private run: AbortController | undefined;
  private endCurrent: ((reason: string) => void) | undefined;

  constructor(readonly video: HTMLVideoElement, private readonly options: PlayerOptions = {}) {
    this.viewer = options.viewer ?? randomHex();
    this.framelock = new Framelock(video, options);
    const end = (e: { reason: string }) => this.endCurrent?.(e.reason);
    this.framelock.events.on("dead", end);
    this.framelock.events.on("resync", end);
    this.framelock.events.on("frame", () => {
      if (this.current.status === "waiting") this.become("live");
    });
  }

  /** Where the player stands. */
  get status(): PlayerStatus {
    return this.current.status;
  }

  /** Starts playing, instead of what it played before. */
  start(source: PlayerSource): void {
    this.stop();
    this.run = new AbortController();
    void this.loop(source, this.run.signal);
  }

  /** Stops, and ends the session at the relay. */
  stop(): void {
    if (!this.run) return;
    this.run.abort();
    this.run = undefined;
    this.endCurrent?.("stopped");
    this.framelock.close();
    this.become("idle");
  }

  /** Gives up the present session, if any, and takes a new one at once. */
  reconnect(reason = "asked to"): void {
    this.endCurrent?.(reason);
  }

  private async loop(source: PlayerSource, stopped: AbortSignal): Promise<void> {
    const backoff = new Backoff();
    const forget = this.framelock.events.on("snapshot", () => backoff.reset());
    this.become("connecting");
    while (!stopped.aborted) {
      let wait = 0;
      try {
        const reason = await this.play(source);
        if (stopped.aborted) break;
        this.become("reconnecting", reason);
      } catch (e) {
        if (stopped.aborted) break;
        const message = e instanceof Error ? e.message : String(e);
        if (e instanceof WhepError && e.final) {
          this.become("failed", message);
          break;
        }
        if (e instanceof WhepError) wait = e.retryAfterMs ?? 0;
        this.become("reconnecting", message);
      }
      await sleep(Math.max(wait, backoff.next(Math.random())), stopped);
    }
    forget();
  }

  /** One session, from offer to end. Returns why it ended. */
  private async play(source: PlayerSource): Promise<string> {
    const session: Session = {
      pc: new RTCPeerConnection({ bundlePolicy: "max-bundle", iceServers: this.options.iceServers ?? [] }),
      resource: undefined,
      token: undefined,
    };
    const ended = new Promise<string>((resolve) => (this.endCurrent = resolve));
    const timeout = setTimeout(() => this.endCurrent?.("no connection within 10 s"), CONNECT_TIMEOUT_MS);
    const over = new AbortController();
    const leave = () => session.resource && endSession(session.resource, session.token);
    addEventListener("pagehide", leave);
    try {
      this.prepare(session.pc, () => clearTimeout(timeout), over.signal);
      const opened = this.negotiate(session, source, over.signal);
      // Whichever comes first: a session may be given up while its answer is awaited.
      await Promise.race([opened, ended]);
      return await ended;
    } finally {
      over.abort();
      clearTimeout(timeout);
      removeEventListener("pagehide", leave);
      this.endCurrent = undefined;
      this.framelock.disconnect();
      session.pc.close();
      leave();
    }
  }

  private prepare(pc: RTCPeerConnection, onConnected: () => void, over: AbortSignal): void {
    const media = new MediaStream();
    pc.addTransceiver("video", { direction: "recvonly" });
    pc.addTransceiver("audio", { direction: "recvonly" });
    this.framelock.connect(pc);
    // Where the SDK decodes the pictures itself, the element only plays the sound.
    const tracks: MediaStreamTrack[] = [];
    const fill = () => {
      for (const t of tracks) if (t.kind !== "video" || this.framelock.route !== "decoded") media.addTrack(t);
    };
    pc.ontrack = ({ track }) => {
      tracks.push(track);
      fill();
    };
    over.addEventListener("abort", this.framelock.events.on("route", fill));
    // Pictures are shown once the state is known: however busy the page is, no frame
    // is presented before the snapshot has been taken in.
    const show = () => {
      forget();
      if (pc.connectionState === "closed" || this.video.srcObject === media) return;
      // The element blanks on a new source until its first frame; a canvas keeps its picture.
      this.video.srcObject = media;
      this.video.play().catch(() => undefined); // interrupted by the next srcObject, or not allowed yet
    };
    const forget = this.framelock.events.on("snapshot", show);
    pc.onconnectionstatechange = () => {
      if (pc.connectionState === "connected") {
        onConnected();
        setTimeout(show, SNAPSHOT_PATIENCE_MS);
        if (this.current.status !== "live") this.become("waiting");
      }
      if (pc.connectionState === "failed" || pc.connectionState === "closed") {
        this.endCurrent?.(`the connection ${pc.connectionState}`);
      }
    };
  }

  private async negotiate(session: Session, source: PlayerSource, signal: AbortSignal): Promise<void> {
    session.token = typeof source.token === "function" ? await source.token() : source.token;
    await session.pc.setLocalDescription();
    const offer = session.pc.localDescription?.sdp;
    signal.throwIfAborted();
    if (!offer) throw new Error("the browser made no offer");
    // The relay is ICE-lite: it needs no candidates of ours, so there is nothing to wait for.
    const { answer, resource } = await offerSession(source.src, { token: session.token, viewer: this.viewer }, offer, signal);
    session.resource = resource;
    signal.throwIfAborted();
    await session.pc.setRemoteDescription({ type: "answer", sdp: answer });
  }

  private become(status: PlayerStatus, reason = ""): void {
    if (status === this.current.status && reason === this.current.reason) return;
    this.current = { status, reason };
    this.events.emit("status", this.current);
  }
}

/** Waits, or less if stopped. */
function sleep(ms: number, stopped: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    stopped.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    }, { once: true });
  });
}
