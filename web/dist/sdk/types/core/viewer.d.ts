import { Display, type Firing } from "./display.js";
import type { Json } from "./json.js";
import { RelayClock } from "./relayclock.js";
import { WindowBook, type WindowState } from "./windows.js";
import { type ChannelName, type FramelockEvent, type PresentedReport, type Receipt, type Snapshot } from "./wire.js";
/** Something that must not happen: an integrator shows it, a regulator asks about it. */
export type Alarm = {
    code: "equivocation";
    seq: number;
    first: string;
    second: string;
} | {
    code: "gap";
    from: number;
    to: number;
} | {
    code: "foreign";
    log: string;
    seq: number;
} | {
    code: "unsupported";
    kind: string;
    seq: number;
} | {
    code: "malformed";
    reason: string;
};
/** What the viewer core wants to be done or told, in this order. */
export type Output = {
    type: "snapshot";
    snapshot: Snapshot;
} | {
    type: "received";
    event: FramelockEvent;
    channel: ChannelName;
} | {
    type: "fire";
    firing: Firing;
} | {
    type: "state";
    state: Json;
    ts: number;
} | {
    type: "notice";
    code: string;
    text: string;
} | {
    type: "alarm";
    alarm: Alarm;
} | {
    type: "void";
    from: number;
    to: number;
} | {
    type: "clock";
}
/** A window is in another phase at the frame on screen. */
 | {
    type: "window";
    window: WindowState;
}
/** What became of an action; `text` is the message itself. */
 | {
    type: "receipt";
    receipt: Receipt;
    text: string;
}
/** The log can no longer be followed: only a fresh snapshot helps. */
 | {
    type: "resync";
    reason: string;
};
/** What to do with a frame, and what follows from it. */
export interface FrameResult {
    /** Canonical timestamp; undefined while the relay has named none to extend from. */
    ts: number | undefined;
    /** False: it is not newer than the one on screen, do not draw it. */
    fresh: boolean;
    /** Whether anything may be painted over it. */
    overlay: boolean;
    /** Frames left out before it. */
    skipped: number;
    outputs: Output[];
}
/**
 * The whole viewer without a browser: messages and frames in, outputs back. Time
 * is an argument (local milliseconds, monotonic); one owner calls everything.
 */
export declare class ViewerCore {
    readonly clock: RelayClock;
    readonly display: Display;
    readonly windows: WindowBook;
    private readonly log;
    private readonly parts;
    private fold;
    private current;
    private currentTs;
    private early;
    private lag;
    private report;
    private skipped;
    /** The state at the frame on screen, undefined until a frame at or after the first snapshot. */
    get state(): Json | undefined;
    /** The name of the log, undefined before the first snapshot. */
    get logName(): string | undefined;
    /** The newest seq up to which everything of the log has come. */
    get contiguous(): number;
    /**
     * A new session begins: no overlay, no event until its snapshot. What is on screen
     * stays. `takesOver`: its snapshot is here, and the session before was followed until now.
     */
    begin(takesOver?: boolean): void;
    /** Takes a data-channel message. A malformed one is an alarm, never an exception. */
    receive(text: string, channel: ChannelName, now: number): Output[];
    /** Takes a frame as it is presented, by the RTP timestamp that names it on the wire. */
    present(rtp: number, now: number): FrameResult;
    /** Takes a frame whose timestamp the browser does not tell: the clock's estimate stands in. */
    presentByClock(now: number): FrameResult;
    private presentTs;
    /** The page presents nothing: state and sound go on by the clock. */
    advance(now: number): Output[];
    /** The page presents again, beginning with this picture: what lies before it has passed unseen. */
    resume(rtp: number, now: number): Output[];
    private pass;
    /** The timestamp that should be on screen now by the clock, for pages that present nothing or cannot tell. */
    estimate(now: number): number | undefined;
    /** What this viewer saw since the last call, undefined if no event fired. To be sent at most once a second. */
    takeReport(): PresentedReport | undefined;
    private take;
    private takePart;
    private tellTime;
    /** Frames that were presented before the relay named a timestamp get their names now. */
    private nameEarly;
    private results;
    private fired;
    /** Tells what is to be seen at the frame ts: windows, then the state. */
    private show;
    private showState;
    private measureLag;
}
