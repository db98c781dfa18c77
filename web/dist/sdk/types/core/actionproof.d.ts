import type { ReceiptRecord } from "./actions.js";
import { type Json } from "./json.js";
import { type Sha256 } from "./merkle.js";
import type { Verification } from "./verifier.js";
import type { WindowState } from "./windows.js";
/** What is checked of an action, in this order. */
export type ProofStep = 
/** The relay gives the same receipt again, and its record of the action says the same. */
"receipt"
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
export declare function proveAction(sha256: Sha256, grounds: ProofGrounds): Promise<ProofResult[]>;
