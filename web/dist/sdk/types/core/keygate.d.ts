/** What to do after something happened. */
export interface Passage<T> {
    /** What goes on to the decoder, in this order. */
    pass: T[];
    /** Find out whether packets were lost lately, and say so with `answer`. */
    ask: boolean;
}
/**
 * Stands before a browser's own decoder, which takes a keyframe as soon as it is
 * there and throws away what comes after it of before it: the frames whose packets
 * have yet to be sent again. The gate is shut to a keyframe, and to what follows it,
 * until those have passed, or for a moment at most. All else goes on as it comes.
 */
export declare class KeyGate<T> {
    private readonly pace;
    private front;
    private ahead;
    private held;
    private since;
    /** Takes a coded frame. */
    push(rtp: number, key: boolean, frame: T, now: number): Passage<T>;
    /** Packets were lost lately, or not: then nothing lacks. */
    answer(lost: boolean): T[];
    /** Opens the gate if it has been shut for long enough. To be called KEY_PATIENCE_MS after `ask`. */
    check(now: number): T[];
    /** What it has, for the end. */
    end(): T[];
    /** Lets all go; what follows the timestamp is complete. */
    private open;
    private advance;
}
