const RFC3339 = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/;

/**
 * Parses an RFC 3339 time with up to nanoseconds to milliseconds since the Unix
 * epoch. `Date.parse` stops at milliseconds; a double keeps about a quarter of a
 * microsecond at today's dates. Returns undefined for anything else.
 */
export function parseTime(text: unknown): number | undefined {
  const m = typeof text === "string" ? RFC3339.exec(text) : null;
  if (!m) return undefined;
  const seconds = Date.parse(`${m[1]}${m[3]}`);
  if (Number.isNaN(seconds)) return undefined;
  return seconds + (m[2] ? Number(`0.${m[2]}`) * 1000 : 0);
}
