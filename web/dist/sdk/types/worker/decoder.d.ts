/** What a decoder tells. */
export interface DecoderEvents {
    picture(frame: VideoFrame): void;
    /** Were packets lost lately? */
    ask(): void;
    requestKeyFrame(): void;
    failed(reason: string): void;
}
/**
 * Decodes coded frames with WebCodecs. A chunk's timestamp is the frame's RTP
 * timestamp, and so is that of the picture that comes out: the two cannot part.
 */
export declare class FrameDecoder {
    private readonly events;
    private readonly order;
    private decoder;
    private codec;
    private rtp;
    private into;
    private failures;
    private begun;
    private closed;
    constructor(events: DecoderEvents);
    /** Frames that were not decoded. */
    get dropped(): number;
    /** Takes a coded frame. */
    push(rtp: number, key: boolean, data: ArrayBuffer, now: number): void;
    /** Packets were lost lately, or not. */
    answer(lost: boolean, now: number): void;
    /** To be called some times a second. */
    check(now: number): void;
    close(): void;
    private perform;
    private decode;
    /** Makes or changes the decoder as the keyframe needs it. */
    private prepare;
    private picture;
    private fail;
    private startAgain;
    private drop;
}
