import { Emitter, type Unsubscribe } from "./emitter.js";
import type { Frame, Framelock } from "./framelock.js";

/** Paints over a frame's picture. The context is in picture pixels, saved and restored around the call. */
export type Overlay = (context: CanvasRenderingContext2D, frame: Frame) => void;

/** A frame as it is on the canvas now: picture and overlay in one. */
export interface Drawn {
  frame: Frame;
  canvas: HTMLCanvasElement;
}

/**
 * Draws a stream on a canvas: the picture of a frame and the overlay that
 * belongs on it, in one paint. The canvas keeps the last picture while the
 * player reconnects.
 */
export class Compositor {
  readonly events = new Emitter<{ drawn: Drawn }>();
  private readonly context: CanvasRenderingContext2D;
  private readonly unsubscribe: Unsubscribe;

  constructor(
    framelock: Framelock,
    readonly canvas: HTMLCanvasElement,
    /** Called for every frame that may carry an overlay. */
    public overlay: Overlay | undefined = undefined,
  ) {
    const context = canvas.getContext("2d", { alpha: false });
    if (!context) throw new Error("this canvas has no 2d context: was another kind of context taken from it?");
    this.context = context;
    this.unsubscribe = framelock.events.on("frame", (frame) => this.draw(frame));
  }

  /** Stops drawing. */
  close(): void {
    this.unsubscribe();
    this.events.clear();
  }

  private draw(frame: Frame): void {
    const { canvas, context } = this;
    if (canvas.width !== frame.width) canvas.width = frame.width;
    if (canvas.height !== frame.height) canvas.height = frame.height;
    context.drawImage(frame.image, 0, 0, frame.width, frame.height);
    if (frame.overlay && this.overlay) {
      context.save();
      try {
        this.overlay(context, frame);
      } finally {
        context.restore();
      }
    }
    this.events.emit("drawn", { frame, canvas });
  }
}
