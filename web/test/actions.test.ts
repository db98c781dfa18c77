import { describe, expect, it } from "vitest";
import { ActionBook, ActionError, type Sight } from "../src/core/actions.js";
import type { Receipt } from "../src/core/wire.js";
import type { WindowState } from "../src/core/windows.js";
import { FRAME, T0 } from "./fixtures.js";

const open: WindowState = {
  window: "w", phase: "open", openTs: T0, endTs: T0 + 100 * FRAME, result: undefined,
  rules: { closes_ts: T0 + 100 * FRAME, grace_ms: 0, max_per_viewer: 1, max_bytes: 64, max_actions: 9, max_age_ms: 2000 },
};
const sight: Sight = { snapshot: true, overlay: true, presentedTs: T0 + FRAME, named: true, window: open };

function receipt(id: string, more: Partial<Receipt> = {}): Receipt {
  return { type: "receipt", v: 1, id, window: "w", verdict: "accepted", order: 7, seen: T0 + FRAME, ...more };
}

function fault(act: () => unknown): string {
  try {
    act();
  } catch (e) {
    if (e instanceof ActionError) return e.code;
    throw e;
  }
  return "sent";
}

describe("ActionBook", () => {
  it("sends what the viewer saw", () => {
    const text = new ActionBook().make("a", "w", { pocket: 17 }, sight, 1000);
    expect(JSON.parse(text)).toEqual({ type: "action", id: "a", window: "w", seen: { track: "v0", ts: T0 + FRAME }, data: { pocket: 17 } });
  });

  it.each<[string, Partial<Sight>, unknown]>([
    ["no_snapshot", { snapshot: false }, 1],
    ["not_caught_up", { overlay: false }, 1],
    ["not_caught_up", { presentedTs: undefined }, 1],
    ["no_frame", { named: false }, 1],
    ["window_unknown", { window: undefined }, 1],
    ["window_not_open", { window: { ...open, phase: "closing" } }, 1],
    ["window_not_open", { window: { ...open, phase: "closed" } }, 1],
    ["window_not_open", { window: { ...open, phase: "void" } }, 1],
    ["too_large", {}, "é".repeat(32)],
    ["too_large", { window: { ...open, rules: { ...open.rules, max_bytes: 0 } } }, "x".repeat(4096)],
    ["sent", {}, "é".repeat(31)],
  ])("says %s early", (want, change, data) => {
    expect(fault(() => new ActionBook().make("a", "w", data as never, { ...sight, ...change }, 0))).toBe(want);
  });

  it("sends the very same again until the receipt is there, and takes it once", () => {
    const book = new ActionBook();
    const texts = ["a", "b"].map((id) => book.make(id, "w", id, sight, 1000));
    expect(book.unanswered).toEqual(texts);
    expect(fault(() => book.make("a", "w", 2, sight, 0))).toBe("id_in_use");
    const text = JSON.stringify(receipt("a"));
    expect(book.receive(receipt("a", { window: "other" }), text)).toBeUndefined();
    expect(book.receive(receipt("a"), text)).toMatchObject({ action: { id: "a" }, receipt: { order: 7 } });
    expect(book.receive(receipt("a"), text)).toBeUndefined();
    expect(book.unanswered).toEqual(texts.slice(1));
    expect(fault(() => book.make("a", "w", 2, sight, 0))).toBe("id_in_use");
    expect(book.export()).toBe(`${text}\n`);
  });

  it("lets an action that was not judged be tried again", () => {
    const book = new ActionBook();
    book.make("a", "w", 1, sight, 0);
    const { order: _, ...refusal } = receipt("a", { verdict: "rejected", reason: "overloaded" });
    expect(book.receive(refusal, "")).toMatchObject({ receipt: { reason: "overloaded" } });
    expect(book.receipts).toEqual([]);
    expect(fault(() => book.make("a", "w", 1, sight, 0))).toBe("sent");
  });

  it("gives up at the deadline, and says what is known", () => {
    const book = new ActionBook();
    book.make("a", "w", 1, sight, 1000);
    book.make("b", "w", 1, sight, 2000);
    expect(book.expire(999, true)).toEqual([]);
    expect(book.expire(1000, false).map((e) => [e.id, e.error.code])).toEqual([["a", "channel_closed"]]);
    expect(book.expire(2000, true).map((e) => [e.id, e.error.code])).toEqual([["b", "no_receipt"]]);
    book.make("c", "w", 1, sight, 9000);
    expect(book.close().map((e) => [e.id, e.error.code])).toEqual([["c", "closed"]]);
    expect(book.unanswered).toEqual([]);
  });

  it("keeps the newest 256 receipts", () => {
    const book = new ActionBook();
    for (let n = 0; n < 300; n++) {
      book.make(`a${n}`, "w", n, sight, 0);
      book.receive(receipt(`a${n}`), JSON.stringify(receipt(`a${n}`)));
    }
    expect([book.receipts.length, book.receipts[0]?.receipt.id]).toEqual([256, "a44"]);
    expect(book.export().trim().split("\n").map((l) => (JSON.parse(l) as Receipt).id).at(-1)).toBe("a299");
  });
});
