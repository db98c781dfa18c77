/**
 * Estimates the stream's frame interval from the timestamps that were presented:
 * the median of the last intervals, so that skipped frames do not stretch it.
 */
export declare class Pace {
    private last;
    private intervals;
    private median;
    /** Ticks between two frames. */
    get interval(): number;
    /** Takes the next presented timestamp. Returns how many frames were left out before it. */
    add(ts: number): number;
    /** A span of ticks in frames, rounded. */
    frames(ticks: number): number;
    /** The next frame follows no other: what lies between is not skipped, it was a pause. */
    rest(): void;
}
