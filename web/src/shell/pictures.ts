import type { FrameHash } from "../core/framehash.js";
import type { RelayClock } from "../core/relayclock.js";
import { low32 } from "../core/timestamp.js";
import { canDecode, CodedFrames } from "./codedframes.js";
import { DecodedSource } from "./decodedsource.js";
import { bestRoute, elementRoute, FrameSource, type Picture, type Route } from "./frames.js";
import { ReceiverBuffer } from "./receiverbuffer.js";
import { soundNow } from "./sound.js";
import { canTap, TrackPictures } from "./trackpictures.js";

/** Options about pictures. */
export interface PictureOptions {
  /** The route to take instead of the best one; without effect where it is not to be had. */
  route?: Route;
  /** URL of `framelock-worker.js` on the page's own origin; default: beside the SDK's module. */
  worker?: string | URL;
  /** Compares the coded bytes of marked frames with the hashes that the relay publishes (default false). */
  checkFrameHashes?: boolean;
}

/** How a frame's coded bytes compare with the published hash. */
export interface HashCheck {
  /** Seq of the event whose frame it is. */
  seq: number;
  /** Canonical timestamp of the frame. */
  ts: number;
  /** `unseen`: this viewer never received the whole frame, or too long ago. */
  result: "match" | "mismatch" | "unseen";
  /** As the relay published it, and as it is here; lower-case hex. */
  published: string;
  computed: string | undefined;
}

/** How pictures are paced, in ms. */
export interface Pacing {
  /** How long they are held back beyond the shortest way here, for jitter and sound. */
  delayMs: number;
  /** How much of that their uneven arrival asks for. */
  jitterMs: number;
  /** How much later sound comes out than the pictures of its moment; undefined while none is heard. */
  soundBehindMs: number | undefined;
}

/** What the owner of pictures is told. */
export interface PictureHandlers {
  /** A picture to show; returns whether it was taken. */
  picture(p: Picture): boolean;
  /** The route turned out to be another one than it looked. */
  route(route: Route, reason: string): void;
  hash(check: HashCheck): void;
}

/** How many hashes wait for their frames. */
const MAX_CHECKS = 256;

/** The pictures of one viewer on the route that this browser and page allow, and their hashes. */
export class Pictures {
  private readonly element: FrameSource;
  private readonly source: DecodedSource;
  private readonly buffer: ReceiverBuffer;
  private coded: CodedFrames | undefined;
  private decoding: boolean;
  private tapping: boolean; // the browser's decoder gives its pictures without the element
  private readonly tap: TrackPictures;
  private takes: boolean; // coded frames are to be had here
  private pc: RTCPeerConnection | undefined;
  private checks = new Map<number, FrameHash[]>(); // by RTP timestamp

  constructor(
    readonly video: HTMLVideoElement,
    private readonly clock: RelayClock,
    private readonly handlers: PictureHandlers,
    private readonly options: PictureOptions,
    /** Pictures of another element of this page: what they found out holds here too. */
    before?: Pictures,
  ) {
    const { route } = options;
    const shown = before?.element.route ?? elementRoute(video);
    const best = route === "approximate" || route === "clock" ? () => route : () => shown as Exclude<Route, "decoded">;
    const wanted = before?.route ?? route ?? bestRoute(video);
    this.takes = before?.takes ?? canDecode();
    this.decoding = wanted === "decoded" && this.takes;
    this.tapping = !this.decoding && shown === "exact" && best() === "exact" && (before?.tapping ?? canTap());
    this.tap = new TrackPictures((p) => this.source.add(p), () => this.untapped());
    this.buffer = before ? before.buffer.next() : new ReceiverBuffer();
    this.source = new DecodedSource((p) => handlers.picture(p));
    this.element = new FrameSource(video, (p) => handlers.picture(p), (r) => this.unnamed(r), best);
  }

  /** The present connection. */
  get connection(): RTCPeerConnection | undefined {
    return this.pc;
  }

  /** The route in use. */
  get route(): Route {
    return this.decoding ? "decoded" : this.element.route;
  }

  /** Whether the pictures come another way than by the element, which plays the sound alone. */
  get bypassing(): boolean {
    return this.decoding || this.tapping;
  }

  /** How many pictures have been decoded, shown or not. */
  get arrived(): number {
    return this.bypassing ? this.source.decoded : (this.video.getVideoPlaybackQuality?.().totalVideoFrames ?? 0);
  }

  /** How pictures are paced here; undefined where the browser does it. */
  get pacing(): Pacing | undefined {
    if (!this.bypassing) return undefined;
    const { delayMs, jitterMs, soundBehindMs } = this.source;
    return { delayMs, jitterMs, soundBehindMs };
  }

  /** Takes the pictures of a connection, before its offer is made. */
  connect(pc: RTCPeerConnection): void {
    this.pc = pc;
    this.buffer.connect(pc);
    this.checks.clear();
    const keep = this.options.checkFrameHashes === true;
    if (this.takes && (this.decoding || keep)) this.worker().connect(pc, { decode: this.decoding, keep });
    if (this.tapping) this.tap.connect(pc);
    if (this.bypassing) this.source.start();
    else this.element.start();
  }

  /** Lets go of the connection; the picture stays. */
  disconnect(): void {
    this.pc = undefined;
    this.buffer.disconnect();
    this.tap.disconnect();
    this.coded?.disconnect();
  }

  /** The session's snapshot has come: nothing is shown before it. The element's pictures are held back by who gives it its source. */
  begin(): void {
    this.source.begin();
  }

  /** The page is seen again: the next picture is the newest. */
  skip(): void {
    this.source.skip();
  }

  /** Compares a frame's coded bytes with a hash, as soon as both are there. */
  check(hash: FrameHash): void {
    if (!this.options.checkFrameHashes) return;
    if (!this.takes) return this.handlers.hash({ seq: hash.ofSeq, ts: hash.ts, result: "unseen", published: hash.hash, computed: undefined });
    const rtp = low32(hash.ts);
    const same = this.checks.get(rtp) ?? [];
    if (same.some((h) => h.seq === hash.seq)) return;
    this.checks.set(rtp, [...same, hash]);
    if (this.checks.size > MAX_CHECKS) this.checks.delete(this.checks.keys().next().value as number);
    if (same.length === 0) this.coded?.want(rtp);
  }

  /** To be called some times a second. */
  tick(): void {
    this.coded?.tick();
    if (!this.bypassing) return void this.buffer.tick();
    // Pictures of a muted element have no lips to keep to, and need not wait.
    const heard = this.pc && !this.video.muted && !this.video.paused;
    this.source.listen(heard ? soundNow(this.pc!, this.clock) : undefined);
  }

  /** Lets go of everything. `connect` starts anew. */
  stop(): void {
    this.disconnect();
    this.element.stop();
    this.source.stop();
    this.coded?.close();
    this.coded = undefined;
  }

  private worker(): CodedFrames {
    if (this.coded) return this.coded;
    const coded = new CodedFrames(this.options.worker);
    coded.events.on("picture", (p) => this.source.add(p));
    coded.events.on("failed", ({ reason }) => this.undecodable(reason));
    coded.events.on("hash", ({ rtp, hash }) => this.compare(rtp, hash));
    return (this.coded = coded);
  }

  private compare(rtp: number, computed: string | undefined): void {
    const waiting = this.checks.get(rtp) ?? [];
    this.checks.delete(rtp);
    for (const h of waiting) {
      const result = computed === undefined ? "unseen" : computed === h.hash ? "match" : "mismatch";
      this.handlers.hash({ seq: h.ofSeq, ts: h.ts, result, published: h.hash, computed });
    }
  }

  /** The track's pictures carry no timestamps after all. */
  private untapped(): void {
    this.tapping = false;
    this.tap.disconnect();
    this.source.stop();
    this.element.start();
    this.handlers.route(this.route, "the browser's decoder gives pictures without a timestamp");
  }

  /** The element's pictures carry no timestamps after all. */
  private unnamed(route: Route): void {
    if (route === "approximate" && this.options.route === undefined && this.pc && this.takes) {
      this.element.stop();
      this.decoding = true;
      this.worker().connect(this.pc, { decode: true, keep: this.options.checkFrameHashes === true });
      this.source.start();
      this.source.begin();
      return this.handlers.route("decoded", "the pixels of this source carry no timestamp");
    }
    this.handlers.route(route, "this source carries no timestamp with its pixels");
  }

  /** Coded frames cannot be taken or decoded here: the element's own pictures have to do. */
  private undecodable(reason: string): void {
    this.coded?.disconnect();
    for (const r of this.pc?.getReceivers() ?? []) if (r.transform) r.transform = null;
    this.takes = false;
    if (!this.decoding) return; // hashes alone are lost
    this.decoding = false;
    this.source.stop();
    this.element.start();
    this.handlers.route(this.element.route, `frames cannot be decoded by the page: ${reason}`);
  }
}
