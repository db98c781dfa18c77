import { describe, expect, it } from "vitest";
import { Attention } from "../src/core/attention.js";
import { Backoff } from "../src/core/backoff.js";
import { DEAD_AFTER_MS, Heartbeat } from "../src/core/heartbeat.js";
import { OFTEN_LEFT_OUT, Pace } from "../src/core/pace.js";
import { RelayClock } from "../src/core/relayclock.js";
import { T0 } from "./fixtures.js";
import { Random } from "./random.js";

const message = (ts: number, serverMs: number) => ({ ts, captureMs: ts / 90, serverMs, holdMs: 0, errorMs: 0 });

describe("RelayClock", () => {
  it("knows its own latency from the best round trip", () => {
    // The relay's clock is 5,000,000 ms ahead of the local one. The way is 4 ms, now and then with 40 ms more back.
    const ahead = 5_000_000;
    const clock = new RelayClock();
    const random = new Random(3);
    let now = 1000;
    for (let i = 0; i < 20; i++) {
      const id = clock.ping(now);
      const answered = now + 4 + ahead;
      const back = 4 + (i % 4 === 0 ? 0 : random.below(40));
      clock.pong(id, answered, now + 4 + back);
      now += 500;
    }
    expect(clock.rttMs).toBe(8);
    expect(clock.serverNow(now)).toBe(now + ahead);
    const ts = T0;
    clock.update(message(ts, ts / 90), now);
    const captured = ts / 90; // on the studio's clock
    const shown = captured + 35 - ahead; // 35 ms later, on the local one
    expect(clock.latency(ts, shown)).toBeCloseTo(35, 3);
    expect(clock.captureTime(ts + 90)).toBeCloseTo(captured + 1, 3);
  });

  it("knows which picture belongs to a sound, across the wrap of timestamps", () => {
    const clock = new RelayClock();
    clock.update(message(T0, 10), 0);
    expect(clock.videoAt(77)).toBeUndefined();
    const audioTs = 5 * 2 ** 32 + 200;
    clock.update({ ...message(T0, 20), audioTs }, 10);
    expect(clock.videoAt(200)).toBe(T0);
    expect(clock.videoAt(200 + 480)).toBe(T0 + 900); // 10 ms
    expect(clock.videoAt(2 ** 32 - 280)).toBe(T0 - 900);
  });

  it("knows nothing before it was told", () => {
    const clock = new RelayClock();
    expect([clock.ts, clock.rttMs, clock.serverNow(0), clock.captureTime(T0), clock.latency(T0, 0), clock.lineNow(0)])
      .toEqual([undefined, undefined, undefined, undefined, undefined, undefined]);
  });

  it("takes the newest word, whatever the order of arrival", () => {
    const clock = new RelayClock();
    clock.update(message(T0 + 900, 20), 5);
    clock.update(message(T0, 10), 6);
    expect(clock.ts).toBe(T0 + 900);
    clock.update(message(0, 30), 7); // no media yet
    expect(clock.ts).toBe(T0 + 900);
  });

  it("lets the line run on between messages, but not through a silence", () => {
    const clock = new RelayClock();
    clock.update(message(T0, 10), 1000);
    expect(clock.lineNow(1100)).toBe(T0 + 9000);
    expect(clock.lineNow(900_000)).toBe(T0 + 225_000);
    expect(clock.lineNow(900)).toBe(T0);
  });

  it("ignores a pong that it did not ask for, and old sessions' round trips", () => {
    const clock = new RelayClock();
    clock.pong(7, 1000, 5);
    expect(clock.rttMs).toBeUndefined();
    const id = clock.ping(0);
    clock.begin();
    clock.pong(id, 1000, 5);
    expect(clock.rttMs).toBeUndefined();
  });
});

describe("Heartbeat", () => {
  it("notices silence", () => {
    const h = new Heartbeat();
    expect(h.silent(0)).toBe(false);
    h.beat(100);
    let now = 100;
    while (now + 250 <= 100 + DEAD_AFTER_MS) expect(h.silent((now += 250))).toBe(false);
    expect(h.silent(now + 250)).toBe(true);
    h.begin();
    expect(h.silent(now + 500)).toBe(false);
  });

  it("gives a page that was suspended the time to read what has come", () => {
    const h = new Heartbeat();
    h.beat(0);
    h.silent(250);
    expect(h.silent(60_000)).toBe(false);
    expect(h.silent(60_250)).toBe(false);
    let silent = false;
    for (let now = 60_500; now <= 62_500; now += 250) silent = h.silent(now);
    expect(silent).toBe(true);
  });
});

describe("Backoff", () => {
  it("doubles up to the cap, with jitter over the upper half", () => {
    const b = new Backoff(250, 15_000);
    expect([0, 0, 0, 0, 0, 0, 0, 0].map((r) => b.next(r))).toEqual([125, 250, 500, 1000, 2000, 4000, 7500, 7500]);
    b.reset();
    expect(b.next(0.5)).toBe(187.5);
    for (let i = 0; i < 100; i++) expect(b.next(0.999)).toBeLessThan(15_000);
  });
});

describe("Pace", () => {
  it.each([["30", 3000], ["25", 3600], ["60", 1500], ["59.94", 1501.5]])("%s fps", (_fps, interval) => {
    const pace = new Pace();
    const random = new Random(5);
    let skipped = 0;
    let left = 0;
    for (let n = 0; n < 300; n++) {
      if (n > 40 && random.chance(0.05)) {
        left++;
        continue;
      }
      skipped += pace.add(Math.round(T0 + n * interval));
    }
    expect(Math.abs(pace.interval - interval)).toBeLessThan(1);
    expect(skipped).toBe(left);
    expect(pace.frames(5 * interval)).toBe(5);
  });

  it("is right where most frames are left out, as on a path that loses packets", () => {
    const pace = new Pace(OFTEN_LEFT_OUT);
    const random = new Random(6);
    for (let n = 0; n < 300; n++) if (random.chance(0.4)) pace.add(T0 + n * 3000);
    expect(pace.frames(5 * 3000)).toBe(5);
  });

  it("takes a long gap for a pause, and goes on measuring", () => {
    const pace = new Pace();
    for (let n = 0; n < 10; n++) pace.add(T0 + n * 3000);
    expect(pace.add(T0 + 10 * 90_000)).toBe(0);
    expect(pace.add(T0 + 10 * 90_000 + 6000)).toBe(1);
    expect(pace.interval).toBe(3000);
  });
});

describe("Attention", () => {
  it("notices a page that presents nothing while pictures arrive", () => {
    const a = new Attention();
    a.presented(0);
    let arrived = 0;
    const asks = [250, 500, 750, 1000, 1250].map((now) => a.lost(now, false, (arrived += 8)));
    expect(asks).toEqual([false, false, false, true, true]);
    a.presented(1300);
    expect(a.lost(1500, false, arrived + 8)).toBe(false);
    expect(a.lost(1750, true, arrived + 8)).toBe(true);
  });

  it("does not take a paused studio for it, nor a blocked main thread", () => {
    const a = new Attention();
    a.presented(0);
    for (let now = 250; now < 5000; now += 250) expect(a.lost(now, false, 40)).toBe(false);
    expect(a.lost(9000, false, 160)).toBe(false); // asked before the frame callback had its turn
    a.presented(9001);
    expect(a.lost(9250, false, 168)).toBe(false);
  });
});
