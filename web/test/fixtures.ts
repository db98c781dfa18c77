import type { Json } from "../src/core/json.js";
import { decodeSnapshot, type FramelockEvent, type Snapshot } from "../src/core/wire.js";

/** A canonical timestamp of November 2026, 90,000 a second. */
export const T0 = 90_000 * 1_795_363_200;
/** Ticks of a frame at 30 fps. */
export const FRAME = 3000;
export const LOG = "9f3c0a77d2e41b05";

/** An event as the relay writes it. */
export function event(seq: number, ts: number, more: Partial<FramelockEvent> = {}): FramelockEvent {
  return {
    v: 1, type: "event", log: LOG, stream: "wheel", track: "v0", epoch: 1, seq, kind: "marker", id: `e${seq}`, ts,
    frame: 1, capture_time: "2026-11-22T15:45:12.207Z", error_ms: 0.4, late_ms: 0, by: "game", ...more,
  };
}

/** The clock message for a timestamp, for a stream whose line is the wall clock. */
export function clock(ts: number, lagMs = 5): { [key: string]: Json } {
  return {
    type: "clock", ts, capture_time: new Date(ts / 90).toISOString(), server_time: new Date(ts / 90 + lagMs).toISOString(),
    seq: 0, hold_ms: 0, error_ms: 0.1,
  };
}

/** A snapshot's body as the relay writes it. */
export function snapshotBody(
  seq: number, stateAt: number, state: Json, pending: FramelockEvent[] = [], more: { [key: string]: unknown } = {},
): string {
  return JSON.stringify({
    type: "snapshot", protocol: { min: 1, max: 1 }, stream: "wheel", log: LOG, seq, epoch: 1, state_at: stateAt, state,
    pending, recent: [], windows: [], paused: false, clock: clock(stateAt || T0), tracks: [], ...more,
  });
}

/** The same, decoded. */
export function snapshot(seq: number, stateAt: number, state: Json, pending: FramelockEvent[] = []): Snapshot {
  return decodeSnapshot(snapshotBody(seq, stateAt, state, pending));
}

/** The snapshot's messages, in parts of `size` characters. */
export function snapshotParts(body: string, size = 100): string[] {
  const bodies: string[] = [];
  for (let i = 0; i < body.length; i += size) bodies.push(body.slice(i, i + size));
  return bodies.map((b, i) => JSON.stringify({ type: "snapshot", part: i + 1, parts: bodies.length, body: b }));
}
