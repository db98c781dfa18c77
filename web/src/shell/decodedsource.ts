import { Playout } from "../core/playout.js";
import type { CodedEvents } from "./codedframes.js";
import type { Picture } from "./frames.js";

/** The most pictures that wait: 250 ms at 60 fps and some more. A page that paints nothing keeps no more than these. */
const MAX_WAITING = 20;

/** How long the first pictures wait for the session's snapshot. */
const SNAPSHOT_PATIENCE_MS = 1500;

/** Screens refresh every 4 to 50 ms. */
const FASTEST_MS = 4;
const SLOWEST_MS = 50;

/** What the source is given of the sound: the pictures' RTP timestamp whose moment is heard at a local time. */
export interface Sound {
  rtp: number;
  at: number;
}

interface Waiting {
  ts: number;
  rtp: number;
  frame: VideoFrame;
}

/** Gives every decoded picture when its time has come, in the paint of the screen's next refresh. */
export class DecodedSource {
  private readonly playout = new Playout();
  private waiting: Waiting[] = [];
  private shown: VideoFrame | undefined;
  private handle = 0;
  private running = false;
  private ready = false;
  private begun = false; // else the newest is shown, whatever waits before it
  private firstAt: number | undefined;
  private refreshedAt: number | undefined;
  private refresh = 1000 / 60;
  private count = 0;

  /** `onPicture` returns whether it took the picture; if not, the one before stays valid. */
  constructor(private readonly onPicture: (p: Picture) => boolean) {}

  /** Pictures that were decoded so far. */
  get decoded(): number {
    return this.count;
  }

  /** How long pictures are held back beyond the shortest way here, in ms. */
  get delayMs(): number {
    return this.playout.delayMs;
  }

  /** How much later sound comes out than the pictures of its moment, in ms; undefined without sound. */
  get soundBehindMs(): number | undefined {
    return this.playout.soundBehindMs;
  }

  /** What the pictures' arrival alone asks to be held back, in ms. */
  get jitterMs(): number {
    return this.playout.jitterMs;
  }

  /** Starts giving pictures, of a new session if it runs already; the first when it is `begin`'s turn. */
  start(): void {
    this.drop();
    this.playout.silent();
    this.ready = this.begun = false;
    this.firstAt = undefined;
    if (this.running) return;
    this.running = true;
    this.handle = requestAnimationFrame((now) => this.tick(now));
  }

  /** The state is known: pictures are shown from now on. */
  begin(): void {
    this.ready = true;
  }

  /** What waits is of a time that nobody has seen: the next picture is the newest. */
  skip(): void {
    this.begun = false;
  }

  /** Stops, and lets go of all pictures. */
  stop(): void {
    if (!this.running) return;
    this.running = false;
    cancelAnimationFrame(this.handle);
    this.drop();
    this.shown?.close();
    this.shown = undefined;
  }

  /** Takes a decoded picture. */
  add({ rtp, at, frame }: CodedEvents["picture"]): void {
    if (!this.running) return frame.close();
    this.count++;
    this.firstAt ??= at;
    const ts = this.playout.arrived(rtp, at);
    this.waiting.push({ ts, rtp, frame });
    if (this.waiting.length > MAX_WAITING) this.waiting.shift()!.frame.close();
  }

  /** Sound to keep to, undefined if none is heard. */
  listen(sound: Sound | undefined): void {
    if (sound) this.playout.heardAt(sound.rtp, sound.at);
    else this.playout.silent();
  }

  private tick(now: number): void {
    if (!this.running) return;
    this.handle = requestAnimationFrame((next) => this.tick(next));
    this.measureRefresh(now);
    // What is painted now is seen at the next refresh.
    const displayAt = Math.max(now, performance.now() - this.refresh) + this.refresh;
    if (!this.ready && !this.impatient(now)) return;
    const [queue, at] = [this.waiting.map((w) => w.ts), displayAt + this.refresh / 2];
    const taken = this.begun ? this.playout.take(queue, at, this.refresh) : this.playout.due(queue, at);
    if (taken === 0) return;
    this.begun = true;
    const out = this.waiting.splice(0, taken);
    const { rtp, frame } = out.pop()!;
    for (const w of out) w.frame.close();
    this.give(rtp, frame, displayAt);
  }

  private give(rtp: number, frame: VideoFrame, displayAt: number): void {
    const { displayWidth: width, displayHeight: height } = frame;
    const taken = this.onPicture({ rtp, image: frame, width, height, displayAt });
    (taken ? this.shown : frame)?.close();
    if (taken) this.shown = frame;
  }

  private impatient(now: number): boolean {
    return this.firstAt !== undefined && now - this.firstAt > SNAPSHOT_PATIENCE_MS;
  }

  /** The refresh is the shortest distance of two paints; it is forgotten slowly, as windows move between screens. */
  private measureRefresh(now: number): void {
    const distance = now - (this.refreshedAt ?? -Infinity);
    this.refreshedAt = now;
    if (distance < FASTEST_MS) return;
    this.refresh = Math.min(this.refresh * 1.002, Math.max(distance, FASTEST_MS), SLOWEST_MS);
  }

  private drop(): void {
    for (const w of this.waiting) w.frame.close();
    this.waiting = [];
  }
}
