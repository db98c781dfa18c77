import { expect, it } from "vitest";
import { mergePatch, type Json } from "../src/core/json.js";
import { low32 } from "../src/core/timestamp.js";
import { ViewerCore, type Output } from "../src/core/viewer.js";
import type { FramelockEvent } from "../src/core/wire.js";
import { event, FRAME, snapshotBody, snapshotParts, T0 } from "./fixtures.js";
import { Random } from "./random.js";

const FRAMES = 900; // 30 s, so that the fold's base moves on
const WRAP = Math.ceil(T0 / 2 ** 32) * 2 ** 32;
const START = WRAP - 300 * FRAME; // the 32-bit timestamp wraps after 10 s

type Step =
  | { at: number; do: "frame"; ts: number }
  | { at: number; do: "message"; text: string; event: FramelockEvent; fast: boolean }
  | { at: number; do: "part"; text: string; last: boolean };

interface Scene {
  steps: Step[];
  cutSeq: number;
  stateAt: number;
  /** Events up to the snapshot's cut. */
  known: FramelockEvent[];
}

const fold = (base: Json, events: FramelockEvent[]) =>
  [...events].sort((a, b) => a.seq - b.seq).reduce<Json>((s, e) => (e.patch === undefined ? s : mergePatch(s, e.patch)), base);

/** A random stream and a random way of it to one viewer. */
function scene(random: Random): Scene {
  const ts = (frame: number) => START + frame * FRAME;
  const events: FramelockEvent[] = [];
  for (let sent = 5; sent < FRAMES - 40; sent += 1 + random.below(25)) {
    // Sequenced when frame `sent` was: mostly for that frame, sometimes for one that has passed,
    // and with a delay line for one that has not been sent.
    const frame = random.chance(0.15) ? Math.max(0, sent - random.below(200)) : sent + (random.chance(0.2) ? random.below(20) : 0);
    const patch = random.chance(0.7) ? { patch: { [random.pick(["a", "b", "c"])]: random.pick([null, random.below(99)]) } } : {};
    const kind = random.chance(0.1) ? { kind: "frame_hash" } : {};
    events.push(event(events.length + 1, ts(frame), { ...patch, ...kind, frame: sent }));
  }
  const cut = random.below(FRAMES / 2);
  const cutSeq = events.filter((e) => e.frame! <= cut).length;
  const stateAt = ts(cut);
  const known = events.slice(0, cutSeq);
  const base = fold({}, known.filter((e) => e.ts <= stateAt));
  // What follows a pending event is repeated, as it overrides it.
  const first = known.findIndex((e) => e.ts > stateAt);
  const pending = first < 0 ? [] : known.slice(first);

  const steps: Step[] = [];
  const delay = () => 2 + random.next() * 6 + (random.chance(0.02) ? random.next() * 60 : 0); // in frames
  const parts = snapshotParts(snapshotBody(cutSeq, stateAt, base, pending), 1 + random.below(400));
  let ordered = cut + random.next() * 5;
  for (const [i, text] of parts.entries()) steps.push({ at: (ordered += 0.01), do: "part", text, last: i === parts.length - 1 });
  for (const e of events.slice(Math.max(0, cutSeq - 5))) {
    const text = JSON.stringify(e);
    if (e.seq > cutSeq) {
      ordered = Math.max(ordered + 0.001, e.frame! + random.next() * 4 + (random.chance(0.05) ? 20 : 0));
      steps.push({ at: ordered, do: "message", text, event: e, fast: false });
    }
    for (let n = random.below(3); n > 0; n--) steps.push({ at: e.frame! + delay() - 2, do: "message", text, event: e, fast: true });
  }
  const late = random.next() * 4;
  let burst = cut + 1;
  for (let frame = Math.max(0, cut - random.below(60)); frame < FRAMES; frame++) {
    if (random.chance(0.05)) continue; // skipped
    burst = Math.max(burst + 0.001, frame + late + random.next());
    steps.push({ at: burst, do: "frame", ts: ts(frame) });
  }
  steps.sort((a, b) => a.at - b.at);
  return { steps, cutSeq, stateAt, known };
}

/** What the display rule says, in the plainest words: a list of frames so far, a list of events so far. */
class Model {
  private readonly frames: number[] = [];
  private readonly events: FramelockEvent[] = [];
  private readonly done = new Set<number>();

  constructor(private readonly s: Scene) {}

  know(e: FramelockEvent): string[] {
    if (this.events.some((x) => x.seq === e.seq)) return [];
    this.events.push(e);
    return this.firings(true);
  }

  frame(ts: number): string[] {
    this.frames.push(ts);
    return this.firings(false);
  }

  /** The state at the newest frame; undefined while nothing may be overlaid. */
  state(): Json | undefined {
    const t = this.frames.at(-1);
    if (t === undefined || t < this.s.stateAt) return undefined;
    const all = [...this.s.known, ...this.events.filter((e) => e.seq > this.s.cutSeq)];
    return fold({}, all.filter((e) => e.ts <= t));
  }

  private firings(late: boolean): string[] {
    const t = this.frames.at(-1);
    if (t === undefined || t < this.s.stateAt) return [];
    const due = this.events.filter((e) => !this.done.has(e.seq) && e.ts <= t && e.ts > this.s.stateAt && e.kind !== "frame_hash");
    due.sort((a, b) => a.seq - b.seq);
    for (const e of due) this.done.add(e.seq);
    return due.map((e) => {
      const own = this.frames.includes(e.ts) && this.frames.indexOf(e.ts) >= this.frames.findIndex((f) => f >= this.s.stateAt);
      const passed = this.frames.filter((f) => f >= e.ts && f >= this.s.stateAt).length - 1;
      return JSON.stringify([e.seq, t, late, late ? passed : 0, !own]);
    });
  }
}

const fired = (outputs: Output[]) => outputs.flatMap((o) => (o.type === "fire"
  ? [JSON.stringify([o.firing.event.seq, o.firing.presentedTs, o.firing.late, o.firing.lateFrames, o.firing.skipped])] : []));

it("follows the display rule for any stream and any way to the viewer", () => {
  let firings = 0;
  let lates = 0;
  for (let seed = 1; seed <= 80; seed++) {
    const s = scene(new Random(seed));
    const core = new ViewerCore();
    core.begin();
    const model = new Model(s);
    let open = false;
    const early: FramelockEvent[] = [];
    for (const step of s.steps) {
      const now = step.at * 33;
      let got: string[];
      let want: string[] = [];
      if (step.do === "frame") {
        got = fired(core.present(low32(step.ts), now).outputs);
        want = model.frame(step.ts);
      } else if (step.do === "part") {
        const outputs = core.receive(step.text, "events", now);
        got = fired(outputs);
        if (step.last) {
          open = true;
          const snap = outputs.find((o) => o.type === "snapshot");
          const pending = snap?.type === "snapshot" ? snap.snapshot.pending : [];
          // All of it is known in one instant; what is due of it fires in seq order.
          for (const e of [...pending, ...early.filter((x) => x.seq > s.cutSeq)]) want.push(...model.know(e));
          got.sort();
          want.sort();
        }
      } else {
        const outputs = core.receive(step.text, step.fast ? "fast" : "events", now);
        expect(outputs.some((o) => o.type === "alarm"), `seed ${seed}`).toBe(false);
        got = fired(outputs);
        if (!open) early.push(step.event);
        else if (step.event.seq > s.cutSeq) want = model.know(step.event);
      }
      expect(got, `seed ${seed} at ${step.at}`).toEqual(want);
      if (open) expect(core.state, `seed ${seed} at ${step.at}`).toEqual(model.state());
      firings += got.length;
      lates += got.filter((g) => g.includes("true,")).length;
    }
    expect(core.display.waitingCount, `seed ${seed}`).toBe(0);
  }
  expect(firings).toBeGreaterThan(1500); // the scenes do reach what they are for
  expect(lates).toBeGreaterThan(50);
});
