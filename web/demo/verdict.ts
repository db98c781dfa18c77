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
 * `before` is the number in the picture drawn just before, which tells the first
 * later picture from any other. Of the firing, only what excuses a difference is
 * believed, and only as far as the numbers bear it out.
 */
export function judge(
  bar: number | undefined, frame: number, before: number | undefined,
  firing: Pick<Firing, "frames" | "skipped" | "late" | "lateFrames">,
): Verdict {
  if (bar === undefined) return "unreadable";
  if (bar === frame) return "exact";
  if (firing.late && firing.lateFrames > 0) return "late";
  if (!firing.skipped) return "wrong";
  // The clip may repeat, or the studio begin anew, between the picture before and this one.
  const between = before !== undefined && before < frame && (frame < bar || bar < before);
  return between || bar - frame === firing.frames ? "skipped" : "wrong";
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
