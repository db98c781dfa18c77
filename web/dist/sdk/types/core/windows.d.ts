import { type Json } from "./json.js";
import type { FramelockEvent, Snapshot } from "./wire.js";
/**
 * - `open`: an action that saw this frame may be accepted.
 * - `closing`: from the close frame on; the relay may still take actions that saw an earlier one.
 * - `closed`: a sequenced record says what was accepted.
 * - `void`: taken back by the game.
 */
export type WindowPhase = "open" | "closing" | "closed" | "void";
/** The rules of a window. Times are in milliseconds; a number that is 0 or missing is not known here. */
export interface WindowRules {
    /** Canonical timestamp of the frame at which the relay closes it by itself; 0 if it does not. */
    closes_ts: number;
    grace_ms: number;
    max_per_viewer: number;
    max_bytes: number;
    max_actions: number;
    max_age_ms: number;
}
/** A window as it stands at a frame. */
export interface WindowState {
    window: string;
    phase: WindowPhase;
    /** Canonical timestamp of the first frame that is in it. */
    openTs: number;
    /** Canonical timestamp of the first frame that is no longer in it; undefined while nobody has said. */
    endTs: number | undefined;
    rules: WindowRules;
    /** What the window's closing record says: counts, and the root over the accepted actions. */
    result: WindowResult | undefined;
}
/** What a `window.close` says. */
export interface WindowResult {
    /** The closing record's place in the log. */
    seq: number;
    accepted: number;
    rejected: number;
    /** Merkle root (RFC 6962) over the accepted actions in order, in hexadecimal. */
    root: string;
}
/**
 * The windows of a stream, from snapshots and events in any order. It keeps the
 * facts with their frames; which phase they amount to is asked for a frame, so
 * that phases change in the paint of their frame like everything else.
 */
export declare class WindowBook {
    private entries;
    /** Takes a snapshot: what it does not list and was not closed has been closed meanwhile, unseen from here. */
    begin(snapshot: Snapshot, sameLog: boolean): void;
    /**
     * Takes an event; one that is not about a window changes nothing. How a window ends
     * may be told before that it opened. A name may be used again once its window has ended.
     */
    apply(event: FramelockEvent): void;
    /** Events from..to never happened. */
    void(from: number, to: number): void;
    /** A window at the frame ts; undefined if it is not known, or its first frame is yet to come. */
    at(window: string, ts: number): WindowState | undefined;
    /** All windows at the frame ts, in order of opening. */
    all(ts: number): WindowState[];
    /** The windows whose phase is another one at the frame ts than when they were last told. */
    changes(ts: number): WindowState[];
    private forget;
}
/** Reads a window's rules, from a `window.open` or a snapshot. */
export declare function rulesOf(data: {
    [key: string]: Json;
}): WindowRules;
