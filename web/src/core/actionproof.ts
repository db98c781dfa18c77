import type { ReceiptRecord } from "./actions.js";
import { concat, fromBase64, fromHex, toHex, utf8 } from "./encoding.js";
import { isObject, type Json } from "./json.js";
import { leafHash, rootFromProof, type Sha256 } from "./merkle.js";
import type { Verification } from "./verifier.js";
import type { WindowState } from "./windows.js";

/** What is checked of an action, in this order. */
export type ProofStep =
  /** The relay gives the same receipt again, and its record of the action says the same. */
  | "receipt"
  /** The record's commitment is to the very data that was sent. */
  | "commitment"
  /** The record is among the accepted actions of its window: its proof leads to their root. */
  | "inclusion"
  /** That root, and the count, are in the window's closing record as it came here. */
  | "close"
  /** The closing record is part of the log that the relay signed. */
  | "checkpoint";

/** One thing that was checked. */
export interface ProofResult {
  step: ProofStep;
  /** `unknown` where something that it takes is not there yet, or cannot be had here. */
  result: "right" | "wrong" | "unknown";
  /** In words. */
  text: string;
}

/** What an action's proof is checked against. */
export interface ProofGrounds {
  /** What was sent and received here. */
  record: ReceiptRecord;
  /** The relay's answer of `GET …/windows/{window}/receipts/{id}`. */
  answer: Json;
  /** The window as it came here; undefined if it did not. */
  window: WindowState | undefined;
  verification: Verification | undefined;
}

/**
 * Checks that an action was recorded as its receipt says, from what this viewer has
 * itself. Of a rejected one only the first two steps can be checked: no tree has it.
 */
export async function proveAction(sha256: Sha256, grounds: ProofGrounds): Promise<ProofResult[]> {
  const { record, answer } = grounds;
  const told = isObject(answer) ? answer : {};
  const line = isObject(told.action) ? told.action : {};
  const results = [receiptStep(record, told.receipt, line), await commitmentStep(sha256, record, line)];
  if (record.receipt.verdict === "accepted") {
    const proof = isObject(told.proof) ? told.proof : undefined;
    results.push(await inclusionStep(sha256, line, proof), closeStep(grounds.window, proof));
    results.push(checkpointStep(grounds.window, grounds.verification));
  }
  return results;
}

function receiptStep(record: ReceiptRecord, told: Json | undefined, line: { [key: string]: Json }): ProofResult {
  const { receipt, text } = record;
  const same = JSON.stringify(told) === JSON.stringify(JSON.parse(text));
  if (!same) return { step: "receipt", result: "wrong", text: "the relay shows another receipt now than it gave" };
  for (const field of ["id", "window", "verdict", "reason", "order", "seen", "received_at", "commitment"] as const) {
    if (line[field] !== receipt[field]) {
      return { step: "receipt", result: "wrong", text: `the relay's record says ${field} ${JSON.stringify(line[field])}, the receipt ${JSON.stringify(receipt[field])}` };
    }
  }
  return { step: "receipt", result: "right", text: `recorded as action number ${receipt.order}, ${receipt.verdict}${receipt.reason ? `: ${receipt.reason}` : ""}` };
}

async function commitmentStep(sha256: Sha256, { action, receipt }: ReceiptRecord, line: { [key: string]: Json }): Promise<ProofResult> {
  const salt = fromBase64(receipt.salt ?? "");
  const commitment = salt && toHex(await sha256(concat(salt, utf8(JSON.stringify(action.data)))));
  const right = commitment !== undefined && commitment === line.commitment;
  return right
    ? { step: "commitment", result: "right", text: "the record is about the very data that was sent" }
    : { step: "commitment", result: "wrong", text: "the record is about other data than was sent" };
}

async function inclusionStep(sha256: Sha256, line: { [key: string]: Json }, proof: { [key: string]: Json } | undefined): Promise<ProofResult> {
  if (!proof) return { step: "inclusion", result: "unknown", text: "the window is not closed yet: try again in a moment" };
  const hashes = Array.isArray(proof.hashes) ? proof.hashes.map((h) => fromHex(String(h)) ?? new Uint8Array(0)) : [];
  const { index, size } = proof;
  // The line has neither escapes nor exponents, so its one JSON form is what the relay hashed.
  const leaf = await leafHash(sha256, utf8(JSON.stringify(line)));
  const root = typeof index === "number" && typeof size === "number" ? await rootFromProof(sha256, leaf, { index, size, hashes }) : undefined;
  return root && toHex(root) === proof.root
    ? { step: "inclusion", result: "right", text: `it is number ${Number(index) + 1} of the ${size} accepted actions` }
    : { step: "inclusion", result: "wrong", text: "it is not among the accepted actions: the proof does not lead to their root" };
}

function closeStep(window: WindowState | undefined, proof: { [key: string]: Json } | undefined): ProofResult {
  if (!proof) return { step: "close", result: "unknown", text: "there is no closing record yet" };
  if (!window?.result) return { step: "close", result: "unknown", text: "this viewer did not receive the window's closing record" };
  const { root, accepted, seq } = window.result;
  return root === proof.root && accepted === proof.size
    ? { step: "close", result: "right", text: `event ${seq}, which closed the window, has the same root and count` }
    : { step: "close", result: "wrong", text: `event ${seq}, which closed the window, has another root or count` };
}

function checkpointStep(window: WindowState | undefined, verification: Verification | undefined): ProofResult {
  if (!verification) return { step: "checkpoint", result: "unknown", text: "verification is switched off on this page" };
  if (verification.state === "alarm") return { step: "checkpoint", result: "wrong", text: verification.reason };
  const { checkpoint } = verification;
  const seq = window?.result?.seq;
  if (!checkpoint || seq === undefined) return { step: "checkpoint", result: "unknown", text: verification.reason };
  if (checkpoint.seq < seq) return { step: "checkpoint", result: "unknown", text: "the relay has not signed that event yet: try again in a moment" };
  if (verification.state !== "verified") return { step: "checkpoint", result: "unknown", text: verification.reason };
  return { step: "checkpoint", result: "right", text: `signed by the relay: a checkpoint of ${checkpoint.size} events covers it, and is right` };
}
