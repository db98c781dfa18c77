import { describe, expect, it } from "vitest";
import { FrameOrder, type OrderAction } from "../src/core/frameorder.js";
import { FRAME } from "./fixtures.js";
import { Random } from "./random.js";

const show = (actions: OrderAction<number>[]) => actions.map((a) => (a.type === "decode" ? a.frame : a.type));

/** Frames are their own numbers; a keyframe every `gop`. */
function orderOf(gop = 30) {
  const order = new FrameOrder<number>();
  const push = (n: number, now = n * 33) => show(order.push((n * FRAME) >>> 0, n % gop === 0, n, now));
  return { order, push };
}

describe("FrameOrder", () => {
  it("passes on what comes in order, from a keyframe on", () => {
    const { order, push } = orderOf();
    expect(push(29)).toEqual(["request"]);
    expect([30, 31, 32].flatMap((n) => push(n))).toEqual([30, 31, 32]);
    expect(order.dropped).toBe(1);
  });

  it("puts frames in order whose packets came again", () => {
    const { order, push } = orderOf();
    push(0);
    push(1);
    expect(push(3)).toEqual(["ask"]);
    expect(push(5)).toEqual([]);
    expect(push(4)).toEqual([]);
    expect(show(order.answer(true, 150))).toEqual([]);
    expect(push(2)).toEqual([2, 3, 4, 5]);
    expect(order.dropped).toBe(0);
  });

  it("takes a hole for the studio's if nothing was lost", () => {
    const { order, push } = orderOf();
    [0, 1, 2].forEach((n) => push(n));
    expect(push(6)).toEqual(["ask"]);
    expect(push(7)).toEqual([]);
    expect(show(order.answer(false, 250))).toEqual([6, 7]);
    expect(push(8)).toEqual([8]);
  });

  it("shows no broken picture: after a loss it waits for a keyframe, and asks for one", () => {
    const { order, push } = orderOf();
    [0, 1].forEach((n) => push(n));
    expect(push(3, 100)).toEqual(["ask"]);
    order.answer(true, 120);
    expect(show(order.check(750))).toEqual([]);
    expect(show(order.check(810))).toEqual(["request"]);
    expect(push(15, 850)).toEqual([]); // asked already
    expect(push(16, 1850)).toEqual(["request"]); // and again after a second
    expect(push(30, 1600)).toEqual([30]);
    expect(push(31)).toEqual([31]);
    expect(order.dropped).toBe(3);
  });

  it("waits a moment for what lacks before a keyframe, too", () => {
    const { order, push } = orderOf();
    [0, 1, ...Array.from({ length: 26 }, (_, i) => i + 2)].forEach((n) => push(n, n * 33));
    expect(push(30, 990)).toEqual(["ask"]);
    expect(show(order.answer(true, 1050))).toEqual([]);
    expect(push(29, 1060)).toEqual([]);
    expect(push(28, 1080)).toEqual([28, 29, 30]);
    expect(order.dropped).toBe(0);
  });

  it("goes on with the keyframe if that does not come", () => {
    const { order, push } = orderOf();
    Array.from({ length: 28 }, (_, n) => n).forEach((n) => push(n, n * 33));
    push(29, 957);
    expect(push(30, 990)).toEqual([]);
    order.answer(true, 1030);
    expect(push(31, 1023)).toEqual([]);
    expect(show(order.check(1230))).toEqual([]);
    expect(show(order.check(1240))).toEqual([30, 31]);
    expect(order.dropped).toBe(1);
  });

  it("does not wait for more than half a second of frames before a keyframe", () => {
    const { order, push } = orderOf();
    [0, 1].forEach((n) => push(n));
    expect(push(30)).toEqual([30]);
    expect(order.dropped).toBe(0);
  });

  it("breaks off when a frame comes that its successors lacked", () => {
    const { order, push } = orderOf();
    [0, 1].forEach((n) => push(n));
    push(3, 100);
    order.answer(false, 110); // the loss was not counted yet
    expect(push(2, 120)).toEqual(["request"]);
    expect(push(4, 130)).toEqual([]);
    expect(push(30, 900)).toEqual([30]);
  });

  it("learns the distance of frames", () => {
    const order = new FrameOrder<number>();
    let asked = 0;
    for (let n = 0; n < 100; n++) {
      for (const a of order.push(n * 6000, n === 0, n, n * 66)) if (a.type === "ask") asked++;
      order.answer(false, n * 66);
    }
    expect(asked).toBeLessThan(5);
  });

  it("starts anew with a keyframe when the decoder has to", () => {
    const { order, push } = orderOf();
    push(0);
    expect(show(order.restart(10))).toEqual(["request"]);
    expect(push(1)).toEqual([]);
    expect(push(30)).toEqual([30]);
  });

  it("begins anew with a keyframe after a pause of half a cycle", () => {
    const { order, push } = orderOf();
    [0, 1].forEach((n) => push(n));
    const late = 2 ** 31 + 30 * FRAME;
    expect(show(order.push(late, false, 7, 0))).toEqual(["request"]);
    expect(show(order.push(late + FRAME, true, 8, 9))).toEqual([8]);
    expect(show(order.push(late + 2 * FRAME, false, 9, 42))).toEqual([9]);
  });

  it("crosses the wrap of timestamps", () => {
    const order = new FrameOrder<number>();
    const from = 2 ** 32 - 5 * FRAME;
    const out = Array.from({ length: 10 }, (_, n) => show(order.push((from + n * FRAME) >>> 0, n === 0, n, n * 33))).flat();
    expect(out).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it("never lets a frame through whose predecessor is missing, whatever is lost and late", () => {
    for (let seed = 1; seed <= 60; seed++) {
      const dice = new Random(seed);
      const { order } = orderOf();
      const arrivals: { n: number; at: number }[] = [];
      for (let n = 0; n < 400; n++) {
        const fate = dice.next();
        if (fate < 0.02) continue; // never comes
        arrivals.push({ n, at: n * 33 + (fate < 0.08 ? 40 + 500 * dice.next() : 0) });
      }
      arrivals.sort((a, b) => a.at - b.at);
      let decoded = -1;
      const take = (actions: OrderAction<number>[]) => {
        for (const a of actions) {
          if (a.type !== "decode") continue;
          expect(a.key || a.frame === decoded + 1, `seed ${seed}: ${a.frame} after ${decoded}`).toBe(true);
          decoded = a.frame;
        }
      };
      for (const { n, at } of arrivals) {
        take(order.check(at));
        const actions = order.push(n * FRAME, n % 30 === 0, n, at);
        take(actions);
        if (actions.some((a) => a.type === "ask")) take(order.answer(true, at + 1));
      }
      expect(decoded).toBeGreaterThan(350);
    }
  });
});
