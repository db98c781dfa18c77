import type { Firing } from "../src/core/display.js";

/** How an event's picture compares with what the event says. */
export type Verdict =
  /** The pixels are the event's own frame. */
  | "exact"
  /** Its own frame was never presented; the pixels are the first later one. */
  | "skipped"
  /** It came too late for its frame, and said so. */
  | "late"
  /** The pixels are of another frame. */
  | "wrong"
  /** No bar code could be read. */
  | "unreadable";

/**
 * Judges by the frame number in the pixels (`bar`) against the one in the event.
 * Of the firing, only what excuses a difference is believed, and only as far as
 * the numbers bear it out.
 */
export function judge(bar: number | undefined, frame: number, firing: Pick<Firing, "frames" | "skipped" | "late" | "lateFrames">): Verdict {
  if (bar === undefined) return "unreadable";
  if (bar === frame) return "exact";
  if (firing.late && firing.lateFrames > 0) return "late";
  const wrapped = bar < frame && bar < firing.frames; // a clip that repeats began anew in between
  if (firing.skipped && (bar - frame === firing.frames || wrapped)) return "skipped";
  return "wrong";
}

/** What the page counts, over all events that name the frame they are on. */
export class Tally {
  exact = 0;
  skipped = 0;
  late = 0;
  wrong = 0;
  unreadable = 0;
  /** The greatest distance in frames between an event's picture and the right one. */
  worst = 0;

  add(verdict: Verdict, distance: number): void {
    this[verdict]++;
    if (verdict === "late" || verdict === "wrong") this.worst = Math.max(this.worst, Math.abs(distance));
  }
}
