/**
 * The WebCodecs name of the codec of a coded keyframe as it comes out of RTP,
 * undefined for anything but VP8 (RFC 6386) and H.264 in Annex B form with its
 * parameter sets.
 */
export declare function codecOf(key: Uint8Array): string | undefined;
