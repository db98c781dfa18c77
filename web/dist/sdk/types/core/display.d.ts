import { type FramelockEvent } from "./wire.js";
/** A step back of more than this is a new clock, not an old frame. */
export declare const NEW_LINE_TICKS: number;
/** An event on its frame. */
export interface Firing {
    event: FramelockEvent;
    /** Canonical timestamp of the frame on screen; 0 if none was ever presented. */
    presentedTs: number;
    /** Frames from the event's own frame to the one on screen; 0 is exact. */
    frames: number;
    /** The event's own frame was never presented; the first later one stands in for it. */
    skipped: boolean;
    /** The event came after the frame it should have fired on. */
    late: boolean;
    /** If late, how many frames after its own were presented before it fired; 0 if its frame is still on screen. */
    lateFrames: number;
    /** The page presents nothing now: fired by the clock, to be heard but not painted. */
    hidden: boolean;
}
/** What to do with a frame. */
export interface Presentation {
    /** False for a frame that is not newer than the one on screen: nothing rewinds. */
    fresh: boolean;
    /** Whether anything may be painted over it: false until a frame at or after the snapshot. */
    overlay: boolean;
    /** Events that fire on it, in seq order, all in this one paint. */
    fired: Firing[];
    /** Frames of the stream that were left out before it. */
    skipped: number;
}
/**
 * The display rule (protocol, section 4), the same on every client: an event
 * fires once, when the first frame with ts >= event.ts is presented. Frames wait
 * for events and events wait for frames, in one ring each.
 */
export declare class Display {
    private armedAt;
    private since;
    private log;
    private waiting;
    private ring;
    private fired;
    private newest;
    private heard;
    private readonly pace;
    /** The newest frame on screen, undefined before the first. */
    get presentedTs(): number | undefined;
    /** Whether the session's snapshot has come. */
    get armed(): boolean;
    /** Ticks between two frames, as measured. */
    get frameInterval(): number;
    /** Whether something may be painted over the frame on screen. */
    get overlay(): boolean;
    /** How many events wait for their frame. */
    get waitingCount(): number;
    /**
     * Nothing fires and nothing is overlaid until the next snapshot: a new session
     * begins. If it takes over from one that was followed to its last frame, what was
     * still to fire is not lost: what waits stays for the next snapshot of the log.
     */
    disarm(takesOver?: boolean): void;
    /** A snapshot cut at stateAt: what is not newer never fires, unless it was due in the session before. */
    arm(log: string, stateAt: number): void;
    /** Takes an event of the log, in any order. Returns its firing if its frame has passed. */
    add(event: FramelockEvent): Firing[];
    /** Takes a presented frame. */
    present(ts: number): Presentation;
    /** The page is hidden and its clock says ts: events fire unseen, so that no burst waits for the return. */
    advance(ts: number): Firing[];
    /** From..to never happened: what of it still waits will not fire. */
    void(from: number, to: number): void;
    private due;
    private fire;
    /** Drops what lies further back than the rings keep. */
    private forget;
    /** The line stepped back: everything about the old one is void. */
    private restart;
}
