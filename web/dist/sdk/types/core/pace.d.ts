/** Where frames are left out most of the time, one of ten intervals is still of one frame. */
export declare const OFTEN_LEFT_OUT = 0.1;
/**
 * Estimates the stream's frame interval from timestamps: the median of the last
 * intervals, or a shorter one, so that skipped frames do not stretch it.
 */
export declare class Pace {
    private readonly part;
    private last;
    private intervals;
    private estimate;
    /** Of so many of the intervals, 0 to 1, the longest is taken. */
    constructor(part?: number);
    /** Ticks between two frames. */
    get interval(): number;
    /** Takes the next presented timestamp. Returns how many frames were left out before it. */
    add(ts: number): number;
    /** A span of ticks in frames, rounded. */
    frames(ticks: number): number;
    /** The next frame follows no other: what lies between is not skipped, it was a pause. */
    rest(): void;
}
