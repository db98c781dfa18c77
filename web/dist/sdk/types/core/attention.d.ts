/**
 * Notices that a page presents nothing although pictures arrive: it is hidden,
 * or throttled without being called hidden, like a frame outside the viewport.
 */
export declare class Attention {
    private presentedAt;
    private decoded;
    private idle;
    /** A frame was presented. */
    presented(now: number): void;
    /**
     * Whether the page presents nothing. To be asked a few times a second, with the
     * count of pictures that have arrived. A main thread that was merely blocked
     * presents before it is asked a second time.
     */
    lost(now: number, hidden: boolean, decoded: number): boolean;
}
