import { describe, expect, it } from "vitest";
import { Playout, PLAYOUT_LIMITS } from "../src/core/playout.js";
import { FRAME } from "./fixtures.js";
import { Random } from "./random.js";

const MS = FRAME / 90; // of a frame

/** Plays n frames whose way here takes what `transit` says; returns the delay that each was given beyond 1000 ms. */
function play(p: Playout, n: number, transit: (i: number) => number, first = 0, rtp = 0): number[] {
  return Array.from({ length: n }, (_, i) => {
    const at = 1000 + (first + i) * MS + transit(i);
    const ts = p.arrived((rtp + (first + i) * FRAME) >>> 0, at);
    return p.dueAt(ts) - (1000 + (first + i) * MS);
  });
}

describe("Playout", () => {
  it("holds nothing back when frames come evenly", () => {
    const p = new Playout();
    expect(play(p, 100, () => 20).at(-1)).toBeCloseTo(20);
    expect(p.delayMs).toBeCloseTo(0);
  });

  it("waits for 95 of 100 frames, and no longer", () => {
    const p = new Playout();
    const dice = new Random(1);
    play(p, 240, (i) => (i % 50 === 49 ? 90 : 10 + 30 * dice.next()));
    expect(p.delayMs).toBeGreaterThan(20);
    expect(p.delayMs).toBeLessThan(35);
  });

  it("never holds back for longer than its limits", () => {
    const p = new Playout();
    play(p, 300, (i) => (i % 2 ? 900 : 10));
    expect(p.delayMs).toBeCloseTo(PLAYOUT_LIMITS.jitterMs);
    for (let i = 0; i < 9; i++) p.heardAt(300 * FRAME, 60_000);
    play(p, 300, (i) => (i % 2 ? 900 : 10), 300);
    expect(p.delayMs).toBeCloseTo(PLAYOUT_LIMITS.delayMs);
  });

  it("is live right after the burst of a join", () => {
    const p = new Playout();
    // Sixty frames at once, the oldest two seconds old, then one after the other.
    for (let i = 0; i < 60; i++) p.arrived(i * FRAME, 3000 + i / 10);
    expect(play(p, 1, () => 39, 60)[0]).toBeCloseTo(39, 0);
    expect(p.delayMs).toBeLessThan(5);
  });

  it("goes on across the wrap of timestamps", () => {
    const p = new Playout();
    const delays = play(p, 60, () => 20, 0, 2 ** 32 - 30 * FRAME);
    expect(p.delayMs).toBeCloseTo(0);
    expect(delays.at(-1)! - delays[0]!).toBeCloseTo(0);
  });

  it("waits for the sound, in small steps", () => {
    const p = new Playout();
    play(p, 30, () => 20);
    for (let i = 0; i < 9; i++) p.heardAt(30 * FRAME, 1000 + 30 * MS + 100); // 80 ms later than pictures
    const delays = play(p, 60, () => 20, 30);
    for (let i = 1; i < delays.length; i++) expect(delays[i]! - delays[i - 1]!).toBeLessThanOrEqual(4.001);
    expect(delays.at(-1)).toBeCloseTo(100);
    expect(p.soundBehindMs).toBeCloseTo(0);
    p.silent();
    expect(play(p, 60, () => 20, 90).at(-1)).toBeCloseTo(20);
    expect(p.soundBehindMs).toBeUndefined();
  });

  it("takes no notice of a single wild reading of the sound", () => {
    const p = new Playout();
    play(p, 30, () => 20);
    for (const late of [60, 60, 4000, 60, 60]) p.heardAt(30 * FRAME, 1000 + 30 * MS + late);
    expect(play(p, 60, () => 20, 30).at(-1)).toBeCloseTo(60);
  });

  it("shows every frame in turn, and leaves out only what is far behind", () => {
    const p = new Playout();
    play(p, 20, () => 0);
    const queue = [10, 11, 12].map((n) => n * FRAME);
    const due = (n: number) => 1000 + n * MS;
    // A screen of 60 refreshes a second catches up with pictures of 33 ms, one of 30 does not.
    const [fast, slow] = [1000 / 60, 1000 / 30];
    expect(p.take([], due(20), fast)).toBe(0);
    expect(p.take(queue, due(10) - 1, fast)).toBe(0);
    expect(p.take(queue, due(10), fast)).toBe(1);
    expect(p.take(queue, due(10) + 490, fast)).toBe(1);
    expect(p.take(queue, due(10) + 501, fast)).toBe(3);
    expect(p.take(queue, due(10) + 140, slow)).toBe(1);
    expect(p.take(queue, due(10) + 151, slow)).toBe(3);
    expect(p.take([10, 11, 12, 99].map((n) => n * FRAME), due(10) + 501, fast)).toBe(3); // 99 is not due
    expect(p.take([10 * FRAME], due(10) + 501, fast)).toBe(1);
  });
});
