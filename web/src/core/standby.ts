import { SnapshotParts } from "./snapshotparts.js";
import { extend32 } from "./timestamp.js";
import { decodeMessage, decodeSnapshot, WireError, type ChannelName, type Snapshot } from "./wire.js";

/** How long a session that has pictures waits for the one that is on screen to be no further than itself. */
export const CATCH_UP_MS = 500;

/** More messages than these are not kept: whoever says so much before the first picture is not waited for. */
const MAX_MESSAGES = 16_384;

/** A message of a session that nobody follows yet. */
export interface Said {
  text: string;
  channel: ChannelName;
  /** When it came, in local ms. */
  at: number;
}

/** How far the session that is on screen has got. */
export interface Progress {
  /** Canonical timestamp of the frame on screen. */
  presentedTs: number | undefined;
  /** Its log. */
  log: string | undefined;
  /** The newest seq up to which it has everything. */
  contiguous: number;
}

/**
 * A session beside the one on screen, until it takes over: keeps what the relay
 * says, and knows from which frame on it can be followed without anything going
 * back, left out or shown twice. Time is an argument.
 */
export class Standby {
  private messages: Said[] | undefined = [];
  private readonly parts = new SnapshotParts();
  private snapshot: Snapshot | undefined;
  private near = 0; // a timestamp of the line, to extend others from
  private readyAt = 0;
  private picturesAt: number | undefined; // since when it has pictures that could be shown

  /** Takes a message, and keeps it. False if there are too many: give the session up. */
  receive(text: string, channel: ChannelName, now: number): boolean {
    if (!this.messages) return false;
    this.messages.push({ text, channel, at: now });
    this.look(text, now);
    if (this.messages.length <= MAX_MESSAGES) return true;
    this.messages = undefined;
    return false;
  }

  /** Whether the snapshot is whole. */
  get ready(): boolean {
    return this.snapshot !== undefined;
  }

  /** For how long it has been ready, in ms; 0 if it is not. */
  readyFor(now: number): number {
    return this.snapshot ? now - this.readyAt : 0;
  }

  /**
   * Whether the session may take over with the frame of this RTP timestamp (none:
   * the browser does not tell). The frame must carry an overlay, and be the one on screen or
   * a newer one; and every event that the snapshot contains must have come in the session on
   * screen, or it would never fire. For the latter two nobody waits for long.
   */
  takesOver(rtp: number | undefined, on: Progress, now: number): boolean {
    const s = this.snapshot;
    if (!s) return false;
    const ts = rtp === undefined || this.near === 0 ? undefined : extend32(rtp, this.near);
    if (ts !== undefined && ts < s.stateAt) return false;
    this.picturesAt ??= now;
    if (now - this.picturesAt >= CATCH_UP_MS) return true;
    if (s.log === on.log && on.contiguous < s.seq) return false;
    return ts === undefined || on.presentedTs === undefined || ts >= on.presentedTs;
  }

  /** What was said so far, in order: to be read by who follows from now on. */
  take(): Said[] {
    const said = this.messages ?? [];
    this.messages = undefined;
    return said;
  }

  private look(text: string, now: number): void {
    try {
      const m = decodeMessage(text);
      if (m.type === "clock" && m.clock.ts > 0) this.near = m.clock.ts;
      const whole = m.type === "part" ? this.parts.add(m.part, m.parts, m.body) : undefined;
      if (whole === undefined) return;
      this.snapshot = decodeSnapshot(whole);
      this.readyAt = now;
      this.near ||= this.snapshot.clock?.ts ?? this.snapshot.stateAt;
    } catch (e) {
      if (!(e instanceof WireError)) throw e; // who follows the session will say so
    }
  }
}
