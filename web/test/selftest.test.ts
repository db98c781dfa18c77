import { describe, expect, it } from "vitest";
import { countPictures, spread, type DrawnPicture, type SelftestResult } from "../selftest/measure.js";
import { findings } from "../selftest/words.js";
import { FRAME, T0 } from "./fixtures.js";

/** Pictures with these numbers; `undefined` leaves a frame out. */
function pictures(bars: (number | null | undefined)[]): DrawnPicture[] {
  return bars.flatMap((bar, i) => (bar === undefined ? [] : [{ rtp: i, ts: T0 + i * FRAME, bar, at: i * 33, latency: 20 }]));
}
const run = (from: number, n: number) => Array.from({ length: n }, (_, i) => from + i);

describe("countPictures", () => {
  it.each<[string, (number | null | undefined)[], object]>([
    ["nothing wrong", run(100, 50), { drawn: 50, skipped: 0, wrong: 0, unreadable: 0, interval: FRAME }],
    ["frames left out", [...run(0, 9), undefined, undefined, ...run(11, 9)], { drawn: 18, skipped: 2, wrong: 0 }],
    ["a newer picture than its timestamp", [...run(0, 9), 10, ...run(10, 9)], { wrong: 1 }],
    ["an older picture", [...run(0, 9), 8, ...run(10, 9)], { wrong: 1 }],
    ["a clip that begins again", [...run(700, 20), ...run(0, 20)], { wrong: 0, skipped: 0 }],
    ["a clip that begins again and again", [...run(15, 5), ...run(0, 20), ...run(0, 20), ...run(0, 9)], { wrong: 0, skipped: 0 }],
    ["a clip that begins again, its first frame left out", [...run(700, 20), undefined, ...run(1, 20)], { wrong: 0, skipped: 1 }],
    ["every picture one too new from some point on", [...run(0, 10), ...run(11, 10)], { wrong: 10 }],
    ["no numbers", Array.from({ length: 9 }, () => null), { drawn: 9, wrong: 0, unreadable: 9 }],
    ["one unreadable", [...run(0, 9), null, ...run(10, 9)], { wrong: 0, unreadable: 1 }],
    ["no pictures", [], { drawn: 0, skipped: 0, wrong: 0 }],
  ])("%s", (_, bars, want) => expect(countPictures(pictures(bars))).toMatchObject(want));

  it("takes a pause for a pause", () => {
    const list = [...pictures(run(0, 10)), ...pictures(run(500, 10)).map((p) => ({ ...p, ts: p.ts! + 500 * FRAME, bar: p.bar! }))];
    expect(countPictures(list).skipped).toBe(0);
  });
});

describe("spread", () => {
  it("is by nearest rank", () => {
    expect(spread(Array.from({ length: 100 }, (_, i) => 100 - i))).toEqual({ p50: 50, p95: 95, p99: 99, samples: 100 });
    expect(spread([3.14159])).toEqual({ p50: 3.1, p95: 3.1, p99: 3.1, samples: 1 });
    expect(spread([])).toBeNull();
  });
});

describe("findings", () => {
  const fine: SelftestResult = {
    version: 1, at: "", browser: "", stream: "wheel", seconds: 60, route: "decoded",
    pictures: { drawn: 1800, skipped: 0, wrong: 0, unreadable: 0, interval: FRAME },
    events: { exact: 9, skipped: 0, late: 0, wrong: 0, unreadable: 0, worst_frames: 0 },
    hashes: { match: 9, mismatch: 0, unseen: 0 }, latency_ms: { p50: 20, p95: 40, p99: 60, samples: 1800 },
    skew_ms: { p50: 5, p95: 20, p99: 30, samples: 240 }, network: { jitter_ms: 1, lost: 0, rtt_ms: 2 },
    alarms: [], reconnects: 0, hidden: false,
  };
  const marks = (r: SelftestResult) => findings(r).map((f) => f.mark);

  it("are all good on a good device", () => {
    expect(findings(fine)[0]!.text).toBe("This device shows events on their exact frame");
    expect(marks(fine).every((m) => m === "good" || m === "none")).toBe(true);
  });
  it.each<[string, Partial<SelftestResult>, string]>([
    ["a wrong picture", { pictures: { ...fine.pictures, wrong: 1 } }, "bad"],
    ["a wrong event", { events: { ...fine.events, wrong: 1 } }, "bad"],
    ["an alarm", { alarms: ["frame_hash"] }, "bad"],
    ["no picture", { pictures: { ...fine.pictures, drawn: 0 } }, "bad"],
    ["the approximate route", { route: "approximate", pictures: { ...fine.pictures, wrong: 1 } }, "fair"],
  ])("tell of %s", (_, more, mark) => expect(marks({ ...fine, ...more })[0]).toBe(mark));
  it("do not make up what was not measured", () => {
    const text = findings({ ...fine, skew_ms: null, latency_ms: null, network: { jitter_ms: null, lost: null, rtt_ms: null } })
      .map((f) => f.text).join("\n");
    expect(text).toMatch(/not measured/);
    expect(text).toMatch(/jitter unknown/);
    expect(text).not.toMatch(/null|NaN|undefined/);
  });
});
