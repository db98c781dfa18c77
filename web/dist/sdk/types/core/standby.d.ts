import { type ChannelName } from "./wire.js";
/** How long a session that has pictures waits for the one that is on screen to be no further than itself. */
export declare const CATCH_UP_MS = 500;
/** A message of a session that nobody follows yet. */
export interface Said {
    text: string;
    channel: ChannelName;
    /** When it came, in local ms. */
    at: number;
}
/** How far the session that is on screen has got. */
export interface Progress {
    /** Canonical timestamp of the frame on screen. */
    presentedTs: number | undefined;
    /** Its log. */
    log: string | undefined;
    /** The newest seq up to which it has everything. */
    contiguous: number;
}
/**
 * A session beside the one on screen, until it takes over: keeps what the relay
 * says, and knows from which frame on it can be followed without anything going
 * back, left out or shown twice. Time is an argument.
 */
export declare class Standby {
    private messages;
    private readonly parts;
    private snapshot;
    private near;
    private readyAt;
    private picturesAt;
    /** Takes a message, and keeps it. False if there are too many: give the session up. */
    receive(text: string, channel: ChannelName, now: number): boolean;
    /** Whether the snapshot is whole. */
    get ready(): boolean;
    /** For how long it has been ready, in ms; 0 if it is not. */
    readyFor(now: number): number;
    /**
     * Whether the session may take over with the frame of this RTP timestamp (none:
     * the browser does not tell). The frame must carry an overlay, and be the one on screen or
     * a newer one; and every event that the snapshot contains must have come in the session on
     * screen, or it would never fire. For the latter two nobody waits for long.
     */
    takesOver(rtp: number | undefined, on: Progress, now: number): boolean;
    /** What was said so far, in order: to be read by who follows from now on. */
    take(): Said[];
    private look;
}
