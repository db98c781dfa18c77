import { describe, expect, it } from "vitest";
import { extend32, low32 } from "../src/core/timestamp.js";
import { parseTime } from "../src/core/wallclock.js";
import { Random } from "./random.js";

describe("extend32", () => {
  // Expected values by BigInt arithmetic: of all u64 with these low 32 bits, the nearest one.
  const nearest = (rtp: number, near: number): number => {
    const span = 1n << 32n;
    const high = BigInt(near) / span;
    let best = BigInt(rtp);
    for (const h of [high - 1n, high, high + 1n]) {
      const candidate = h * span + BigInt(rtp);
      const distance = (x: bigint) => (x > BigInt(near) ? x - BigInt(near) : BigInt(near) - x);
      if (distance(candidate) < distance(best)) best = candidate;
    }
    return Number(best);
  };

  it.each([
    ["the same", 160_000_000_000_000, 0],
    ["a frame later", 160_000_000_000_000, 3000],
    ["a frame earlier", 160_000_000_000_000, -3000],
    ["across the wrap forward", 37_252 * 2 ** 32 - 1, 3000],
    ["across the wrap backward", 37_252 * 2 ** 32 + 10, -3000],
    ["almost 6.6 h later", 160_000_000_000_000, 2 ** 31 - 1],
    ["almost 6.6 h earlier", 160_000_000_000_000, -(2 ** 31) + 1],
  ])("%s", (_name, near, offset) => {
    expect(extend32(low32(near + offset), near)).toBe(near + offset);
  });

  it("is the nearest for any timestamp", () => {
    const random = new Random(1);
    for (let i = 0; i < 2000; i++) {
      const near = 150_000_000_000_000 + random.below(2 ** 45);
      const rtp = random.below(2 ** 32);
      if (Math.abs(rtp - low32(near)) === 2 ** 31) continue; // both neighbours are as near
      expect(extend32(rtp, near)).toBe(nearest(rtp, near));
    }
  });
});

describe("parseTime", () => {
  it.each([
    ["1970-01-01T00:00:00Z", 0],
    ["1970-01-01T00:00:01.5Z", 1500],
    ["1970-01-01T01:00:00.000250+01:00", 0.25],
    ["2026-11-22T15:45:12.207Z", 1795362312207],
    ["2026-11-22T15:45:12.207123456Z", 1795362312207.1235],
  ])("%s", (text, want) => expect(parseTime(text)).toBeCloseTo(want, 3));

  it.each(["", "now", "2026-11-22", "2026-11-22T15:45:12", "2026-13-22T15:45:12Z", 5, null])("refuses %s", (text) => {
    expect(parseTime(text)).toBeUndefined();
  });
});
