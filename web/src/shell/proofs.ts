import type { Firing } from "../core/display.js";
import type { Picture } from "./frames.js";

/** The picture on which an outcome fired, as this viewer was shown it, without overlay. */
export interface ProofFrame {
  /** Of the event. */
  seq: number;
  /** Canonical timestamp of the picture. */
  ts: number;
  /** The event itself, and how exactly the picture is its own. */
  firing: Firing;
  /** A copy of the picture; it belongs to the page. */
  canvas: HTMLCanvasElement;
}

/** The pictures of the last outcomes. */
export class ProofFrames {
  private readonly kept = new Map<number, ProofFrame>();

  constructor(private readonly limit: number) {}

  /** An event fires on a picture: that of an outcome is copied. */
  fired(firing: Firing, picture: Picture): void {
    const { seq, kind } = firing.event;
    if (kind !== "outcome" || firing.hidden || this.limit <= 0) return;
    const canvas = document.createElement("canvas");
    canvas.width = picture.width;
    canvas.height = picture.height;
    canvas.getContext("2d", { alpha: false })?.drawImage(picture.image, 0, 0, picture.width, picture.height);
    this.kept.set(seq, { seq, ts: firing.presentedTs, firing, canvas });
    if (this.kept.size > this.limit) this.kept.delete(this.kept.keys().next().value as number);
  }

  /** The picture of the outcome with that seq; undefined if it did not fire here, or too long ago. */
  of(seq: number): ProofFrame | undefined {
    return this.kept.get(seq);
  }
}
