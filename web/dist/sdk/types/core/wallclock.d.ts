/**
 * Parses an RFC 3339 time with up to nanoseconds to milliseconds since the Unix
 * epoch. `Date.parse` stops at milliseconds; a double keeps about a quarter of a
 * microsecond at today's dates. Returns undefined for anything else.
 */
export declare function parseTime(text: unknown): number | undefined;
