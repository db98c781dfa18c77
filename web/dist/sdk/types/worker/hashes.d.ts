/** Keeps coded frames and computes the hashes that are asked for, before or after the frame comes. */
export declare class FrameHashes {
    private readonly tell;
    private readonly kept;
    private readonly wanted;
    constructor(tell: (rtp: number, hash: string | undefined) => void);
    /** A coded frame has come; `data` is not changed by anybody any more. */
    add(rtp: number, data: ArrayBuffer): void;
    /** The hash of a frame is wanted. */
    want(rtp: number): void;
    private compute;
}
