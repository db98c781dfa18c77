/** Ticks of the canonical video line in one millisecond (90 kHz). */
export const TICKS_PER_MS = 90;

/** Ticks of the canonical video line in one second. */
export const TICKS_PER_SECOND = 90_000;

/** Ticks of the canonical audio line in one second (48 kHz). */
export const AUDIO_TICKS_PER_SECOND = 48_000;

/**
 * Extends a 32-bit RTP timestamp to the canonical timestamp whose low 32 bits it
 * is and that lies nearest to `near` (protocol, section 1.8). Unambiguous while
 * the two are less than 2^31 ticks (6.6 h) apart.
 *
 * Canonical timestamps are about 1.6e14, below 2^53, so a number holds them exactly.
 */
export function extend32(rtp: number, near: number): number {
  return near + ((rtp - (near >>> 0)) | 0);
}

/** The RTP timestamp on the wire of a canonical timestamp. */
export function low32(ts: number): number {
  return ts >>> 0; // ToUint32 is exact modulo 2^32 for every safe integer
}
