/** Exponential backoff with jitter: delays between reconnections. */
export declare class Backoff {
    private readonly firstMs;
    private readonly capMs;
    private failures;
    constructor(firstMs?: number, capMs?: number);
    /**
     * The delay in ms before the next try: between half and the whole of
     * min(cap, first * 2^failures). `random` is in [0, 1).
     */
    next(random: number): number;
    /** A session came up: start over. */
    reset(): void;
}
