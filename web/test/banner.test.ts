import { expect, it } from "vitest";
import { Banner, BANNER_MS } from "../src/core/banner.js";

it("shows what holds until it is over, and what has happened for a moment", () => {
  const b = new Banner();
  b.notice("resumed", 0);
  b.notice("of_a_later_version", 0);
  expect(b.text(0)).toBe("");
  b.notice("paused", 0);
  b.notice("paused", 0);
  expect(b.text(60_000)).toBe("The studio is paused");
  b.notice("source_restarted", 60_000);
  expect(b.text(60_000)).toBe("The studio's picture has begun anew");
  expect(b.text(60_000 + BANNER_MS)).toBe("The studio is paused");
  b.notice("resumed", 70_000);
  b.notice("input_switched", 70_000);
  expect(b.text(70_000)).toBe("The studio's other encoder has taken over");
  expect(b.text(70_000 + BANNER_MS)).toBe("");
});

it("keeps two that hold apart, and begins anew with a session", () => {
  const b = new Banner();
  b.notice("congested", 0);
  b.notice("paused", 0);
  b.notice("resumed", 0);
  expect(b.text(0)).toBe("Your network is too slow for the picture");
  b.notice("clear", 0);
  expect(b.text(0)).toBe("");
  b.notice("paused", 0);
  b.begin();
  expect(b.text(0)).toBe("");
});
