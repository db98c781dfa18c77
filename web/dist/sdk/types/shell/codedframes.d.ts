import { Emitter } from "./emitter.js";
import type { TransformOptions } from "../worker/messages.js";
/** What the worker tells of the present session. */
export interface CodedEvents {
    /** A decoded picture, on the scale of performance.now(); to be closed by who takes it. */
    picture: {
        rtp: number;
        at: number;
        frame: VideoFrame;
    };
    /** The hash of a frame that was asked for; undefined if the frame never came. */
    hash: {
        rtp: number;
        hash: string | undefined;
    };
    count: {
        received: number;
        dropped: number;
    };
    /** Coded frames are not to be had, or cannot be decoded here. */
    failed: {
        reason: string;
    };
}
/** Whether this browser and page can take coded frames and decode them. */
export declare function canDecode(): boolean;
/**
 * The coded frames of a connection's video, in a worker: sets the transform on the
 * receiver as its track comes, and knows whether packets were lost.
 */
export declare class CodedFrames {
    private readonly url;
    readonly events: Emitter<CodedEvents>;
    private worker;
    private session;
    private receiver;
    private losses;
    private received;
    constructor(url?: string | URL);
    /** Takes the video of a connection, from its track's arrival on or, if it has come, from now on. */
    connect(pc: RTCPeerConnection, options: Omit<TransformOptions, "session">): void;
    /** Nothing of the present connection is told any more. */
    disconnect(): void;
    /** Ends the worker. */
    close(): void;
    /** Asks for the hash of a coded frame, which may be still to come. */
    want(rtp: number): void;
    /** To be called a few times a second: keeps an eye on losses. */
    tick(): void;
    private started;
    private heard;
    private answer;
    /** What the receiver counts when packets are missing. Notices frames that pass by, too. */
    private countLosses;
    private tell;
    private fail;
}
