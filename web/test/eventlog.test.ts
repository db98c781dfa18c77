import { describe, expect, it } from "vitest";
import { EventLog, type LogResult } from "../src/core/eventlog.js";
import type { FramelockEvent } from "../src/core/wire.js";
import { event, LOG, snapshot, T0 } from "./fixtures.js";
import { Random } from "./random.js";

const accepted = (results: LogResult[]) => results.flatMap((r) => (r.type === "accepted" ? [r.event.seq] : []));
const give = (log: EventLog, e: FramelockEvent, reliable = true) => log.receive(JSON.stringify(e), e, reliable);

function opened(seq = 0, pending: FramelockEvent[] = []): EventLog {
  const log = new EventLog();
  log.open(snapshot(seq, T0, {}, pending));
  return log;
}

describe("EventLog", () => {
  it("gives every event once, whichever copy comes first", () => {
    const log = opened();
    expect(accepted(give(log, event(1, T0), false))).toEqual([1]);
    expect(give(log, event(1, T0), true)).toEqual([]);
    expect(give(log, event(1, T0), false)).toEqual([]);
    expect(accepted(give(log, event(2, T0), true))).toEqual([2]);
    expect(log.contiguous).toBe(2);
  });

  it("holds live events back until the snapshot, then drops what it covers", () => {
    const log = new EventLog();
    expect(give(log, event(5, T0), false)).toEqual([]);
    expect(give(log, event(6, T0), true)).toEqual([]);
    const results = log.open(snapshot(5, T0, {}, [event(4, T0 + 9000)]));
    expect(accepted(results)).toEqual([4, 6]);
  });

  it("gives a pending event once, though its live copy comes too", () => {
    const log = new EventLog();
    give(log, event(4, T0 + 9000), false);
    const results = log.open(snapshot(4, T0, {}, [event(4, T0 + 9000)]));
    expect(accepted(results)).toEqual([4]);
    expect(results).toHaveLength(1);
  });

  it("alarms when one seq has two contents", () => {
    const log = opened();
    give(log, event(1, T0, { data: { pocket: 17 } }), false);
    const results = give(log, event(1, T0, { data: { pocket: 18 } }), true);
    expect(results).toMatchObject([{ type: "equivocation", seq: 1 }]);
    expect((results[0] as { first: string }).first).toContain("17");
  });

  it("compares a snapshot's events by content and live ones by bytes", () => {
    const e = event(3, T0 + 9000, { data: { b: 1, a: 2 } });
    const log = opened(3, [e]);
    const other = JSON.stringify({ ...e, data: { a: 2, b: 1 } });
    expect(log.receive(other, e, false)).toEqual([]); // only the order of keys, and no bytes were known
    expect(log.receive(JSON.stringify(e), e, true)).toMatchObject([{ type: "equivocation" }]); // now they were
    const changed = { ...e, ts: T0 + 12000 };
    expect(give(opened(3, [e]), changed)).toMatchObject([{ type: "equivocation", seq: 3 }]);
  });

  it("keeps bytes across sessions of one log", () => {
    const log = opened();
    give(log, event(1, T0 + 3000, { data: 1 }));
    log.begin();
    expect(log.open(snapshot(1, T0, {}, [event(1, T0 + 3000, { data: 2 })]))).toMatchObject([{ type: "equivocation" }]);
    const fresh = log.open({ ...snapshot(1, T0, {}, [event(1, T0 + 3000, { data: 2 })]), log: "00000000000000aa" });
    expect(accepted(fresh)).toEqual([1]); // another log, another event
  });

  it("reports a gap of the ordered channel, but not of what the fast one delivered", () => {
    const log = opened();
    give(log, event(2, T0), false);
    expect(give(log, event(3, T0), true)).toMatchObject([{ type: "gap", from: 1, to: 2 }, { type: "accepted" }]);
    const other = opened();
    give(other, event(1, T0), false);
    give(other, event(2, T0), false);
    expect(accepted(give(other, event(3, T0), true))).toEqual([3]);
  });

  it("cuts the lost tail at a recovered event, once the ordered channel tells", () => {
    const log = opened(10);
    give(log, event(11, T0));
    give(log, event(12, T0));
    const recovered = event(4097, T0, { kind: "recovered", data: { last_durable: 11 } });
    expect(give(log, recovered, false)).toEqual([]);
    expect(give(log, recovered, true)).toMatchObject([{ type: "void", from: 12, to: 4096 }, { type: "accepted" }]);
    expect(give(log, event(13, T0), false)).toEqual([]); // a copy of the lost tail
    expect(accepted(give(log, event(4098, T0)))).toEqual([4098]); // and no gap
  });

  it("says when the relay speaks of another log", () => {
    expect(give(opened(), event(1, T0, { log: "ffffffffffffffff" }))).toMatchObject([{ type: "foreign", seq: 1 }]);
    expect(opened().log).toBe(LOG);
  });

  it("gives each event once for any interleaving of copies", () => {
    for (let seed = 1; seed <= 200; seed++) {
      const random = new Random(seed);
      const cut = random.below(20);
      const last = cut + random.below(20);
      const log = new EventLog();
      // The ordered channel keeps its order; each event has up to three fast copies anywhere.
      type Delivery = { seq: number; reliable: boolean; at: number };
      const deliveries: Delivery[] = [];
      let at = 0;
      for (let seq = cut + 1; seq <= last; seq++) deliveries.push({ seq, reliable: true, at: (at += random.next()) });
      for (let seq = 1; seq <= last; seq++) {
        for (let n = random.below(4); n > 0; n--) deliveries.push({ seq, reliable: false, at: random.next() * (at + 1) });
      }
      deliveries.sort((a, b) => a.at - b.at);
      const open = random.next() * (at + 1);
      const pending = new Set(Array.from({ length: cut }, (_, i) => i + 1).filter(() => random.chance(0.2)));
      const results: LogResult[] = [];
      let isOpen = false;
      const openNow = () => {
        isOpen = true;
        results.push(...log.open(snapshot(cut, T0, {}, [...pending].map((seq) => event(seq, T0 + seq)))));
      };
      for (const d of deliveries) {
        if (!isOpen && d.at >= open) openNow();
        results.push(...give(log, event(d.seq, T0 + d.seq), d.reliable));
      }
      if (!isOpen) openNow();
      const want = [...pending, ...Array.from({ length: last - cut }, (_, i) => cut + 1 + i)];
      expect(accepted(results).sort((a, b) => a - b), `seed ${seed}`).toEqual(want);
      expect(results.every((r) => r.type === "accepted"), `seed ${seed}`).toBe(true);
      expect(log.contiguous).toBe(last);
    }
  });
});
