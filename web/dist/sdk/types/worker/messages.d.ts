/** What a transform is to do, given with its construction. */
export interface TransformOptions {
    /** Counts the sessions of a viewer; what belongs to an old one is not looked at. */
    session: number;
    /** Decode the frames here. Otherwise all go on to the browser's own decoder. */
    decode: boolean;
    /** Keep coded frames for a while, for their hashes. */
    keep: boolean;
}
/** From the page to the worker. */
export type ToWorker = 
/** Packets were lost lately, or not: the answer to `ask`. */
{
    type: "lost";
    session: number;
    lost: boolean;
}
/** The hash of the coded frame with this RTP timestamp is wanted. */
 | {
    type: "hash";
    session: number;
    rtp: number;
}
/** The page has let go of the session. */
 | {
    type: "end";
    session: number;
};
/** From the worker to the page. Times are in ms since the Unix epoch, by the browser's monotonic clock. */
export type FromWorker = 
/** A decoded picture; the page closes it. */
{
    type: "picture";
    session: number;
    rtp: number;
    at: number;
    frame: VideoFrame;
}
/** Were packets lost lately? */
 | {
    type: "ask";
    session: number;
}
/** SHA-256 of a coded frame in lower-case hex; undefined if the frame never came. */
 | {
    type: "hash";
    session: number;
    rtp: number;
    hash: string | undefined;
}
/** Totals, with every hundredth frame and when something was dropped. */
 | {
    type: "count";
    session: number;
    received: number;
    dropped: number;
}
/** This browser cannot decode the stream here. */
 | {
    type: "failed";
    session: number;
    reason: string;
};
