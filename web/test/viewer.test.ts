import { describe, expect, it } from "vitest";
import { ViewerCore, type Output } from "../src/core/viewer.js";
import { low32 } from "../src/core/timestamp.js";
import { clock, event, FRAME, LOG, snapshotBody, snapshotParts, T0 } from "./fixtures.js";

const at = (n: number) => T0 + n * FRAME;
const ms = (ts: number) => ts / 90; // a local clock that agrees with the relay's

function joined(stateAt = T0, state = {}, pending: ReturnType<typeof event>[] = []): ViewerCore {
  const core = new ViewerCore();
  core.begin();
  for (const part of snapshotParts(snapshotBody(pending.length, stateAt, state, pending))) core.receive(part, "events", ms(stateAt));
  return core;
}

const types = (outputs: Output[]) => outputs.map((o) => o.type);
const fired = (outputs: Output[]) => outputs.flatMap((o) => (o.type === "fire" ? [o.firing.event.seq] : []));
const present = (core: ViewerCore, ts: number) => core.present(low32(ts), ms(ts) + 30);

describe("ViewerCore", () => {
  it("fires an event and its state on its frame", () => {
    const core = joined(T0, { phase: "spinning" });
    expect(core.state).toBeUndefined();
    core.receive(JSON.stringify(event(1, at(3), { kind: "outcome", patch: { phase: "result" } })), "fast", ms(at(2)));
    present(core, at(1));
    expect(core.state).toEqual({ phase: "spinning" });
    expect(fired(present(core, at(2)).outputs)).toEqual([]);
    const { outputs, ts, overlay } = present(core, at(3));
    expect([fired(outputs), ts, overlay]).toEqual([[1], at(3), true]);
    expect(core.state).toEqual({ phase: "result" });
    expect(types(outputs)).toEqual(["fire", "state"]);
  });

  it("names frames across the wrap of the 32-bit timestamp", () => {
    const wrap = Math.ceil(T0 / 2 ** 32) * 2 ** 32;
    const core = joined(wrap - 5 * FRAME);
    core.receive(JSON.stringify(event(1, wrap + 2 * FRAME)), "events", ms(wrap));
    for (let n = -4; n < 2; n++) {
      const result = present(core, wrap + n * FRAME);
      expect([result.ts, fired(result.outputs)]).toEqual([wrap + n * FRAME, []]);
    }
    expect(fired(present(core, wrap + 2 * FRAME).outputs)).toEqual([1]);
  });

  it("puts a late event into the state, in its own place", () => {
    const core = joined(T0, { x: 0 });
    present(core, at(1));
    core.receive(JSON.stringify(event(2, at(2), { patch: { x: 2 } })), "fast", ms(at(1)));
    present(core, at(4));
    expect(core.state).toEqual({ x: 2 });
    const outputs = core.receive(JSON.stringify(event(1, at(3), { patch: { x: 1, y: 1 } })), "events", ms(at(4)));
    expect(core.state).toEqual({ x: 2, y: 1 });
    expect(outputs.find((o) => o.type === "fire")).toMatchObject({ firing: { late: true } });
  });

  it("shows a frame that came before the snapshot, then what belongs on it", () => {
    const core = new ViewerCore();
    core.begin();
    expect(present(core, at(5))).toMatchObject({ ts: undefined, fresh: true, overlay: false });
    const outputs = snapshotParts(snapshotBody(1, at(3), { a: 1 }, [event(1, at(4))])).flatMap((p) => core.receive(p, "events", ms(at(5))));
    expect(core.display.presentedTs).toBe(at(5));
    expect(fired(outputs)).toEqual([1]);
    expect(core.state).toEqual({ a: 1 });
  });

  it("keeps live events for the snapshot", () => {
    const core = new ViewerCore();
    core.begin();
    core.receive(JSON.stringify(event(2, at(3))), "fast", 0);
    for (const p of snapshotParts(snapshotBody(1, T0, {}))) core.receive(p, "events", 0);
    expect(fired(present(core, at(3)).outputs)).toEqual([2]);
  });

  it("begins each session anew and rewinds nothing", () => {
    const core = joined(T0, { n: 1 });
    present(core, at(50));
    core.begin();
    expect(present(core, at(51))).toMatchObject({ fresh: true, overlay: false });
    for (const p of snapshotParts(snapshotBody(9, at(60), { n: 2 }))) core.receive(p, "events", ms(at(60)));
    expect(present(core, at(40))).toMatchObject({ fresh: false }); // the burst since the last keyframe
    expect(present(core, at(55))).toMatchObject({ fresh: true, overlay: false });
    expect(core.state).toEqual({ n: 1 });
    expect(present(core, at(60))).toMatchObject({ overlay: true });
    expect(core.state).toEqual({ n: 2 });
  });

  it("advances by the clock while hidden, at the distance that was measured", () => {
    const core = joined(T0, {});
    const tick = (ts: number) => core.receive(JSON.stringify(clock(ts)), "fast", ms(ts) + 5);
    for (let n = 1; n < 30; n++) {
      tick(at(n));
      present(core, at(n)); // 30 ms after capture; the clock's word took 5 ms
    }
    core.receive(JSON.stringify(event(1, at(40), { patch: { heard: true } })), "events", ms(at(30)));
    tick(at(39));
    expect(core.advance(ms(at(39)) + 5)).toEqual([]);
    tick(at(41));
    const outputs = core.advance(ms(at(41)) + 5);
    expect(outputs).toMatchObject([{ type: "fire", firing: { hidden: true } }, { type: "state", state: { heard: true } }]);
    expect(fired(present(core, at(42)).outputs)).toEqual([]);
  });

  it("reports the newest firing, and skipped frames", () => {
    const core = joined(T0);
    core.clock.pong(core.clock.ping(ms(T0)), ms(T0), ms(T0));
    expect(core.takeReport()).toBeUndefined();
    for (let n = 1; n < 8; n++) present(core, at(n));
    core.receive(JSON.stringify(event(1, at(9))), "events", 0);
    present(core, at(10));
    const report = core.takeReport();
    expect(report).toMatchObject({ type: "presented", seq: 1, ts: at(10), frame_error: 1, skipped: 2 });
    expect(report?.latency_ms).toBeCloseTo(30, 1);
    expect(core.takeReport()).toBeUndefined();
  });

  it("alarms instead of guessing", () => {
    const core = joined(T0);
    const say = (m: unknown) => core.receive(typeof m === "string" ? m : JSON.stringify(m), "events", 0);
    expect(say("nonsense")).toMatchObject([{ type: "alarm", alarm: { code: "malformed" } }]);
    expect(say(event(1, at(2), { kind: "jackpot", required: true })).map((o) => o.type)).toEqual(["received", "alarm"]);
    expect(say(event(1, at(2), { kind: "jackpot", data: 1 }))).toMatchObject([{ alarm: { code: "equivocation" } }]);
    expect(say(event(9, at(2)))).toMatchObject([{ alarm: { code: "gap", from: 2, to: 8 } }, { type: "resync" }, { type: "received" }]);
    expect(say(event(10, at(2), { log: "0000000000000001" }))).toMatchObject([{ alarm: { code: "foreign" } }, { type: "resync" }]);
    expect(fired(present(core, at(3)).outputs)).toEqual([9]);
    expect(core.logName).toBe(LOG);
  });

  it("fires neither of two events with one seq", () => {
    const core = joined(T0);
    core.receive(JSON.stringify(event(1, at(2), { patch: { pocket: 17 } })), "fast", 0);
    core.receive(JSON.stringify(event(1, at(2), { patch: { pocket: 18 } })), "events", 0);
    expect(fired(present(core, at(2)).outputs)).toEqual([]);
    expect(core.state).toEqual({});
  });

  it("cuts back to what was durable, or asks for a snapshot", () => {
    const core = joined(T0, {});
    core.receive(JSON.stringify(event(1, at(1), { patch: { kept: 1 } })), "events", 0);
    core.receive(JSON.stringify(event(2, at(2), { patch: { lost: 1 } })), "events", 0);
    present(core, at(3));
    const recovered = event(4097, at(4), { kind: "recovered", data: { last_durable: 1 } });
    expect(types(core.receive(JSON.stringify(recovered), "events", 0))).toEqual(["void", "received", "state"]);
    expect(core.state).toEqual({ kept: 1 });
    const again = event(8193, at(4), { kind: "recovered", data: { last_durable: 0 } });
    expect(types(core.receive(JSON.stringify(again), "events", 0))).toContain("void");
  });

  it("passes notices on", () => {
    const core = joined(T0);
    expect(core.receive('{"type":"notice","code":"paused","text":"…"}', "events", 0)).toEqual([{ type: "notice", code: "paused", text: "…" }]);
  });

  it("estimates what is on screen where the browser cannot tell", () => {
    const core = new ViewerCore();
    expect(core.presentByClock(0)).toMatchObject({ ts: undefined, overlay: false });
    const other = joined(T0);
    other.receive(JSON.stringify(clock(at(30))), "fast", ms(at(30)));
    expect(other.presentByClock(ms(at(33)))).toMatchObject({ ts: at(30), overlay: true }); // 100 ms behind the line
  });
});
