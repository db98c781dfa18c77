/**
 * Without a sign of life for this long, the relay is taken for dead. It sends a clock every
 * second, and two while there are no pictures.
 */
export const DEAD_AFTER_MS = 2000;

/** Checks further apart than this were throttled: messages may be waiting in the queue. */
const THROTTLED_MS = 1500;

/**
 * Notices a dead relay by its silence: neither pictures nor clocks. ICE needs 6 to 7
 * seconds for the same. A page that was suspended gets a grace period, as what came
 * meanwhile has not been read yet.
 */
export class Heartbeat {
  private heard: number | undefined;
  private checked: number | undefined;

  /** A clock message came, or a new picture was shown. */
  beat(now: number): void {
    this.heard = now;
  }

  /** Whether the relay has fallen silent. To be asked a few times a second. */
  silent(now: number): boolean {
    const since = this.checked;
    this.checked = now;
    if (this.heard === undefined) return false;
    if (since !== undefined && now - since > THROTTLED_MS) this.heard = now;
    return now - this.heard > DEAD_AFTER_MS;
  }

  /** A new session: nothing is expected before its first sign of life. */
  begin(): void {
    this.heard = undefined;
    this.checked = undefined;
  }
}
