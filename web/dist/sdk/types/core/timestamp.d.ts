/** Ticks of the canonical video line in one millisecond (90 kHz). */
export declare const TICKS_PER_MS = 90;
/** Ticks of the canonical video line in one second. */
export declare const TICKS_PER_SECOND = 90000;
/** Ticks of the canonical audio line in one second (48 kHz). */
export declare const AUDIO_TICKS_PER_SECOND = 48000;
/**
 * Extends a 32-bit RTP timestamp to the canonical timestamp whose low 32 bits it
 * is and that lies nearest to `near` (protocol, section 1.8). Unambiguous while
 * the two are less than 2^31 ticks (6.6 h) apart.
 *
 * Canonical timestamps are about 1.6e14, below 2^53, so a number holds them exactly.
 */
export declare function extend32(rtp: number, near: number): number;
/** The RTP timestamp on the wire of a canonical timestamp. */
export declare function low32(ts: number): number;
