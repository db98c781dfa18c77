/** Frames come several times in this, even from a slow studio. */
const UNSEEN_AFTER_MS = 500;

/**
 * Notices that a page presents nothing although pictures arrive: it is hidden,
 * or throttled without being called hidden, like a frame outside the viewport.
 */
export class Attention {
  private presentedAt = -Infinity;
  private decoded = 0;
  private idle = 0; // checks in a row with new pictures and none presented

  /** A frame was presented. */
  presented(now: number): void {
    this.presentedAt = now;
    this.idle = 0;
  }

  /**
   * Whether the page presents nothing. To be asked a few times a second, with the
   * count of pictures that have arrived. A main thread that was merely blocked
   * presents before it is asked a second time.
   */
  lost(now: number, hidden: boolean, decoded: number): boolean {
    const arriving = decoded !== this.decoded;
    this.decoded = decoded;
    this.idle = arriving && now - this.presentedAt > UNSEEN_AFTER_MS ? this.idle + 1 : 0;
    return hidden || this.idle >= 2;
  }
}
