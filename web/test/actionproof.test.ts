import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { proveAction, type ProofGrounds } from "../src/core/actionproof.js";
import type { Json } from "../src/core/json.js";
import { NOTHING_VERIFIED, type Verification } from "../src/core/verifier.js";
import type { Action, Receipt } from "../src/core/wire.js";
import { T0 } from "./fixtures.js";
import { tools } from "./vectors.js";

const hash = (...parts: (string | Uint8Array)[]) => {
  const h = createHash("sha256");
  for (const p of parts) h.update(p);
  return h.digest();
};

const salt = Buffer.from("000102030405060708090a0b0c0d0e0f", "hex");
const data = { pocket: 17, note: "é <b>" };
const commitment = hash(salt, JSON.stringify(data)).toString("hex");
const action: Action = { type: "action", id: "a1", window: "w1", seen: { track: "v0", ts: T0 }, data };
const receipt: Receipt = {
  type: "receipt", v: 1, id: "a1", window: "w1", verdict: "accepted", order: 9, received_at: "2026-11-22T12:00:00.123456789Z",
  seen: T0, salt: salt.toString("base64"), commitment,
};
// As the relay writes it, byte for byte.
const line = `{"v":1,"type":"action","order":9,"window":"w1","id":"a1","subject":"s-1","session":"v-1","received_at":"2026-11-22T12:00:00.123456789Z","seen":${T0},"sent":[[${T0 - 90000},${T0}]],"superseded":"2026-11-22T12:00:00.1Z","rtt_ms":12.3,"size":27,"commitment":"${commitment}","verdict":"accepted"}`;
const leaf = hash(Uint8Array.of(0), line);
const sibling = hash(Uint8Array.of(0), "another");
const root = hash(Uint8Array.of(1), sibling, leaf).toString("hex");

const answer = {
  receipt: receipt as unknown as Json, action: JSON.parse(line) as Json,
  proof: { index: 1, size: 2, root, hashes: [sibling.toString("hex")] },
};
const verification: Verification = {
  ...NOTHING_VERIFIED, state: "verified", reason: "good", checkpoint: { size: 40, seq: 40, root: "", note: "" },
};

function grounds(change: Partial<ProofGrounds> = {}): ProofGrounds {
  return {
    record: { action, receipt, text: JSON.stringify(receipt) },
    answer,
    window: {
      window: "w1", phase: "closed", openTs: T0, endTs: T0 + 90000, result: { seq: 33, accepted: 2, rejected: 0, root },
      rules: { closes_ts: 0, grace_ms: 0, max_per_viewer: 1, max_bytes: 64, max_actions: 1, max_age_ms: 1 },
    },
    verification,
    ...change,
  };
}

const prove = async (change?: Partial<ProofGrounds>) => Object.fromEntries((await proveAction(tools.sha256, grounds(change))).map((r) => [r.step, r.result]));
const right = { receipt: "right", commitment: "right", inclusion: "right", close: "right", checkpoint: "right" };

describe("proveAction", () => {
  it("finds everything right", async () => expect(await prove()).toEqual(right));

  const window = grounds().window!;
  it.each<[string, Partial<ProofGrounds>, object]>([
    ["another receipt than it gave", { answer: { ...answer, receipt: { ...receipt, order: 8 } as unknown as Json } }, { receipt: "wrong" }],
    ["a record that says otherwise", { answer: { ...answer, action: { ...JSON.parse(line), seen: T0 + 1 } } }, { receipt: "wrong", inclusion: "wrong" }],
    ["a record that was changed elsewhere", { answer: { ...answer, action: { ...JSON.parse(line), rtt_ms: 12.4 } } }, { inclusion: "wrong" }],
    ["other data", { record: { ...grounds().record, action: { ...action, data: { pocket: 18 } } } }, { commitment: "wrong" }],
    ["a proof for another place", { answer: { ...answer, proof: { ...answer.proof, index: 0 } } }, { inclusion: "wrong" }],
    ["no proof yet", { answer: { ...answer, proof: null } }, { inclusion: "unknown", close: "unknown" }],
    ["another root in the closing record", { window: { ...window, result: { ...window.result!, root: "00" } } }, { close: "wrong" }],
    ["another count in the closing record", { window: { ...window, result: { ...window.result!, accepted: 3 } } }, { close: "wrong" }],
    ["no closing record", { window: undefined }, { close: "unknown", checkpoint: "unknown" }],
    ["a checkpoint that is to come", { verification: { ...verification, checkpoint: { ...verification.checkpoint!, seq: 32 } } }, { checkpoint: "unknown" }],
    ["an alarm", { verification: { ...verification, state: "alarm" } }, { checkpoint: "wrong" }],
    ["nothing verified", { verification: NOTHING_VERIFIED }, { checkpoint: "unknown" }],
    ["no verification", { verification: undefined }, { checkpoint: "unknown" }],
  ])("notices %s", async (_name, change, want) => expect(await prove(change)).toEqual({ ...right, ...want }));

  it("survives any answer", async () => {
    for (const nonsense of [null, [], "x", {}, { receipt: 1, action: [], proof: { hashes: ["x"], index: 0, size: 1 } }] as Json[]) {
      expect(await prove({ answer: nonsense })).toMatchObject({ receipt: "wrong", commitment: "wrong" });
    }
  });

  it("checks of a rejected action what there is", async () => {
    const rejected = { ...receipt, verdict: "rejected" as const, reason: "seen_after_close" };
    const record = { ...grounds().record, receipt: rejected, text: JSON.stringify(rejected) };
    const told = { ...JSON.parse(line), verdict: "rejected", reason: "seen_after_close" };
    const change = { record, answer: { receipt: rejected as unknown as Json, action: told, proof: null } };
    expect(await prove(change)).toEqual({ receipt: "right", commitment: "right" });
  });
});
