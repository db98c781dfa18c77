import { AUDIO_TICKS_PER_SECOND, extend32, TICKS_PER_MS, TICKS_PER_SECOND } from "./timestamp.js";
import type { ClockMessage } from "./wire.js";

/** How many round trips the offset is chosen from. */
const SAMPLES = 16;

/** The line is not assumed to run on for longer than this without word from the relay. */
const EXTRAPOLATE_MS = 2500;

interface Sample {
  rtt: number;
  offset: number; // relay clock minus local clock, ms
}

/**
 * Relates three clocks: the canonical line (ts), the capture time of its frames,
 * and the relay's clock as seen from here. `now` is always local, in
 * milliseconds on any monotonic scale.
 */
export class RelayClock {
  private newest: ClockMessage | undefined;
  private heardAt = 0;
  private samples: Sample[] = [];
  private pings = new Map<number, number>();
  private nextPing = 1;

  /** The newest canonical timestamp that the relay has named: the reference to extend 32-bit ones from. */
  get ts(): number | undefined {
    return this.newest?.ts;
  }

  /** The delay line's length in ms, part of every latency. */
  get holdMs(): number {
    return this.newest?.holdMs ?? 0;
  }

  /** The best round trip to the relay in ms, undefined before the first. */
  get rttMs(): number | undefined {
    return this.best()?.rtt;
  }

  /** Takes a clock message. Older ones than the newest change nothing, nor does one of a stream without media yet. */
  update(clock: ClockMessage, now: number): void {
    if (clock.ts === 0) return;
    if (this.newest && clock.serverMs < this.newest.serverMs) return;
    this.newest = clock;
    this.heardAt = now;
  }

  /** A new session: offsets and pings of the old one count no more. The line stays. */
  begin(): void {
    this.samples = [];
    this.pings.clear();
  }

  /** Starts a round trip. Returns the id to send. */
  ping(now: number): number {
    const id = this.nextPing++;
    this.pings.set(id, now);
    if (this.pings.size > SAMPLES) this.pings.delete(this.pings.keys().next().value as number);
    return id;
  }

  /** Ends a round trip: the relay's clock stood at serverMs half-way. */
  pong(id: number, serverMs: number, now: number): void {
    const sent = this.pings.get(id);
    if (sent === undefined) return;
    this.pings.delete(id);
    const rtt = now - sent;
    this.samples.push({ rtt, offset: serverMs + rtt / 2 - now });
    if (this.samples.length > SAMPLES) this.samples.shift();
  }

  /** The relay's time now in Unix ms, undefined before the first round trip. */
  serverNow(now: number): number | undefined {
    const best = this.best();
    return best && now + best.offset;
  }

  /** When the frame at ts was captured, in Unix ms on the studio's clock. */
  captureTime(ts: number): number | undefined {
    return this.newest && this.newest.captureMs + (ts - this.newest.ts) / TICKS_PER_MS;
  }

  /** The canonical timestamp of pictures captured together with the sound at an RTP timestamp, undefined without sound. */
  videoAt(audioRtp: number): number | undefined {
    if (this.newest?.audioTs === undefined) return undefined;
    const ticks = extend32(audioRtp, this.newest.audioTs) - this.newest.audioTs;
    return this.newest.ts + Math.round((ticks * TICKS_PER_SECOND) / AUDIO_TICKS_PER_SECOND);
  }

  /** From capture to `now` in ms for the frame at ts: this viewer's own latency. */
  latency(ts: number, now: number): number | undefined {
    const server = this.serverNow(now);
    const captured = this.captureTime(ts);
    return server === undefined || captured === undefined ? undefined : server - captured;
  }

  /** Where the line has got to as far as is known here; it stands still when the relay falls silent. */
  lineNow(now: number): number | undefined {
    if (!this.newest) return undefined;
    const elapsed = Math.min(Math.max(now - this.heardAt, 0), EXTRAPOLATE_MS);
    return this.newest.ts + Math.round(elapsed * TICKS_PER_MS);
  }

  private best(): Sample | undefined {
    let best: Sample | undefined;
    for (const s of this.samples) if (!best || s.rtt <= best.rtt) best = s;
    return best;
  }
}
