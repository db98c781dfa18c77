import { type Json } from "./json.js";
import { type WindowRules } from "./windows.js";
/** The version of the protocol that this client speaks. */
export declare const PROTOCOL = 1;
/** The pre-negotiated data channels (protocol, section 4). */
export declare const CHANNELS: {
    readonly events: {
        readonly id: 0;
        readonly label: "framelock.events.1";
        readonly ordered: true;
    };
    readonly actions: {
        readonly id: 2;
        readonly label: "framelock.actions.1";
        readonly ordered: true;
    };
    readonly fast: {
        readonly id: 4;
        readonly label: "framelock.fast.1";
        readonly ordered: false;
        readonly maxRetransmits: 0;
    };
};
/** Which channel a message came on. */
export type ChannelName = keyof typeof CHANNELS;
/** The kinds of event that protocol 1 knows. */
export declare const KINDS: Set<string>;
/** Kinds that are about the log itself and never fire on a screen. */
export declare const SILENT_KINDS: Set<string>;
/** One entry of a stream's log, bound to the video frame that shows it. */
export interface FramelockEvent {
    v: number;
    type: "event";
    log: string;
    stream: string;
    track: string;
    epoch: number;
    /** Position in the log; the order in which patches apply. */
    seq: number;
    kind: string;
    /** The publisher's own name for it. */
    id: string;
    /** Canonical timestamp (90 kHz) of the frame. */
    ts: number;
    /** Count of frames on the track; informational. */
    frame?: number;
    /** RFC 3339, UTC. */
    capture_time: string;
    error_ms: number;
    late_ms: number;
    by: string;
    data?: Json;
    window?: string;
    /** RFC 7396 merge patch of the stream's state. */
    patch?: Json;
    /** A client that does not know the kind must say so instead of guessing. */
    required?: boolean;
}
/** Where the canonical line stands: the instant `ts` was captured, and when the relay said so. */
export interface ClockMessage {
    ts: number;
    /** Milliseconds since the Unix epoch, on the studio's clock. */
    captureMs: number;
    /** Milliseconds since the Unix epoch, on the relay's clock. */
    serverMs: number;
    /** The delay line's length; part of every latency. */
    holdMs: number;
    /** Bound on captureMs. */
    errorMs: number;
    /** Timestamp on the audio line (48 kHz) of what was captured at the same instant; undefined without sound. */
    audioTs?: number | undefined;
}
/** One media track of the stream. */
export interface TrackInfo {
    track: string;
    kind: string;
    codec: string;
    mid: string;
    rate: number;
    /** BCP 47; relays name none yet. */
    language?: string;
}
/** A window that is not closed yet, as a snapshot has it. */
export interface SnapshotWindow {
    window: string;
    openTs: number;
    /** Known once it is closing. */
    closeTs: number | undefined;
    rules: WindowRules;
}
/** Where the log's tree stands at a snapshot (protocol, section 9). */
export interface LogHead {
    /** Leaves up to the snapshot's seq. */
    size: number;
    /** Roots of the complete subtrees, the largest first, in hexadecimal. */
    frontier: string[];
    /** The relay's verifier key (C2SP signed-note). */
    key: string;
    /** The newest signed checkpoint of that key, which may cover less; empty if there is none yet. */
    note: string;
    /** Prove the notices of all keys after the log's first, oldest first, each signed by the key before. */
    handovers: EventProof[];
}
/** Shows to whoever has the log's key that an event is in it. */
export interface EventProof {
    /** Its exact bytes, which are JSON. */
    event: string;
    /** Its place among the log's events, from 0. */
    index: number;
    /** Events in the tree. */
    size: number;
    /** The siblings that lead to the root, lowest first, in hexadecimal. */
    hashes: string[];
    /** The signed checkpoint over that tree. */
    note: string;
}
/** What a joining viewer starts from. */
export interface Snapshot {
    stream: string;
    log: string;
    seq: number;
    epoch: number;
    /** Canonical timestamp of the newest frame sent at the cut; 0 if none yet. */
    stateAt: number;
    /** The fold of all events with ts <= stateAt. */
    state: Json;
    /** Events with ts > stateAt, in seq order. */
    pending: FramelockEvent[];
    /** The newest outcomes with ts <= stateAt, oldest first, for display only. */
    recent: FramelockEvent[];
    windows: SnapshotWindow[];
    /** Undefined if the relay keeps no transcript. */
    logHead: LogHead | undefined;
    paused: boolean;
    clock: ClockMessage | undefined;
    tracks: TrackInfo[];
}
/** A message from the relay, decoded. */
export type Message = {
    type: "part";
    part: number;
    parts: number;
    body: string;
} | {
    type: "event";
    event: FramelockEvent;
} | {
    type: "notice";
    code: string;
    text: string;
} | {
    type: "clock";
    clock: ClockMessage;
} | {
    type: "pong";
    id: number;
    serverMs: number;
} | {
    type: "receipt";
    receipt: Receipt;
}
/** `handover` proves the notice of the note's key, if the key before signed the checkpoint before. */
 | {
    type: "checkpoint";
    size: number;
    seq: number;
    note: string;
    handover: EventProof | undefined;
} | {
    type: "unknown";
    name: string;
};
/** A message that is not what the protocol says. The message names the field. */
export declare class WireError extends Error {
    name: string;
}
/** Checks the fields of an event that the client relies on; unknown fields stay as they are. */
export declare function decodeEvent(value: Json): FramelockEvent;
/** Decodes an assembled snapshot. Throws WireError where it is not one, or of another protocol. */
export declare function decodeSnapshot(body: string): Snapshot;
/** Decodes one data-channel message. Throws WireError for a malformed one. */
export declare function decodeMessage(body: string): Message;
/** `presented`, viewer to relay (protocol, section 4): what this viewer really saw. */
export interface PresentedReport {
    type: "presented";
    seq: number;
    ts: number;
    frame_error: number;
    skipped: number;
    latency_ms: number;
}
/** `action`, viewer to relay (protocol, section 6). */
export interface Action {
    type: "action";
    /** The viewer's own name for it; the same id again gets the same receipt. */
    id: string;
    window: string;
    /** The frame that the viewer saw when it acted. */
    seen: {
        track: string;
        ts: number;
    };
    data: Json;
}
/** `receipt`, relay to viewer: what became of an action. */
export interface Receipt {
    type: "receipt";
    v: number;
    id: string;
    window: string;
    verdict: "accepted" | "rejected";
    /** Why it was rejected. */
    reason?: string;
    /** Its place among all judged actions; missing if it was refused without being judged, which may be tried again. */
    order?: number;
    /** When the relay received it: RFC 3339, UTC. */
    received_at?: string;
    /** Base64 of 16 random bytes: with them `commitment` can be checked. */
    salt?: string;
    /** Canonical timestamp of the frame that the action saw; missing like `order`. */
    seen?: number;
    /** SHA-256(salt || data) in hexadecimal: what the log holds instead of the data. */
    commitment?: string;
}
