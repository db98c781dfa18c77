import { type Json } from "./json.js";
import type { FramelockEvent } from "./wire.js";
/** How far back the state can be asked for, and late events be put in order. */
export declare const KEEP_TICKS: number;
/**
 * The state shown at frame t: the fold, in seq order, of all events with
 * ts <= t, whatever their order of arrival (protocol, section 4, display rule).
 *
 * It keeps a base and the log of the last ten seconds. Only a prefix of the log
 * in seq order is ever folded into the base, so that a late event always finds
 * its place.
 */
export declare class StateFold {
    private base;
    private baseTS;
    private baseSeq;
    private entries;
    private shown;
    private last;
    /** Starts from a snapshot: `state` is the fold of everything with ts <= stateAt. */
    constructor(state: Json, stateAt: number, seq: number);
    /** The oldest timestamp that can be asked for. */
    get since(): number;
    /** Takes an event, in any order. Every event counts, with a patch or without. */
    add(event: FramelockEvent): void;
    /** Takes from..to out again. False if they are in the base already: a new snapshot is needed. */
    void(from: number, to: number): boolean;
    /** The state at a frame; before `since` it is the state at `since`. The same value while nothing changes. */
    at(ts: number): Json;
    /** The value that was given before, if it says the same: whoever watches the state sees no change. */
    private settled;
    /**
     * Folds what is older than ten seconds before `ts` into the base. Nothing
     * behind a seq that may still come (above `contiguous`), or behind an event
     * whose frame is newer, is touched: order would be lost.
     */
    compact(ts: number, contiguous: number): void;
}
