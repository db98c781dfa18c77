import { Cushion } from "../core/cushion.js";
/**
 * Has the browser hold back what it receives for as long as a path needs that loses
 * packets: pictures and sound alike, so that they stay together.
 */
export declare class ReceiverBuffer {
    private readonly cushion;
    private pc;
    private readAt;
    constructor(cushion?: Cushion);
    /** That of the next connection on the same path. */
    next(): ReceiverBuffer;
    connect(pc: RTCPeerConnection): void;
    disconnect(): void;
    /** To be called some times a second. */
    tick(now?: number): Promise<void>;
    private apply;
    /** Those that can be told. */
    private receivers;
}
