import { describe, expect, it } from "vitest";
import { Cushion } from "../src/core/cushion.js";

/** Lets a path lose a share of 100 packets a second for some seconds; returns when that is over. */
function lose(cushion: Cushion, from: number, seconds: number, share: number, roundTripMs: number): number {
  let [received, repaired] = [0, 0];
  cushion.restart();
  for (let at = from; at <= from + 1000 * seconds; at += 1000) {
    cushion.sample(at, { received, repaired, roundTripMs });
    received += 100;
    repaired += 100 * share;
  }
  return from + 1000 * seconds;
}

describe("cushion", () => {
  it.each([
    ["nothing is lost", 0, 80, 0],
    ["an accident", 0.005, 80, 0],
    ["one of a hundred: one repair is enough", 0.01, 80, 80 + 30],
    ["one of twenty: what is repaired may be lost again", 0.05, 80, 80 + 100 + 30],
    ["one of ten", 0.1, 80, 80 + 200 + 30],
    ["far away, where the browser asks again after a round trip", 0.05, 200, 200 + 200 + 30],
    ["never for more than half a second", 0.1, 300, 500],
  ])("%s", (_, share, roundTripMs, want) => {
    const cushion = new Cushion();
    lose(cushion, 0, 10, share, roundTripMs);
    expect(cushion.targetMs).toBe(want);
  });

  it("stays for half a minute, and goes away so slowly that no picture is left out", () => {
    const cushion = new Cushion();
    const over = lose(cushion, 0, 5, 0.05, 80);
    lose(cushion, over, 30, 0, 80);
    expect(cushion.targetMs).toBe(210);
    lose(cushion, over + 31_000, 10, 0, 80);
    expect(cushion.targetMs).toBeGreaterThanOrEqual(100);
    expect(cushion.targetMs).toBeLessThan(210);
    lose(cushion, over + 42_000, 30, 0, 80);
    expect(cushion.targetMs).toBe(0);
  });

  it("keeps what it knows of the path when another connection begins to count", () => {
    const cushion = new Cushion();
    lose(cushion, 0, 5, 0.05, 80);
    cushion.restart();
    cushion.sample(6000, { received: 3, repaired: 0, roundTripMs: 80 });
    expect(cushion.targetMs).toBe(210);
  });
});
