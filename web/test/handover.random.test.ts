import { expect, it } from "vitest";
import { mergePatch, type Json } from "../src/core/json.js";
import { Standby } from "../src/core/standby.js";
import { low32 } from "../src/core/timestamp.js";
import { ViewerCore, type Output } from "../src/core/viewer.js";
import type { FramelockEvent } from "../src/core/wire.js";
import { event, FRAME, snapshotBody, snapshotParts, T0 } from "./fixtures.js";
import { Random } from "./random.js";

const FRAMES = 240;
const MS = 1000 / 30;
const ts = (frame: number) => T0 + frame * FRAME;

type Step = { at: number; session: number } & ({ do: "frame"; frame: number } | { do: "message"; text: string; fast: boolean });

const fold = (events: FramelockEvent[]) => [...events].sort((a, b) => a.seq - b.seq).reduce<Json>((s, e) => mergePatch(s, e.patch ?? {}), {});

/** Events, each sequenced when frame `frame` was sent, for this one, a later one or one that has just passed. */
function stream(random: Random): FramelockEvent[] {
  const events: FramelockEvent[] = [];
  for (let sent = 3; sent < FRAMES; sent += random.below(12)) {
    const frame = random.chance(0.1) ? sent - random.below(3) : sent + (random.chance(0.3) ? random.below(20) : 0);
    events.push(event(events.length + 1, ts(frame), { frame: sent, patch: { [random.pick(["a", "b", "c"])]: random.below(99) } }));
  }
  return events;
}

/** A session that joins at a frame: its snapshot, its events and its frames, on their way to the viewer. */
function session(random: Random, events: FramelockEvent[], number: number, cut: number): Step[] {
  const known = events.filter((e) => e.frame! <= cut);
  const first = known.findIndex((e) => e.ts > ts(cut));
  const body = snapshotBody(known.length, ts(cut), fold(known.filter((e) => e.ts <= ts(cut))), first < 0 ? [] : known.slice(first));
  const way = random.next() * 4; // in frames
  const steps: Step[] = [];
  let ordered = cut + way;
  for (const text of snapshotParts(body, 400)) steps.push({ at: (ordered += 0.01), session: number, do: "message", text, fast: false });
  for (const e of events.slice(known.length)) {
    const text = JSON.stringify(e);
    ordered = Math.max(ordered + 0.001, e.frame! + way + random.next() * 3);
    steps.push({ at: ordered, session: number, do: "message", text, fast: false });
    if (random.chance(0.7)) steps.push({ at: e.frame! + way + random.next(), session: number, do: "message", text, fast: true });
  }
  let shown = cut + way;
  for (let frame = Math.max(0, cut - random.below(30)); frame < FRAMES; frame++) { // the burst first
    shown = Math.max(shown + 0.05, frame + way + random.next());
    if (!random.chance(0.05)) steps.push({ at: shown, session: number, do: "frame", frame });
  }
  return steps;
}

it("hands over from session to session without losing, repeating or rewinding anything", () => {
  let firings = 0;
  let handovers = 0;
  for (let seed = 1; seed <= 300; seed++) {
    const random = new Random(seed);
    const events = stream(random);
    const cuts = [random.below(10)];
    while (cuts.at(-1)! < FRAMES - 80) cuts.push(cuts.at(-1)! + 30 + random.below(40));
    const steps = cuts.flatMap((cut, i) => session(random, events, i, cut)).sort((a, b) => a.at - b.at);
    const core = new ViewerCore();
    const fired: number[] = [];
    const frames: number[] = [];
    let current = 0;
    let standby: { session: number; said: Standby } | undefined;
    const take = (outputs: Output[]) => {
      for (const o of outputs) {
        expect(o.type, `seed ${seed}: ${JSON.stringify(o)}`).not.toMatch(/alarm|resync/);
        if (o.type === "fire") fired.push(o.firing.event.seq);
      }
    };
    const show = (frame: number, now: number) => {
      const result = core.present(low32(ts(frame)), now);
      if (result.fresh) frames.push(frame);
      take(result.outputs);
    };
    for (const s of steps) {
      const now = s.at * MS;
      if (s.session === current) {
        if (s.do === "frame") show(s.frame, now);
        else take(core.receive(s.text, s.fast ? "fast" : "events", now));
        continue;
      }
      if (s.session !== current + 1) continue; // over, or not begun
      standby ??= { session: s.session, said: new Standby() };
      if (s.do === "message") {
        standby.said.receive(s.text, s.fast ? "fast" : "events", now);
        continue;
      }
      const { presentedTs } = core.display;
      if (!standby.said.takesOver(low32(ts(s.frame)), { presentedTs, log: core.logName, contiguous: core.contiguous }, now)) continue;
      core.begin(true);
      for (const { text, channel, at } of standby.said.take()) take(core.receive(text, channel, at));
      current = standby.session;
      standby = undefined;
      show(s.frame, now);
    }
    expect(cuts.length - 1 - current, `seed ${seed}`).toBeLessThanOrEqual(1); // the last may come too late for the stream's end
    handovers += current;
    expect(frames, `seed ${seed}`).toEqual([...new Set(frames)].sort((a, b) => a - b));
    // All that the first session had to fire, up to the newest frame: once.
    const due = events.filter((e) => e.ts > ts(cuts[0]!) && e.ts <= core.display.presentedTs!).map((e) => e.seq);
    expect([...fired].sort((a, b) => a - b), `seed ${seed}`).toEqual(due);
    expect(core.state, `seed ${seed}`).toEqual(fold(events.filter((e) => e.ts <= core.display.presentedTs!)));
    firings += fired.length;
  }
  expect(firings).toBeGreaterThan(5000);
  expect(handovers).toBeGreaterThan(600);
});
