/** What to do after a coded frame came, in this order. */
export type OrderAction<T> = {
    type: "decode";
    frame: T;
    key: boolean;
}
/** Frames may be missing: find out whether packets were lost lately, and say so with `answer`. */
 | {
    type: "ask";
}
/** Nothing can be decoded before a keyframe. */
 | {
    type: "request";
};
/**
 * Puts coded frames into decoding order and keeps from the decoder what it could
 * only turn into a broken picture. A transform is given frames as their last
 * packet comes, so one whose packet was lost comes after its successors or never;
 * coded frames have no numbers. A hole in the timestamps is a lost frame if packets
 * were lost at that time, and a studio that left one out if not.
 */
export declare class FrameOrder<T> {
    private readonly pace;
    private last;
    private held;
    private since;
    private broken;
    private requested;
    private count;
    /** Frames that were never decoded. */
    get dropped(): number;
    /** Whether frames wait for an answer or for a lost one. */
    get waiting(): boolean;
    /** Takes a coded frame. */
    push(rtp: number, key: boolean, frame: T, now: number): OrderAction<T>[];
    /** Whether packets were lost around the hole. */
    answer(lost: boolean, now: number): OrderAction<T>[];
    /** To be called while frames wait, and some times a second: gives up what does not come. */
    check(now: number): OrderAction<T>[];
    /** The decoder failed or is hopelessly behind: it starts anew with a keyframe. */
    restart(now: number): OrderAction<T>[];
    /** Begins anew with a keyframe that is held. */
    private skipTo;
    private decode;
    /** Decodes what is held as far as nothing is missing. */
    private drain;
    private ask;
    private breakOff;
    private request;
}
