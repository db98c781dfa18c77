import { describe, expect, it } from "vitest";
import { mergePatch, type Json } from "../src/core/json.js";
import { KEEP_TICKS, StateFold } from "../src/core/statefold.js";
import type { FramelockEvent } from "../src/core/wire.js";
import { event, FRAME, T0 } from "./fixtures.js";
import { Random } from "./random.js";

describe("StateFold", () => {
  it("is the fold of what has happened at a frame, not of what has arrived", () => {
    const fold = new StateFold({ n: 0 }, T0, 0);
    fold.add(event(1, T0 + 2 * FRAME, { patch: { n: 1 } }));
    expect(fold.at(T0 + FRAME)).toEqual({ n: 0 });
    expect(fold.at(T0 + 2 * FRAME)).toEqual({ n: 1 });
    expect(fold.at(T0 + FRAME)).toEqual({ n: 0 });
  });

  it("goes by seq, not by timestamp or arrival", () => {
    const fold = new StateFold({}, T0, 0);
    fold.add(event(2, T0 + FRAME, { patch: { by: 2 } }));
    fold.add(event(1, T0 + 3 * FRAME, { patch: { by: 1 } }));
    fold.add(event(3, T0 + 2 * FRAME, { patch: { also: 3 } }));
    expect(fold.at(T0 + FRAME)).toEqual({ by: 2 });
    expect(fold.at(T0 + 3 * FRAME)).toEqual({ by: 2, also: 3 });
  });

  it("gives the same value while nothing changes", () => {
    const fold = new StateFold({ a: {} }, T0, 0);
    fold.add(event(1, T0 + FRAME, { patch: { b: 1 } }));
    const first = fold.at(T0 + FRAME);
    expect(fold.at(T0 + 9 * FRAME)).toBe(first);
    fold.add(event(2, T0 + 2 * FRAME));
    expect(fold.at(T0 + 9 * FRAME)).toBe(first);
    fold.add(event(3, T0 + 3 * FRAME, { patch: { b: 1 } })); // says nothing new
    expect(fold.at(T0 + 9 * FRAME)).toBe(first);
    fold.compact(T0 + 9 * FRAME + KEEP_TICKS, 3);
    expect(fold.at(T0 + 9 * FRAME)).toBe(first);
  });

  it("is the snapshot's before the snapshot", () => {
    const fold = new StateFold({ a: 1 }, T0, 0);
    expect(fold.at(T0 - 50 * FRAME)).toEqual({ a: 1 });
  });

  it("takes voided events out again, and says when it cannot", () => {
    const fold = new StateFold({}, T0, 5);
    fold.add(event(6, T0 + FRAME, { patch: { a: 1 } }));
    fold.add(event(7, T0 + FRAME, { patch: { b: 1 } }));
    expect(fold.void(7, 9)).toBe(true);
    expect(fold.at(T0 + FRAME)).toEqual({ a: 1 });
    expect(fold.void(5, 9)).toBe(false);
  });

  it("keeps what may still be put in order", () => {
    const fold = new StateFold({}, T0, 0);
    const later = T0 + 2 * KEEP_TICKS;
    fold.add(event(3, T0 + 2, { patch: { x: 3 } })); // came by the fast channel; 1 and 2 are under way
    fold.compact(later, 0);
    fold.add(event(1, T0 + 1, { patch: { x: 1, y: 1 } }));
    fold.add(event(2, T0 + 2, { patch: { x: 2 } }));
    expect(fold.at(later)).toEqual({ x: 3, y: 1 });
    fold.compact(later, 3);
    expect(fold.at(later)).toEqual({ x: 3, y: 1 });
    expect(fold.since).toBe(later - KEEP_TICKS);
  });

  it("equals a plain fold for any order of arrival", () => {
    for (let seed = 1; seed <= 300; seed++) {
      const random = new Random(seed);
      const keys = ["a", "b", "c"];
      const patch = (): Json =>
        Object.fromEntries([[random.pick(keys), random.pick([null, random.below(9), { [random.pick(keys)]: random.below(9) }])]]);
      const events: FramelockEvent[] = [];
      for (let seq = 1; seq <= 30; seq++) {
        // Mostly the next frame, now and then late by up to eight seconds.
        const frame = seq * 20 - (random.chance(0.2) ? random.below(240) : 0);
        events.push(event(seq, T0 + Math.max(1, frame) * FRAME, random.chance(0.8) ? { patch: patch() } : {}));
      }
      // Arrival: near its place, out of order by a few.
      const arrivals = events.map((e, i) => ({ e, at: i + random.below(5) })).sort((x, y) => x.at - y.at).map((x) => x.e);
      const fold = new StateFold({}, T0, 0);
      const known = new Set<number>();
      for (const e of arrivals) {
        fold.add(e);
        known.add(e.seq);
        let contiguous = 0;
        while (known.has(contiguous + 1)) contiguous++;
        const now = T0 + e.seq * 20 * FRAME;
        fold.compact(now, contiguous);
        for (const t of [now, now - random.below(KEEP_TICKS), now + 5 * FRAME]) {
          if (t < fold.since) continue;
          const want = events.filter((x) => known.has(x.seq) && x.ts <= t)
            .reduce<Json>((state, x) => (x.patch === undefined ? state : mergePatch(state, x.patch)), {});
          expect(fold.at(t), `seed ${seed}`).toEqual(want);
        }
      }
    }
  });
});
