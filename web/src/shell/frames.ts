import { canDecode } from "./codedframes.js";

/**
 * How the picture and its timestamp are tied together.
 *
 * - `exact`: every picture of the browser's own decoder comes with its RTP timestamp
 *   (VideoFrame.metadata; MediaStreamTrackProcessor, else the element's; Chromium).
 * - `decoded`: the frames are decoded here, from coded frames that carry their
 *   timestamp through the decoder (RTCRtpScriptTransform and WebCodecs; Firefox,
 *   Safari). As exact as `exact`.
 * - `approximate`: the element's picture is copied first thing in the frame
 *   callback; it is a newer one now and then (about 0.1 to 0.4 %).
 * - `clock`: the browser has no frame callback; the timestamp is estimated.
 */
export type Route = "exact" | "decoded" | "approximate" | "clock";

/** Whether a picture is certain to be the one that its timestamp names. */
export function isExact(route: Route): boolean {
  return route === "exact" || route === "decoded";
}

/** A picture as it is presented. */
export interface Picture {
  /** RTP timestamp on the wire, undefined on the `clock` route. */
  rtp: number | undefined;
  /** What to draw: valid until the next picture. */
  image: CanvasImageSource;
  width: number;
  height: number;
  /** Local time (performance.now scale) at which the screen is expected to show it. */
  displayAt: number;
}

/**
 * So many pictures in a row without a timestamp, and the source has none to give.
 * Single ones come when the element's source changes: they are of no stream.
 */
const GIVE_UP_AFTER = 30;

// WebCodecs' VideoFrame.metadata() is not in every DOM library yet.
interface FrameWithMetadata extends VideoFrame {
  metadata(): { rtpTimestamp?: number };
}

/** Gives every picture that a video element presents, together with its timestamp. */
export class FrameSource {
  private handle = 0;
  private running = false;
  private frame: VideoFrame | undefined;
  private canvas: HTMLCanvasElement | undefined;
  private shown: Route;
  private unnamed = 0; // pictures in a row without a timestamp

  /**
   * `onPicture` returns whether it took the picture; if not, the one before stays
   * valid. `onRoute` hears when the route turns out to be a lesser one than it looked.
   */
  constructor(
    private readonly video: HTMLVideoElement,
    private readonly onPicture: (p: Picture) => boolean,
    private readonly onRoute: (route: Route) => void,
    private readonly best = () => elementRoute(video),
  ) {
    this.shown = best();
  }

  /** The route in use. */
  get route(): Route {
    return this.shown;
  }

  /** Starts giving pictures, of a new source of the element if it runs already. */
  start(): void {
    this.unnamed = 0;
    if (this.running) return;
    this.shown = this.best();
    this.running = true;
    this.next();
  }

  /** Stops, and lets go of the picture last given. */
  stop(): void {
    if (!this.running) return;
    this.running = false;
    if (this.shown === "clock") cancelAnimationFrame(this.handle);
    else this.video.cancelVideoFrameCallback(this.handle);
    this.frame?.close();
    this.frame = undefined;
  }

  private next(): void {
    if (!this.running) return;
    this.handle = this.shown === "clock"
      ? requestAnimationFrame((now) => this.tick(now))
      : this.video.requestVideoFrameCallback((now, meta) => this.called(now, meta));
  }

  private called(now: number, meta: VideoFrameCallbackMetadata): void {
    // First of all the picture: each moment later, the element may hold another one.
    const picture = this.shown === "exact" ? this.capture(meta, now) : this.copy(meta.rtpTimestamp, displayAt(meta, now));
    this.judge(picture, meta);
    this.next();
    if (!picture) return;
    const taken = picture.rtp !== undefined && this.onPicture(picture);
    if (!isVideoFrame(picture.image)) return;
    (taken ? this.frame : picture.image)?.close();
    if (taken) this.frame = picture.image;
  }

  /** The picture with its own timestamp, however late this runs. */
  private capture(meta: VideoFrameCallbackMetadata, now: number): Picture | undefined {
    let frame: FrameWithMetadata;
    try {
      frame = new VideoFrame(this.video) as FrameWithMetadata;
    } catch {
      return undefined; // the element has no picture at this moment; the next callback will
    }
    return {
      rtp: frame.metadata().rtpTimestamp,
      image: frame,
      width: frame.displayWidth,
      height: frame.displayHeight,
      displayAt: displayAt(meta, now),
    };
  }

  private copy(rtp: number | undefined, at: number): Picture | undefined {
    const { videoWidth: width, videoHeight: height } = this.video;
    if (width === 0 || height === 0) return undefined;
    this.canvas ??= document.createElement("canvas");
    if (this.canvas.width !== width) this.canvas.width = width;
    if (this.canvas.height !== height) this.canvas.height = height;
    this.canvas.getContext("2d", { alpha: false })?.drawImage(this.video, 0, 0, width, height);
    return { rtp, image: this.canvas, width, height, displayAt: at };
  }

  /** Falls to a lesser route when the present one gives pictures, but no timestamps. */
  private judge(picture: Picture | undefined, meta: VideoFrameCallbackMetadata): void {
    if (!picture) return;
    this.unnamed = picture.rtp === undefined ? this.unnamed + 1 : 0;
    if (this.unnamed < GIVE_UP_AFTER) return;
    this.unnamed = 0;
    this.shown = meta.rtpTimestamp === undefined ? "clock" : "approximate";
    this.onRoute(this.shown);
  }

  private tick(now: number): void {
    this.next();
    if (this.video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) return;
    const picture = this.copy(undefined, now);
    if (picture) this.onPicture(picture);
  }
}

function isVideoFrame(image: CanvasImageSource): image is VideoFrame {
  return typeof VideoFrame === "function" && image instanceof VideoFrame;
}

function displayAt(meta: VideoFrameCallbackMetadata, now: number): number {
  // Some builds report 0 here; a display time before the callback means nothing.
  return Math.max(meta.expectedDisplayTime || now, now);
}

/** The best route by the pictures of a video element. */
export function elementRoute(video: HTMLVideoElement): Exclude<Route, "decoded"> {
  if (typeof video.requestVideoFrameCallback !== "function") return "clock";
  const webcodecs = typeof VideoFrame === "function" && "metadata" in VideoFrame.prototype;
  return webcodecs ? "exact" : "approximate";
}

/** The best route that this browser and page allow. */
export function bestRoute(video: HTMLVideoElement): Route {
  const route = elementRoute(video);
  return route !== "exact" && canDecode() ? "decoded" : route;
}
