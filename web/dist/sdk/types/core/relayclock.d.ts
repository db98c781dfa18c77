import type { ClockMessage } from "./wire.js";
/**
 * Relates three clocks: the canonical line (ts), the capture time of its frames,
 * and the relay's clock as seen from here. `now` is always local, in
 * milliseconds on any monotonic scale.
 */
export declare class RelayClock {
    private newest;
    private heardAt;
    private samples;
    private pings;
    private nextPing;
    /** The newest canonical timestamp that the relay has named: the reference to extend 32-bit ones from. */
    get ts(): number | undefined;
    /** The delay line's length in ms, part of every latency. */
    get holdMs(): number;
    /** The best round trip to the relay in ms, undefined before the first. */
    get rttMs(): number | undefined;
    /** Takes a clock message. Older ones than the newest change nothing, nor does one of a stream without media yet. */
    update(clock: ClockMessage, now: number): void;
    /** A new session: offsets and pings of the old one count no more. The line stays. */
    begin(): void;
    /** Starts a round trip. Returns the id to send. */
    ping(now: number): number;
    /** Ends a round trip: the relay's clock stood at serverMs half-way. */
    pong(id: number, serverMs: number, now: number): void;
    /** The relay's time now in Unix ms, undefined before the first round trip. */
    serverNow(now: number): number | undefined;
    /** When the frame at ts was captured, in Unix ms on the studio's clock. */
    captureTime(ts: number): number | undefined;
    /** The canonical timestamp of pictures captured together with the sound at an RTP timestamp, undefined without sound. */
    videoAt(audioRtp: number): number | undefined;
    /** From capture to `now` in ms for the frame at ts: this viewer's own latency. */
    latency(ts: number, now: number): number | undefined;
    /** Where the line has got to as far as is known here; it stands still when the relay falls silent. */
    lineNow(now: number): number | undefined;
    private best;
}
