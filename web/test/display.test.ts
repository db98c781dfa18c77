import { describe, expect, it } from "vitest";
import { Display, NEW_LINE_TICKS } from "../src/core/display.js";
import { event, FRAME, LOG, T0 } from "./fixtures.js";

function armed(stateAt = T0): Display {
  const display = new Display();
  display.arm(LOG, stateAt);
  return display;
}

const at = (n: number) => T0 + n * FRAME;

describe("Display", () => {
  it("fires on the event's own frame, all of one frame at once and in seq order", () => {
    const d = armed();
    d.add(event(2, at(2)));
    d.add(event(1, at(2)));
    expect(d.present(at(1)).fired).toEqual([]);
    const { fired } = d.present(at(2));
    expect(fired.map((f) => f.event.seq)).toEqual([1, 2]);
    expect(fired[0]).toMatchObject({ presentedTs: at(2), frames: 0, late: false, skipped: false });
    expect(d.present(at(3)).fired).toEqual([]);
  });

  it("fires on the first later frame if its own was not presented, and says so", () => {
    const d = armed();
    for (let n = 1; n < 5; n++) d.present(at(n));
    d.add(event(1, at(5)));
    expect(d.present(at(7)).fired).toMatchObject([{ presentedTs: at(7), frames: 2, skipped: true, late: false }]);
  });

  it("fires a late event at once, with the number of frames", () => {
    const d = armed();
    for (let n = 1; n <= 6; n++) d.present(at(n));
    expect(d.add(event(1, at(4)))).toMatchObject([{ presentedTs: at(6), late: true, lateFrames: 2, frames: 2, skipped: false }]);
    expect(d.add(event(2, at(6)))).toMatchObject([{ late: true, lateFrames: 0, frames: 0, skipped: false }]);
  });

  it("never fires what is not newer than the snapshot", () => {
    const d = armed(at(10));
    expect(d.add(event(1, at(10)))).toEqual([]);
    expect(d.add(event(2, at(9)))).toEqual([]);
    for (let n = 5; n < 20; n++) expect(d.present(at(n)).fired).toEqual([]);
  });

  it("overlays nothing before a frame at or after the snapshot", () => {
    const d = armed(at(10));
    expect(d.present(at(8))).toMatchObject({ fresh: true, overlay: false });
    expect(d.present(at(9))).toMatchObject({ fresh: true, overlay: false });
    expect(d.present(at(10))).toMatchObject({ fresh: true, overlay: true });
  });

  it("does nothing before a snapshot", () => {
    const d = new Display();
    expect(d.add(event(1, at(1)))).toEqual([]);
    expect(d.present(at(1))).toMatchObject({ fresh: true, overlay: false, fired: [] });
  });

  it("never fires silent kinds", () => {
    const d = armed();
    d.add(event(1, at(1), { kind: "frame_hash" }));
    d.add(event(2, at(1), { kind: "recovered" }));
    d.add(event(3, at(1), { kind: "heartbeat" }));
    expect(d.present(at(1)).fired).toEqual([]);
    expect(d.add(event(4, at(1), { kind: "frame_hash" }))).toEqual([]);
  });

  it("does not rewind", () => {
    const d = armed();
    d.present(at(5));
    expect(d.present(at(5)).fresh).toBe(false);
    expect(d.present(at(4)).fresh).toBe(false);
    expect(d.presentedTs).toBe(at(5));
  });

  it("follows a line that begins anew far behind", () => {
    const d = armed();
    d.present(at(5));
    const restarted = at(5) - NEW_LINE_TICKS;
    expect(d.present(restarted).fresh).toBe(true);
    expect(d.presentedTs).toBe(restarted);
  });

  it("lets events go by the clock while hidden, with no burst on return", () => {
    const d = armed();
    d.present(at(1));
    for (let n = 2; n < 50; n++) d.add(event(n, at(n)));
    expect(d.advance(at(30)).map((f) => [f.event.seq, f.hidden])).toEqual(
      Array.from({ length: 29 }, (_, i) => [i + 2, true]),
    );
    const { fired, skipped } = d.present(at(31));
    expect(fired.map((f) => f.event.seq)).toEqual([31]);
    expect(skipped).toBe(0); // a hidden page skips nothing
  });

  it("does not fire twice across sessions", () => {
    const d = armed();
    d.add(event(1, at(5)));
    d.present(at(5));
    d.disarm();
    d.arm(LOG, at(3)); // its cut lies before what was presented already
    expect(d.add(event(1, at(5)))).toEqual([]);
    expect(d.add(event(2, at(8)))).toEqual([]);
    expect(d.present(at(8)).fired.map((f) => f.event.seq)).toEqual([2]);
  });

  it("fires a late event at once after a reconnection whose frame is on screen", () => {
    const d = armed();
    d.present(at(9));
    d.disarm();
    d.arm(LOG, at(6));
    expect(d.add(event(3, at(8)))).toMatchObject([{ late: true }]);
  });

  it("lets go of voided events", () => {
    const d = armed();
    d.add(event(1, at(2)));
    d.add(event(2, at(2)));
    d.void(2, 9);
    expect(d.present(at(2)).fired.map((f) => f.event.seq)).toEqual([1]);
    expect(d.waitingCount).toBe(0);
  });

  it("counts skipped frames", () => {
    const d = armed();
    for (let n = 1; n < 10; n++) d.present(at(n));
    expect(d.present(at(13)).skipped).toBe(3);
    expect(d.frameInterval).toBe(FRAME);
  });
});
