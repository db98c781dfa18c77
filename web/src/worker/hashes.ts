import { Recent } from "../core/framehash.js";
import { extend32 } from "../core/timestamp.js";

/** How many coded frames are kept: two seconds and more at 60 fps. */
const KEPT = 150;

/** A frame that has not come when the line is so far past it will not: two seconds. */
const GIVEN_UP_TICKS = 180_000;

/** Keeps coded frames and computes the hashes that are asked for, before or after the frame comes. */
export class FrameHashes {
  private readonly kept = new Recent<ArrayBuffer>(KEPT);
  private readonly wanted = new Set<number>();

  constructor(private readonly tell: (rtp: number, hash: string | undefined) => void) {}

  /** A coded frame has come; `data` is not changed by anybody any more. */
  add(rtp: number, data: ArrayBuffer): void {
    this.kept.set(rtp, data);
    if (this.wanted.delete(rtp)) void this.compute(rtp, data);
    for (const w of this.wanted) {
      if (extend32(rtp, w) - w < GIVEN_UP_TICKS) continue;
      this.wanted.delete(w);
      this.tell(w, undefined);
    }
  }

  /** The hash of a frame is wanted. */
  want(rtp: number): void {
    const data = this.kept.get(rtp);
    if (data) void this.compute(rtp, data);
    else this.wanted.add(rtp);
  }

  private async compute(rtp: number, data: ArrayBuffer): Promise<void> {
    const sum = new Uint8Array(await crypto.subtle.digest("SHA-256", data));
    this.tell(rtp, Array.from(sum, (b) => b.toString(16).padStart(2, "0")).join(""));
  }
}
