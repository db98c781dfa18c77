/** What a connection has counted of its video so far, and how far away the relay is. */
export interface PathCounts {
    /** Packets that came, and how many of them only when they were sent again. */
    received: number;
    repaired: number;
    roundTripMs: number;
}
/**
 * How long a browser has to hold pictures back so that those that lack packets are
 * whole in time: otherwise they come in a heap when the gap is filled, and only the
 * newest of it is shown. Nothing on a path that loses nothing.
 */
export declare class Cushion {
    private seen;
    private held;
    private neededAt;
    /** How long to hold pictures back, in ms; 0 leaves it to the browser. */
    get targetMs(): number;
    /** A cushion for another connection on the same path. */
    copy(): Cushion;
    /** Another connection begins to count from 0; what is known of the path stays. */
    restart(): void;
    /** Takes what has been counted by `at` (ms). */
    sample(at: number, counts: PathCounts): void;
    private needed;
}
