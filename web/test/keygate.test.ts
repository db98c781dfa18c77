import { describe, expect, it } from "vitest";
import { KeyGate } from "../src/core/keygate.js";
import { FRAME } from "./fixtures.js";
import { Random } from "./random.js";

/** Frames are their own numbers; a keyframe every `gop`. Notes what passes. */
function gateOf(gop = 30) {
  const gate = new KeyGate<number>();
  const passed: number[] = [];
  let asked = 0;
  const push = (n: number, now = n * 33) => {
    const { pass, ask } = gate.push((n * FRAME) >>> 0, n % gop === 0, n, now);
    passed.push(...pass);
    if (ask) asked++;
    return pass;
  };
  return { gate, passed, push, asked: () => asked };
}
const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

describe("KeyGate", () => {
  it("lets everything go on as it comes, in whatever order, until a keyframe comes before its time", () => {
    const { push, passed, asked } = gateOf();
    const order = [...numbers(0, 9), 12, 11, 10, ...numbers(13, 40)];
    order.forEach((n) => push(n));
    expect(passed).toEqual(order);
    expect(asked()).toBe(0);
  });

  it("keeps a keyframe, and what follows, behind the frames that were lost before it", () => {
    const { gate, push } = gateOf();
    numbers(0, 26).forEach((n) => push(n));
    push(29);
    expect([push(30), push(31)]).toEqual([[], []]);
    expect(gate.answer(true)).toEqual([]);
    expect(push(28)).toEqual([28]);
    expect(push(32)).toEqual([]);
    expect(push(27)).toEqual([27, 30, 31, 32]);
    expect(push(33)).toEqual([33]);
  });

  it("does so for no longer than a quarter of a second", () => {
    const { gate, push } = gateOf();
    numbers(0, 27).forEach((n) => push(n));
    push(30, 1000);
    push(31, 1020);
    expect(gate.check(1249)).toEqual([]);
    expect(gate.check(1250)).toEqual([30, 31]);
    expect(push(29, 1260)).toEqual([29]); // the decoder will know what to do with it
    expect(push(32, 1270)).toEqual([32]);
    expect(push(60, 3000)).toEqual([60]); // too far: there was a pause
  });

  it("is open at once where the studio left frames out", () => {
    const { gate, push } = gateOf();
    numbers(0, 27).forEach((n) => push(n));
    expect(push(30)).toEqual([]);
    expect(gate.answer(false)).toEqual([30]);
    expect(push(31)).toEqual([31]);
  });

  it("does not wait for what lacks half a second before a keyframe", () => {
    const { push } = gateOf();
    numbers(0, 5).forEach((n) => push(n));
    numbers(7, 29).forEach((n) => push(n));
    expect(push(30)).toEqual([30]);
  });

  it("goes on with a line that begins anew, and over the wrap of timestamps", () => {
    const { gate, push } = gateOf();
    numbers(1000, 1010).forEach((n) => push(n));
    expect(push(30)).toEqual([30]);
    expect(push(31)).toEqual([31]);
    const near = 2 ** 32 - 2 * FRAME;
    expect([0, 1, 2, 3].flatMap((i) => gate.push((near + i * FRAME) >>> 0, i === 0, i, i).pass)).toEqual([0, 1, 2, 3]);
  });

  it("gives back what it has at its end", () => {
    const { gate, push } = gateOf();
    numbers(0, 27).forEach((n) => push(n));
    [30, 31].forEach((n) => push(n));
    expect([gate.end(), gate.end()]).toEqual([[30, 31], []]);
  });

  it("lets every frame go on once, a keyframe after all that is there in time", () => {
    for (let seed = 1; seed <= 60; seed++) {
      const dice = new Random(seed);
      const { gate, passed, push } = gateOf();
      const arrivals: { n: number; at: number }[] = [];
      for (let n = 0; n < 400; n++) {
        const fate = dice.next();
        if (n > 0 && fate < 0.02) continue; // never comes
        arrivals.push({ n, at: n * 33 + (n > 0 && fate < 0.12 ? 40 + 160 * dice.next() : 0) });
      }
      arrivals.sort((a, b) => a.at - b.at);
      for (const { n, at } of arrivals) {
        passed.push(...gate.check(at));
        push(n, at);
      }
      passed.push(...gate.check(1e9));
      expect([...passed].sort((a, b) => a - b)).toEqual(arrivals.map((a) => a.n).sort((a, b) => a - b));
      for (const key of passed.filter((n) => n % 30 === 0 && n > 0)) {
        const late = arrivals.filter((a) => a.n < key && a.n > key - 4 && a.at < key * 33 + 200);
        for (const { n } of late) expect(passed.indexOf(n), `seed ${seed}: ${n} and ${key}`).toBeLessThan(passed.indexOf(key));
      }
    }
  });
});
