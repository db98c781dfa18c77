import { describe, expect, it } from "vitest";
import { WindowBook } from "../src/core/windows.js";
import { decodeSnapshot, type FramelockEvent } from "../src/core/wire.js";
import { event, FRAME, snapshotBody, T0 } from "./fixtures.js";
import { Random } from "./random.js";

const at = (n: number) => T0 + n * FRAME;
const root = "ab".repeat(32);
const rules = { closes_ts: at(100), grace_ms: 200, max_per_viewer: 3, max_bytes: 64, max_actions: 1000, max_age_ms: 2000 };

/** A window's life: open on frame 10, closing on 100, closed on 107. */
const life: FramelockEvent[] = [
  event(1, at(10), { kind: "window.open", window: "w", data: rules }),
  event(2, at(100), { kind: "window.closing", window: "w", data: { close_ts: at(100), reason: "deadline" } }),
  event(3, at(107), { kind: "window.close", window: "w", data: { close_ts: at(100), accepted: 4, rejected: 1, root } }),
];

function book(...events: FramelockEvent[]): WindowBook {
  const b = new WindowBook();
  for (const e of events) b.apply(e);
  return b;
}

const snapshot = (stateAt: number, windows: object[]) => decodeSnapshot(snapshotBody(3, stateAt, {}, [], { windows }));

describe("WindowBook", () => {
  it("gives each phase from its own frame on", () => {
    const b = book(...life);
    const phases = [9, 10, 99, 100, 106, 107].map((n) => b.at("w", at(n))?.phase);
    expect(phases).toEqual([undefined, "open", "open", "closing", "closing", "closed"]);
    expect(b.at("w", at(107))).toMatchObject({ openTs: at(10), endTs: at(100), rules, result: { seq: 3, accepted: 4, rejected: 1, root } });
  });

  it("closes by the deadline before the relay has said so", () => {
    const b = book(life[0]!);
    expect([99, 100].map((n) => b.at("w", at(n))?.phase)).toEqual(["open", "closing"]);
    const endless = book(event(1, at(10), { kind: "window.open", window: "w", data: { ...rules, closes_ts: 0 } }));
    expect(endless.at("w", at(9000))).toMatchObject({ phase: "open", endTs: undefined });
  });

  it("ends earlier when the game asks for it", () => {
    const b = book(life[0]!, event(2, at(50), { kind: "window.closing", window: "w", data: { close_ts: at(50), reason: "requested" } }));
    expect(b.at("w", at(50))).toMatchObject({ phase: "closing", endTs: at(50) });
  });

  it("is void from the void's frame on, whatever else", () => {
    const b = book(...life, event(4, at(103), { kind: "void", window: "w" }));
    expect([102, 103, 200].map((n) => b.at("w", at(n))?.phase)).toEqual(["closing", "void", "void"]);
  });

  it("does not depend on the order of arrival after the opening", () => {
    const random = new Random(7);
    const want = book(...life);
    for (let i = 0; i < 20; i++) {
      const b = book(life[0]!, ...random.shuffle(life.slice(1)));
      for (const n of [10, 100, 107]) expect(b.at("w", at(n))).toEqual(want.at("w", at(n)));
    }
  });

  it("does not depend on the order of arrival, the opening included", () => {
    // The first copy of the opening was lost: those of what followed come before the one that is sent again.
    const random = new Random(8);
    const want = book(...life);
    for (let i = 0; i < 30; i++) {
      const b = book(...random.shuffle([...life]));
      for (const n of [9, 10, 100, 107]) expect(b.at("w", at(n))).toEqual(want.at("w", at(n)));
    }
    const early = book(...life.slice(1));
    expect(early.all(at(107))).toEqual([]);
    expect(early.changes(at(107))).toEqual([]);
  });

  it("opens a new window of a name that has ended", () => {
    const again = [
      event(11, at(1010), { kind: "window.open", window: "w", data: { ...rules, closes_ts: at(1100) } }),
      event(12, at(1100), { kind: "window.closing", window: "w", data: { close_ts: at(1100), reason: "deadline" } }),
    ];
    for (const order of [again, again.toReversed()]) {
      const b = book(...life, ...order);
      expect([1009, 1010, 1099, 1100].map((n) => b.at("w", at(n))?.phase)).toEqual([undefined, "open", "open", "closing"]);
      expect(b.at("w", at(1010))?.result).toBeUndefined();
    }
    // What a new session's snapshot lists as pending is no new window.
    const b = book(...life, life[0]!);
    expect(b.at("w", at(107))?.phase).toBe("closed");
  });

  it("tells each change once", () => {
    const b = book(...life);
    const told: string[] = [];
    for (let n = 0; n < 120; n++) told.push(...b.changes(at(n)).map((w) => `${n} ${w.phase}`));
    expect(told).toEqual(["10 open", "100 closing", "107 closed"]);
  });

  it("takes back what the relay lost", () => {
    const b = book(...life);
    b.void(2, 3);
    expect(b.at("w", at(99))?.phase).toBe("open");
    expect(b.at("w", at(200))).toMatchObject({ phase: "closing", result: undefined }); // by its deadline
    b.void(1, 1);
    expect(b.all(at(200))).toEqual([]);
  });

  it("begins from a snapshot, and knows that what is missing there has closed", () => {
    const b = book(life[0]!, event(2, at(20), { kind: "window.open", window: "old", data: rules }));
    b.begin(snapshot(at(60), [{ window: "w", phase: "closing", open_ts: at(10), closes_ts: at(100), close_ts: at(50), remaining_ms: 0, rules }]), true);
    expect(b.all(at(60)).map((w) => [w.window, w.phase, w.endTs])).toEqual([["w", "closing", at(50)], ["old", "closed", at(100)]]);
    b.begin(snapshot(at(70), []), false);
    expect(b.all(at(70))).toEqual([]);
  });

  it("remembers the newest 64 closed windows", () => {
    const b = new WindowBook();
    for (let n = 0; n < 200; n++) {
      b.apply(event(2 * n, at(n), { kind: "window.open", window: `w${n}`, data: rules }));
      b.apply(event(2 * n + 1, at(n), { kind: "window.close", window: `w${n}`, data: { close_ts: at(n), accepted: 0, rejected: 0, root } }));
    }
    const left = b.all(at(300));
    expect(left.length).toBeLessThanOrEqual(66);
    expect(left.at(-1)?.window).toBe("w199");
  });

  it("passes over what is about no window, or one that it does not know", () => {
    const b = book(event(1, at(1)), event(2, at(2), { kind: "window.close", window: "other", data: null }));
    expect(b.all(at(9))).toEqual([]);
  });
});
