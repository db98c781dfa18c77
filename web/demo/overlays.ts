import type { Frame } from "../src/shell/framelock.js";
import type { FramelockEvent } from "../src/core/wire.js";
import type { BarReader } from "./barcode.js";
import { outcomeOf, paintOutcome, SHOWN_TICKS, type Outcome } from "./outcome.js";
import { namedFrame } from "./record.js";

const GLOW_TICKS = SHOWN_TICKS / 5;
const GOLD = "#e3b866";
const RED = "#ef5b63";

/** The overlay that goes by frames: it appears on the outcome's frame and stays for a while. */
export class ExactOverlay {
  private shown: { outcome: Outcome; from: number } | undefined;

  /** Paints over a frame; to be used as a player's `overlay`. */
  readonly paint = (context: CanvasRenderingContext2D, frame: Frame): void => {
    for (const { event } of frame.fired) {
      const outcome = outcomeOf(event);
      if (outcome) this.shown = { outcome, from: frame.ts ?? outcome.ts };
      if (event.kind === "void" && this.shown?.outcome.id === voided(event)) this.shown = undefined;
    }
    if (!this.shown || frame.ts === undefined) return;
    const age = frame.ts - this.shown.from;
    if (age < 0 || age > SHOWN_TICKS) return;
    paintOutcome(context, this.shown.outcome, Math.max(0, 1 - age / GLOW_TICKS), GOLD);
  };
}

/** The id of the event that a void takes back. */
export function voided(event: FramelockEvent): string | undefined {
  const of = (event.data as { of?: unknown } | null | undefined)?.of;
  return typeof of === "string" ? of : undefined;
}

/** What the naive overlay was drawn on. */
export interface NaiveDrawing {
  event: FramelockEvent;
  frame: number;
  bar: number | undefined;
}

/**
 * What most players do: the same pictures, and an overlay that appears when its
 * message arrives, on whatever picture is on the screen at that moment.
 */
export class NaiveOverlay {
  private readonly context: CanvasRenderingContext2D | null;
  private shown: { outcome: Outcome; since: number } | undefined;
  private last: Frame | undefined;

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly reader: BarReader,
    private readonly onDrawn: (drawing: NaiveDrawing) => void,
  ) {
    this.context = canvas.getContext("2d", { alpha: false });
  }

  /** A frame is presented. */
  frame(frame: Frame): void {
    this.last = frame;
    const { canvas } = this;
    if (canvas.width !== frame.width) canvas.width = frame.width;
    if (canvas.height !== frame.height) canvas.height = frame.height;
    this.draw(frame);
  }

  /** A message came: draw at once. */
  message(event: FramelockEvent): void {
    const frame = namedFrame(event.data);
    if (!this.last || frame === undefined) return;
    const outcome = outcomeOf(event);
    if (outcome) {
      this.shown = { outcome, since: performance.now() };
      this.draw(this.last);
    }
    this.onDrawn({ event, frame, bar: this.reader.read(this.canvas) });
  }

  private draw(frame: Frame): void {
    const { context } = this;
    if (!context) return;
    context.drawImage(frame.image, 0, 0, frame.width, frame.height);
    if (!this.shown) return;
    const age = (performance.now() - this.shown.since) * 90;
    if (age > SHOWN_TICKS) return;
    context.save();
    paintOutcome(context, this.shown.outcome, Math.max(0, 1 - age / GLOW_TICKS), RED);
    context.restore();
  }
}
