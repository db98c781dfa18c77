/** Bounds of a playout, in ms. */
export interface PlayoutLimits {
    /** The most that pictures are held back to even out their arrival. */
    jitterMs: number;
    /** The most that pictures are held back, to wait for the sound as well. */
    delayMs: number;
    /** Further behind than this, pictures are left out to catch up, */
    behindMs: number;
    /** and where the screen refreshes often enough to catch up with all of them, further than this. */
    catchUpMs: number;
}
export declare const PLAYOUT_LIMITS: PlayoutLimits;
/**
 * Decides when each picture is shown. Transit is local time less line time, in
 * ms: its smallest is the shortest way, what is more is jitter. Pictures are held
 * back for as long as 95 % of them need, or until the sound of their moment is
 * heard, whichever is later; never for longer than the limits.
 */
export declare class Playout {
    private readonly limits;
    private arrivals;
    private shortest;
    private longest;
    private heard;
    private held;
    private newest;
    constructor(limits?: PlayoutLimits);
    /** How long pictures are held back now, beyond the shortest way, in ms. */
    get delayMs(): number;
    /** What the arrivals alone ask for, in ms. */
    get jitterMs(): number;
    /** A picture is ready. Returns its place on this playout's line. */
    arrived(rtp: number, at: number): number;
    /** Sound captured at the timestamp `rtp` of the pictures' line comes out at `at`. */
    heardAt(rtp: number, at: number): void;
    /** There is no sound to keep to. */
    silent(): void;
    /** How much later sound comes out than the pictures of its moment, in ms; undefined without sound. */
    get soundBehindMs(): number | undefined;
    /** When the picture at a place on the line is to be shown, in local ms. */
    dueAt(ts: number): number;
    /**
     * How many pictures of a queue (places on the line, ascending) to take for the
     * screen at `at`, which refreshes every `refresh` ms: the last of them is shown.
     * One at a time, so that none is left out, unless they are too far behind: then up
     * to the newest that is due.
     */
    take(queue: readonly number[], at: number, refresh: number): number;
    /** How many pictures of a queue are due at `at`. */
    due(queue: readonly number[], at: number): number;
    private goal;
    private soundTransit;
}
