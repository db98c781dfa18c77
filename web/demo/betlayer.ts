import { TICKS_PER_SECOND } from "../src/core/timestamp.js";
import type { WindowState } from "../src/core/windows.js";
import type { Settled } from "./bets.js";
import { SHOWN_TICKS } from "./outcome.js";

/** How long "no more bets" stays after a round's end. */
const OVER_TICKS = 1.2 * TICKS_PER_SECOND;

const GOLD = "#e3b866";
const GREEN = "#43c78f";
const RED = "#ef5b63";

/** What is left of a round at a frame, 0 to 1; undefined if it has no end. */
export function shareLeft(window: WindowState, ts: number): number | undefined {
  if (window.endTs === undefined) return undefined;
  return Math.min(1, Math.max(0, (window.endTs - ts) / Math.max(1, window.endTs - window.openTs)));
}

/** Paints a round on the picture, the time left by this very frame, and what the chips came to. */
export class BetLayer {
  private settled: { what: Settled; from: number } | undefined;

  /** An outcome about this viewer's chips is on the frame ts. */
  settle(what: Settled, ts: number): void {
    this.settled = { what, from: ts };
  }

  /** Paints over the frame ts. */
  paint(context: CanvasRenderingContext2D, window: WindowState | undefined, ts: number): void {
    const unit = context.canvas.height / 360;
    const left = window && shareLeft(window, ts);
    if (window?.phase === "open" && left !== undefined) this.ring(context, unit, left, (window.endTs! - ts) / TICKS_PER_SECOND);
    else if (window?.endTs !== undefined && ts >= window.endTs && ts - window.endTs < OVER_TICKS) {
      tag(context, unit, "No more bets", GOLD, 16 * unit, 16 * unit);
    }
    const age = this.settled ? ts - this.settled.from : Infinity;
    if (age < 0 || age > SHOWN_TICKS) return;
    const won = this.settled!.what.won > 0;
    const y = context.canvas.height - 16 * Math.max(1, unit) - 16 * unit - 44 * unit; // level with the outcome
    tag(context, unit, won ? "You won" : "You lost", won ? GREEN : RED, undefined, y);
  }

  private ring(context: CanvasRenderingContext2D, unit: number, left: number, seconds: number): void {
    const radius = 24 * unit;
    const x = 16 * unit + radius;
    const y = x;
    const begin = -Math.PI / 2;
    context.fillStyle = "rgb(8 10 13 / 0.84)";
    context.beginPath();
    context.arc(x, y, radius, 0, 2 * Math.PI);
    context.fill();
    context.lineWidth = 4 * unit;
    context.strokeStyle = seconds < 1 ? RED : GREEN;
    context.beginPath();
    context.arc(x, y, radius - 4 * unit, begin, begin + 2 * Math.PI * left);
    context.stroke();
    context.fillStyle = "#fff";
    context.font = `650 ${17 * unit}px system-ui, sans-serif`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.fillText(seconds.toFixed(1), x, y + unit);
  }
}

/** Paints a label; without x, at the picture's right. */
function tag(
  context: CanvasRenderingContext2D, unit: number, text: string, colour: string, left: number | undefined, y: number,
): void {
  const height = 36 * unit;
  context.font = `650 ${17 * unit}px system-ui, sans-serif`;
  const width = context.measureText(text).width + 32 * unit;
  const x = left ?? context.canvas.width - 16 * unit - width;
  context.fillStyle = "rgb(8 10 13 / 0.84)";
  context.strokeStyle = colour;
  context.lineWidth = 2 * unit;
  context.beginPath();
  context.roundRect(x, y, width, height, height / 2);
  context.fill();
  context.stroke();
  context.fillStyle = "#fff";
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.fillText(text, x + width / 2, y + height / 2 + unit);
}
