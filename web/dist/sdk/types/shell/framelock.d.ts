import type { Firing } from "../core/display.js";
import type { ReceiptRecord } from "../core/actions.js";
import type { Json } from "../core/json.js";
import type { Verification } from "../core/verifier.js";
import { ViewerCore, type Alarm } from "../core/viewer.js";
import type { ChannelName, FramelockEvent, PresentedReport, Receipt, Snapshot } from "../core/wire.js";
import type { WindowState } from "../core/windows.js";
import { type ActOptions } from "./acting.js";
import { Emitter } from "./emitter.js";
import type { Route } from "./frames.js";
import { type ProofFrame } from "./proofs.js";
import { type HashCheck, type Pacing, type PictureOptions } from "./pictures.js";
/** A frame on screen, with what belongs on it. */
export interface Frame {
    /** Canonical timestamp (90 kHz); undefined while the relay has named none. */
    ts: number | undefined;
    /** RTP timestamp on the wire; undefined on the `clock` route. */
    rtp: number | undefined;
    /** The picture: a VideoFrame (exact, decoded) or a canvas. Valid until the next frame; not to be closed. */
    image: CanvasImageSource;
    width: number;
    height: number;
    route: Route;
    /** Whether anything may be painted over it (protocol, section 4: not before the snapshot's frame). */
    overlay: boolean;
    /** Events that fire on it, in seq order. */
    fired: Firing[];
    /** The state at this frame, undefined while there is none to show. */
    state: Json | undefined;
    /** Frames of the stream that were left out before it. */
    skipped: number;
    /** Local time (performance.now scale) at which the screen is expected to show it. */
    displayAt: number;
    /** Presented before: painted again because of a late event. */
    again: boolean;
}
/** What a Framelock tells, by name. */
export interface FramelockEvents {
    /** An event on its frame, before that frame's `frame`. `frame` is undefined while the page is hidden. */
    event: Firing & {
        frame: Frame | undefined;
    };
    /** A frame to draw, with everything that belongs on it: one paint. */
    frame: Frame;
    /** The state at the frame on screen has changed. */
    state: {
        state: Json;
        ts: number;
    };
    /** A session's snapshot has come. */
    snapshot: Snapshot;
    /** An event's bytes have come, long before it fires. Never draw on this. */
    received: {
        event: FramelockEvent;
        channel: ChannelName;
        at: number;
    };
    /** Events from..to never happened (the relay lost them before they were durable). */
    void: {
        from: number;
        to: number;
    };
    /**
     * From the relay `paused`, `resumed`, `source_restarted`, `input_switched`, `congested`,
     * `clear`, `draining`, and what later versions add; from here `insecure_context`, `route`.
     */
    notice: {
        code: string;
        text: string;
    };
    /** Something that must not happen. */
    alarm: Alarm | HashAlarm;
    /** A marked frame's coded bytes were compared with its published hash (`checkFrameHashes`). */
    hash: HashCheck;
    /** This viewer's own capture-to-screen latency in ms, about once a second. */
    latency: Latency;
    /** What was told to the relay. */
    presented: PresentedReport;
    /** A window is in another phase at the frame on screen. */
    window: WindowState;
    /** What became of an action of this viewer. */
    receipt: ReceiptRecord;
    /** What this viewer was sent was compared with what the relay signed, or its log went on. */
    verification: Verification;
    /** The frame route turned out to be another one. */
    route: Route;
    /**
     * The session is over: the relay fell silent, a channel was closed, or the page was
     * `suspended`, and what waits to be read is of the past.
     */
    dead: {
        reason: string;
        suspended: boolean;
    };
    /** The log can no longer be followed in this session: take a new one. */
    resync: {
        reason: string;
    };
}
/** A viewer's own latency. */
export interface Latency {
    /** From capture, by the relay's clock, to the screen. */
    ms: number;
    /** Canonical timestamp of the frame that it was measured on. */
    ts: number;
}
/** What a session that is prepared beside the present one tells. */
export interface StandbyHandlers {
    /** It has taken over: the picture on screen is its own, or will be with the next frame. */
    switched(): void;
    /** It is over before it took over. */
    closed(reason: string): void;
}
/** The coded bytes of a marked frame are not those that the relay hashed. */
export interface HashAlarm {
    code: "frame_hash";
    seq: number;
    published: string;
    computed: string;
}
/** Options of `attach`. */
export interface FramelockOptions extends PictureOptions {
    /** Sends `presented` reports (default true). */
    report?: boolean;
    /** Verifies the log against the relay's signed checkpoints, in a worker (default true). */
    verify?: boolean;
    /** The relay's verifier key, `<name>+<hash>+<base64>`; without it the first that a snapshot names is trusted. */
    logKey?: string;
    /** The pictures of so many last outcomes are kept for `proofFrame` (default 4, 0 for none). */
    proofFrames?: number;
}
/**
 * One viewer of one stream: holds events until their frame is presented, and
 * fires them in that very frame. Headless: the integrator draws.
 */
export declare class Framelock {
    readonly events: Emitter<FramelockEvents>;
    private readonly core;
    private readonly heartbeat;
    private readonly attention;
    private readonly proofs;
    private readonly options;
    private pictures;
    private retired;
    private readonly wantReports;
    private readonly verifying;
    private readonly acting;
    /** The verifier key that the page trusts; read at the next `connect`. */
    logKey: string | undefined;
    private timer;
    private link;
    private heir;
    private picture;
    private unseen;
    private tickedAt;
    private last;
    private pings;
    private pingedAt;
    private reportedAt;
    private latencyAt;
    private warned;
    constructor(video: HTMLVideoElement, options?: FramelockOptions);
    /** The element that plays the present connection. */
    get video(): HTMLVideoElement;
    /** The state at the frame on screen; undefined before the snapshot's frame. */
    get state(): Json | undefined;
    /** How local time, the relay's time and the stream's timestamps relate. */
    get clock(): ViewerCore["clock"];
    /** How exactly pictures and timestamps are tied together in this browser. */
    get route(): Route;
    /**
     * Whether the pictures of a connection, the present one or the one that is prepared,
     * come another way than by its element, which then has to play the sound alone.
     */
    bypasses(pc: RTCPeerConnection): boolean;
    /** This viewer's latency as it was measured last; undefined before the first second. */
    get latency(): Latency | undefined;
    /** The picture on which an outcome fired, one of the last few (`proofFrames`). */
    proofFrame(seq: number): ProofFrame | undefined;
    /** The connection that it follows, for statistics; undefined between two. */
    get connection(): RTCPeerConnection | undefined;
    /** How pictures are held back for jitter and sound; undefined where the browser does it. */
    get pacing(): Pacing | undefined;
    /** Canonical timestamp of the frame on screen. */
    get presentedTs(): number | undefined;
    /** The windows at the frame on screen, in order of opening; none before it may carry an overlay. */
    get windows(): WindowState[];
    /** A window at the frame on screen; undefined before it may carry an overlay, or if there is none. */
    window(name: string): WindowState | undefined;
    /**
     * How much of a window is left, in ms, by the frame on screen: it never runs
     * apart from the picture. While no frames come the relay's clock stands in.
     * Undefined for a window that nobody has set an end for.
     */
    remainingMs(window: WindowState): number | undefined;
    /**
     * Acts in a window, on the frame that is on screen now. Resolves with the
     * relay's receipt, accepted or rejected; the same action is sent again after a
     * reconnect until it is there. Rejects with an ActionError if it cannot be sent
     * or was not answered in time.
     */
    act(window: string, data: Json, options?: ActOptions): Promise<Receipt>;
    /** The newest receipts, oldest first. */
    get receipts(): ReceiptRecord[];
    /** The receipts as JSON lines, byte for byte as they came: for an auditor, `relay transcript verify`. */
    exportReceipts(): string;
    /** Where the verification of the log stands; undefined if it is switched off. */
    get verification(): Verification | undefined;
    /**
     * Creates the negotiated channels on a connection, before its offer is made,
     * and follows it from now on. What is on screen stays until its first frame.
     */
    connect(pc: RTCPeerConnection): void;
    /**
     * Creates the channels on a second connection, before its offer is made, to play
     * on an element of its own beside the present one. It takes over by itself,
     * with its first picture that is the one on screen or a newer one, once its
     * snapshot is there: nothing rewinds, is lost or fires twice. Until then nothing
     * of it is told. Only one is prepared at a time.
     */
    prepare(pc: RTCPeerConnection, video: HTMLVideoElement, handlers: StandbyHandlers): void;
    /** The connection that is prepared takes over now, whatever it has: the present one is dead. */
    promote(): void;
    /** Lets go of the connection that is prepared. */
    abandon(): void;
    /** Lets go of the connection; the picture stays. */
    disconnect(): void;
    /** Lets go of the connection, the picture and all timers. `connect` starts anew. */
    close(): void;
    /** The page was suspended and is back: what it missed is not shown any more, the session is over. */
    suspended(): void;
    private picturesOf;
    private begin;
    private heard;
    private linkClosed;
    /** A picture of another session than the one on screen. */
    private offered;
    /** The heir is the session that is followed from now on. */
    private change;
    /** The pictures before these; theirs stays on screen until another one is there. */
    private retire;
    private wakeUp;
    /** Whether the page has been running. If it has not, the session is over. */
    private awake;
    /** The page is hidden, or is seen again: what has passed meanwhile fires before the first picture, unseen. */
    private readonly seen;
    /** Nobody has seen what has passed until now, nor what still does up to the next picture. */
    private passUnseen;
    private present;
    /** Tells what follows from a frame, then the frame itself: all within one paint. */
    private paint;
    /** Tells what follows from a message; a late event paints the frame on screen again. */
    private apply;
    private tell;
    private received;
    private checked;
    private tick;
    /** A hidden page is given no pictures, and need not wait for one. */
    private takeOverUnseen;
    private ping;
    private sendReport;
    private send;
    private sendText;
    private tellLatency;
    private die;
    private rerouted;
    private sayInsecure;
}
/**
 * Binds an integrator's own connection and video element to a stream's events.
 * To be called before the connection's offer is made. The integrator draws
 * `events.on("frame", …)` on a canvas, or shows `events.on("event", …)` its own way.
 */
export declare function attach(pc: RTCPeerConnection, video: HTMLVideoElement, options?: FramelockOptions): Framelock;
