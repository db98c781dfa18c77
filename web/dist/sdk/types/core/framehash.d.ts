import type { FramelockEvent } from "./wire.js";
/** What a `frame_hash` event says of a frame (protocol, section 5). */
export interface FrameHash {
    /** Seq of the `frame_hash` event, and of the event whose frame it is about. */
    seq: number;
    ofSeq: number;
    /** Canonical timestamp of the frame. */
    ts: number;
    /** SHA-256 over the coded bytes, lower-case hex. */
    hash: string;
}
/** Reads a `frame_hash` event, undefined for any other and for an algorithm that is not known. */
export declare function frameHash(event: FramelockEvent): FrameHash | undefined;
/** Keeps the last values by a key; the oldest go first. */
export declare class Recent<V> {
    private readonly size;
    private readonly values;
    constructor(size: number);
    set(key: number, value: V): void;
    get(key: number): V | undefined;
}
