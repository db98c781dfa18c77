import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { BAR_WIDTH, crc8, decodeCells, decodeRow } from "../demo/barcode.js";
import { outcomeOf, pocketColour } from "../demo/outcome.js";
import { shareLeft } from "../demo/betlayer.js";
import { Bets, receiptInWords } from "../demo/bets.js";
import { alarmInWords, offlineCommand, trustInWords } from "../demo/trust.js";
import { NOTHING_VERIFIED } from "../src/core/verifier.js";
import { judge, Tally } from "../demo/verdict.js";
import { event, T0 } from "./fixtures.js";

/** The cells of a number, written out by hand from the bar's description. */
function cells(number: number, crc: number): boolean[] {
  const text = `101${number.toString(2).padStart(24, "0")}${crc.toString(2).padStart(8, "0")}10100`;
  return [...text].map((c) => c === "1");
}

describe("bar code", () => {
  // CRC-8 with polynomial 0x07: the catalogue's check value for "123456789" is 0xF4.
  it("has the CRC of the catalogue", () => {
    expect(crc8([...new TextEncoder().encode("123456789")])).toBe(0xf4);
  });

  it.each([[0, 0x00], [1, 0x07], [0xffffff, crc8([255, 255, 255])], [48213, crc8([0, 0xbc, 0x55])]])("reads %i", (number, crc) => {
    expect(decodeCells(cells(number, crc))).toBe(number);
  });

  it("takes no damaged bar for a number", () => {
    const good = cells(48213, crc8([0, 0xbc, 0x55]));
    for (let i = 0; i < 38; i++) {
      const bad = [...good];
      bad[i] = !bad[i];
      expect(decodeCells(bad), `cell ${i}`).toBeUndefined();
    }
  });

  it("reads blurred pixels by their middle", () => {
    const want = cells(70000, crc8([1, 0x11, 0x70]));
    const row = new Uint8ClampedArray(BAR_WIDTH * 4);
    for (let x = 0; x < BAR_WIDTH; x++) {
      const edge = x % 16 < 3 || x % 16 > 12;
      row.fill(edge ? 128 : want[x >> 4] ? 240 : 15, x * 4, x * 4 + 4);
    }
    expect(decodeRow(row)).toBe(70000);
    expect(decodeRow(new Uint8ClampedArray(BAR_WIDTH * 4))).toBeUndefined();
  });
});

describe("judge", () => {
  const on = { frames: 0, skipped: false, late: false, lateFrames: 0 };
  const skipped = { ...on, frames: 2, skipped: true };
  it.each([
    ["its own frame", 100, 99, on, "exact"],
    ["no bar", undefined, 99, on, "unreadable"],
    ["a later frame without excuse", 101, 99, on, "wrong"],
    ["an earlier frame", 99, 98, on, "wrong"],
    ["the first later frame", 103, 98, skipped, "skipped"],
    ["the first later frame, by timestamps alone", 102, undefined, skipped, "skipped"],
    ["a second later frame", 103, 101, skipped, "wrong"],
    ["a later frame after its own", 103, 100, skipped, "wrong"],
    ["an earlier frame, said to be skipped", 99, 98, skipped, "wrong"],
    ["a late event", 105, 104, { ...on, frames: 5, late: true, lateFrames: 5 }, "late"],
    ["a late event on its frame", 100, 99, { ...on, late: true }, "exact"],
    ["a late event, not told how late", 101, 100, { ...on, late: true }, "wrong"],
    ["a clip that began anew", 1, 98, skipped, "skipped"],
  ] as const)("%s", (_name, bar, before, firing, want) => expect(judge(bar, 100, before, firing)).toBe(want));

  it("counts, and keeps the worst distance of those that were off", () => {
    const tally = new Tally();
    tally.add("exact", 0);
    tally.add("skipped", 2);
    expect(tally.worst).toBe(0);
    tally.add("wrong", -3);
    tally.add("late", 1);
    expect(tally).toMatchObject({ exact: 1, skipped: 1, wrong: 1, late: 1, worst: 3 });
  });
});

describe("outcomes", () => {
  it("reads one", () => {
    const e = event(4, T0, { kind: "outcome", id: "r1", data: { pocket: 17, frame: 48213 } });
    expect(outcomeOf(e)).toEqual({ seq: 4, id: "r1", ts: T0, pocket: 17, frame: 48213, window: undefined });
    expect(outcomeOf({ ...e, kind: "marker" })).toBeUndefined();
    expect(outcomeOf({ ...e, data: { pocket: 17 } })).toBeUndefined();
  });

  it("has 18 red, 18 black and one green pocket", () => {
    const count = { red: 0, black: 0, green: 0 };
    for (let n = 0; n <= 36; n++) count[pocketColour(n)]++;
    expect(count).toEqual({ red: 18, black: 18, green: 1 });
  });
});

describe("chips", () => {
  const outcome = { seq: 9, id: "o", ts: T0, pocket: 17, frame: 1, window: "w1" };

  it("are won and lost by the outcome of their window, if they were accepted", () => {
    const bets = new Bets();
    const [won, lost, rejected, other] = [[17, "w1"], [18, "w1"], [17, "w1"], [17, "w2"]].map(([n, w], i) => bets.place(`b${i}`, w as string, n as number));
    for (const bet of [won, lost, other]) bet!.state = "accepted";
    rejected!.state = "rejected";
    expect(bets.settle(outcome)).toEqual({ won: 1, lost: 1 });
    expect([won, lost, rejected, other].map((b) => b!.result)).toEqual(["won", "lost", undefined, undefined]);
    expect(bets.settle({ ...outcome, window: undefined })).toBeUndefined();
  });

  it("say in words what became of them", () => {
    const receipt = { type: "receipt", v: 1, id: "b", window: "w1", verdict: "accepted", order: 4, seen: T0 } as const;
    expect(receiptInWords(receipt, 17)).toBe("Chip on 17 accepted, as action 4.");
    const rejected = { ...receipt, verdict: "rejected" as const };
    expect(receiptInWords({ ...rejected, reason: "seen_after_close" }, 17)).toBe("Chip on 17 rejected: on the frame you saw, betting was over.");
    expect(receiptInWords({ ...rejected, reason: "of_later_versions" }, 17)).toContain("of_later_versions");
  });

  it("are taken for as long as the frames say", () => {
    const rules = { closes_ts: 0, grace_ms: 0, max_per_viewer: 1, max_bytes: 1, max_actions: 1, max_age_ms: 1 };
    const window = { window: "w", phase: "open" as const, openTs: T0, endTs: T0 + 1000, rules, result: undefined };
    expect([-10, 0, 250, 1000, 2000].map((n) => shareLeft(window, T0 + n))).toEqual([1, 1, 0.75, 0, 0]);
    expect(shareLeft({ ...window, endTs: undefined }, T0)).toBeUndefined();
  });
});

describe("trust", () => {
  it("says what is known, and what is wrong", () => {
    expect(trustInWords(NOTHING_VERIFIED)).toBe("Log: the relay has not been heard yet.");
    const checkpoint = { size: 40, seq: 41, root: "", note: "" };
    const v = { ...NOTHING_VERIFIED, log: "9f3c", key: "relay/wheel/9f3c+46d5b6e9+Aa8G", keyFrom: "first_use" as const, size: 42, checkpoint };
    expect(trustInWords(v)).toBe("Log 9f3c: 40 events checked against the checkpoint that a key trusted on first use (46d5b6e9) signed, 2 more await the next.");
    expect(alarmInWords({ ...v, alarm: { code: "root", seq: 41, text: "it differs", expected: "aa", actual: "bb" } })).toContain("At event 41: it differs. Signed: aa. Here: bb.");
  });
});

describe("the command lines of an audit", () => {
  it("name what was saved and the key that was trusted", () => {
    expect(offlineCommand("wheel", "relay/wheel/9f3c+46d5b6e9+Aa8G").split("\n")).toEqual([
      "relay transcript export wheel --out wheel.ndjson", "relay transcript verify wheel.ndjson \\",
      "  --key 'relay/wheel/9f3c+46d5b6e9+Aa8G' \\", "  --checkpoint checkpoint.txt --receipt receipts.jsonl",
    ]);
    expect(offlineCommand("wheel", "")).not.toContain("--key");
  });
});

describe("page", () => {
  it("has every element that the script asks for", () => {
    const html = readFileSync(new URL("../demo/index.html", import.meta.url), "utf8");
    const ids = new Set([...html.matchAll(/\bid="([^"]+)"/g)].map((m) => m[1]));
    for (const file of ["demo", "page", "controls", "betpanel", "trust"]) {
      const code = readFileSync(new URL(`../demo/${file}.ts`, import.meta.url), "utf8");
      for (const [, id] of code.matchAll(/\b(?:byId(?:<[^(]*>)?|write)\("([^"]+)"/g)) expect(ids, `${file}.ts: #${id}`).toContain(id);
    }
  });
});
