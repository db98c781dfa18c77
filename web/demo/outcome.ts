import { TICKS_PER_SECOND } from "../src/core/timestamp.js";
import type { FramelockEvent } from "../src/core/wire.js";
import { namedFrame } from "./record.js";

/** How long an outcome stays on the picture, in ticks. */
export const SHOWN_TICKS = 2.5 * TICKS_PER_SECOND;

const RED = new Set([1, 3, 5, 7, 9, 12, 14, 16, 18, 19, 21, 23, 25, 27, 30, 32, 34, 36]);

/** The colour of a pocket of a single-zero wheel. */
export function pocketColour(pocket: number): "green" | "red" | "black" {
  if (pocket === 0) return "green";
  return RED.has(pocket) ? "red" : "black";
}

const FILL = { green: "#0f8a5f", red: "#c4303c", black: "#16181c" } as const;

/** An outcome as the demo's game publishes it. */
export interface Outcome {
  seq: number;
  id: string;
  ts: number;
  pocket: number;
  frame: number;
  /** The window that it settles, if it does. */
  window: string | undefined;
}

/** Reads an outcome event, undefined for any other. */
export function outcomeOf(event: FramelockEvent): Outcome | undefined {
  const pocket = (event.data as { pocket?: unknown } | null | undefined)?.pocket;
  const frame = namedFrame(event.data);
  if (event.kind !== "outcome" || typeof pocket !== "number" || frame === undefined) return undefined;
  return { seq: event.seq, id: event.id, ts: event.ts, pocket, frame, window: event.window };
}

/**
 * Paints "17 @ 48213" in the picture's lower left, above the bar code. `glow` is
 * 1 on the frame itself and fades to 0 within half a second.
 */
export function paintOutcome(context: CanvasRenderingContext2D, outcome: Outcome, glow: number, accent: string): void {
  const unit = context.canvas.height / 360;
  const height = 52 * unit;
  const x = 16 * unit;
  const y = context.canvas.height - 16 * Math.max(1, unit) - 16 * unit - height;
  const text = `@ ${outcome.frame}`;
  context.font = `500 ${22 * unit}px system-ui, sans-serif`;
  const width = height + context.measureText(text).width + 26 * unit;
  context.shadowColor = accent;
  context.shadowBlur = 26 * unit * glow;
  context.fillStyle = "rgb(8 10 13 / 0.84)";
  pill(context, x, y, width, height);
  context.fill();
  context.shadowBlur = 0;
  context.lineWidth = (1.5 + 1.5 * glow) * unit;
  context.strokeStyle = accent;
  context.stroke();
  context.fillStyle = FILL[pocketColour(outcome.pocket)];
  context.beginPath();
  context.arc(x + height / 2, y + height / 2, height / 2 - 5 * unit, 0, 2 * Math.PI);
  context.fill();
  context.fillStyle = "#fff";
  context.textBaseline = "middle";
  context.textAlign = "left";
  context.fillText(text, x + height + 4 * unit, y + height / 2 + unit);
  context.textAlign = "center";
  context.font = `700 ${24 * unit}px system-ui, sans-serif`;
  context.fillText(String(outcome.pocket), x + height / 2, y + height / 2 + unit);
}

function pill(context: CanvasRenderingContext2D, x: number, y: number, width: number, height: number): void {
  context.beginPath();
  context.roundRect(x, y, width, height, height / 2);
}
