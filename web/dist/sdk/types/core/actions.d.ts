import type { Json } from "./json.js";
import type { WindowState } from "./windows.js";
import type { Action, Receipt } from "./wire.js";
/** Why an action was not sent, or what became of it is not known. */
export type ActionFault = 
/** The session's snapshot has not come yet. */
"no_snapshot"
/** The picture is still older than the snapshot: nothing seen on it counts. */
 | "not_caught_up"
/** This browser does not tell which frame is on screen (the `clock` route): the relay could not judge it. */
 | "no_frame"
/** No such window at the frame on screen. */
 | "window_unknown"
/** The frame on screen is not within the window. */
 | "window_not_open"
/** More bytes than the window's rules or the protocol allow. */
 | "too_large"
/** An action of this id waits for its receipt, or has one. */
 | "id_in_use"
/** The connection did not come back in time. What became of an action that was sent is not known. */
 | "channel_closed"
/** The relay did not answer in time. What became of the action is not known. */
 | "no_receipt"
/** The player was closed meanwhile. What became of an action that was sent is not known. */
 | "closed";
/** An action that was not sent, or got no receipt. The message says so in words. */
export declare class ActionError extends Error {
    readonly code: ActionFault;
    name: string;
    constructor(code: ActionFault, message: string);
}
/** What the viewer sees at the moment of acting. */
export interface Sight {
    /** Whether a snapshot of this session was taken in. */
    snapshot: boolean;
    /** Whether overlays may be shown: a frame at or after the snapshot is on screen. */
    overlay: boolean;
    /** Canonical timestamp of the frame on screen. */
    presentedTs: number | undefined;
    /** Whether that is the frame's own, not an estimate. */
    named: boolean;
    /** The window at that frame. */
    window: WindowState | undefined;
}
/** An action and its receipt. */
export interface ReceiptRecord {
    action: Action;
    receipt: Receipt;
    /** The receipt byte for byte as it came. */
    text: string;
}
/**
 * The actions of one viewer: those without a receipt, which are sent again in
 * every new session, and the receipts of the others. Time is an argument.
 */
export declare class ActionBook {
    private pending;
    private records;
    /**
     * Makes an action on the frame on screen and waits for its receipt until
     * `deadline`. Returns the message to send. Throws ActionError.
     */
    make(id: string, window: string, data: Json, sight: Sight, deadline: number): string;
    /** The messages that wait for a receipt, oldest first: to be sent again in a new session, as they were. */
    get unanswered(): string[];
    /** Takes a receipt. Undefined if no action waits for it, as with the second of two copies. */
    receive(receipt: Receipt, text: string): ReceiptRecord | undefined;
    /** Gives up what has waited until now, and says why. */
    expire(now: number, open: boolean): {
        id: string;
        error: ActionError;
    }[];
    /** Gives up everything that waits. */
    close(): {
        id: string;
        error: ActionError;
    }[];
    /** The newest receipts, oldest first. */
    get receipts(): ReceiptRecord[];
    /** The receipts as JSON lines, byte for byte as they came. */
    export(): string;
    private drop;
}
