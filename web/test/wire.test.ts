import { describe, expect, it } from "vitest";
import { SnapshotParts } from "../src/core/snapshotparts.js";
import { decodeMessage, decodeSnapshot, WireError } from "../src/core/wire.js";
import { event, LOG, snapshotBody, T0 } from "./fixtures.js";

describe("decodeMessage", () => {
  it("reads a clock", () => {
    const text = '{"type":"clock","ts":160000004339000,"capture_time":"2026-11-22T15:45:12.207Z","server_time":"2026-11-22T15:45:12.215Z","seq":124,"hold_ms":40,"error_ms":0.4}';
    expect(decodeMessage(text)).toEqual({
      type: "clock",
      clock: { ts: 160000004339000, captureMs: 1795362312207, serverMs: 1795362312215, holdMs: 40, errorMs: 0.4 },
    });
  });

  it("keeps what it does not know of an event", () => {
    const m = decodeMessage(JSON.stringify({ ...event(1, T0), later: [1] }));
    expect(m).toMatchObject({ type: "event", event: { seq: 1, later: [1] } });
  });

  it("passes over an unknown type", () => {
    expect(decodeMessage('{"type":"jackpot","root":"…"}')).toEqual({ type: "unknown", name: "jackpot" });
  });

  it.each([
    ["no JSON", "{"],
    ["no object", "[1]"],
    ["an event without seq", JSON.stringify({ ...event(1, T0), seq: undefined })],
    ["a negative seq", JSON.stringify({ ...event(1, T0), seq: -1 })],
    ["a ts beyond 2^53", JSON.stringify(event(1, T0)).replace(String(T0), "9007199254740993")],
    ["a ts that is no integer", JSON.stringify({ ...event(1, T0), ts: 1.5 })],
    ["a version 0", JSON.stringify({ ...event(1, T0), v: 0 })],
    ["a clock without time", '{"type":"clock","ts":1,"capture_time":"soon","server_time":"2026-11-22T15:45:12Z"}'],
    ["a notice without code", '{"type":"notice"}'],
    ["a pong without id", '{"type":"pong","server_time":"2026-11-22T15:45:12Z"}'],
  ])("refuses %s", (_name, text) => expect(() => decodeMessage(text)).toThrow(WireError));
});

describe("decodeSnapshot", () => {
  it("reads one", () => {
    const s = decodeSnapshot(snapshotBody(7, T0, { round: 3 }, [event(7, T0 + 3000)]));
    expect(s).toMatchObject({ log: LOG, seq: 7, stateAt: T0, state: { round: 3 }, paused: false });
    expect(s.pending).toHaveLength(1);
    expect(s.clock?.ts).toBe(T0);
  });

  it("has no clock before media", () => {
    expect(decodeSnapshot(snapshotBody(0, 0, {}, [], { clock: { ts: 0 } })).clock).toBeUndefined();
  });

  it("refuses another protocol", () => {
    expect(() => decodeSnapshot(snapshotBody(0, 0, {}, [], { protocol: { min: 2, max: 3 } }))).toThrow(/version 1/);
  });
});

describe("SnapshotParts", () => {
  it("puts parts together, and starts over with part 1", () => {
    const parts = new SnapshotParts();
    expect(parts.add(1, 3, "x")).toBeUndefined();
    expect(parts.add(1, 2, "ab")).toBeUndefined();
    expect(parts.add(2, 2, "cd")).toBe("abcd");
    expect(parts.add(1, 1, "e")).toBe("e");
  });

  it.each([
    ["a part out of turn", 3, 3],
    ["another number of parts", 2, 4],
    ["part 0", 0, 3],
    ["too many parts", 1, 5000],
    ["no parts", 1, 0],
  ])("refuses %s", (_name, part, of) => {
    const parts = new SnapshotParts();
    parts.add(1, 3, "x");
    expect(() => parts.add(part, of, "y")).toThrow(WireError);
  });
});
