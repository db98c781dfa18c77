import { Emitter } from "./emitter.js";
import { Framelock, type FramelockOptions } from "./framelock.js";
/** Where a player stands. */
export type PlayerStatus = 
/** Not started, or stopped. */
"idle"
/** The session is being set up. */
 | "connecting"
/** Connected; no frame of this session yet. */
 | "waiting"
/** Frames are presented. */
 | "live"
/** The session ended; the next one follows. The last picture stays. */
 | "reconnecting"
/** The relay refused for good (a wrong token, an unacceptable offer). */
 | "failed";
/** What a player plays. */
export interface PlayerSource {
    /** WHEP URL of the stream. */
    src: string;
    /** Bearer token, or where to get a fresh one for every session. */
    token?: string | (() => string | Promise<string>);
}
/** Options of a player. */
export interface PlayerOptions extends FramelockOptions {
    /** STUN and TURN servers; a relay that the viewer can reach needs none. */
    iceServers?: RTCIceServer[];
    /**
     * A secret of this viewer, 16 to 128 characters, by which the relay knows it again
     * after a reconnect where the token is many people's; by default one for as long
     * as this player lives. Keep it, and receipts can be asked for in a later visit.
     */
    viewer?: string;
}
/** A status with the reason for it, where there is one. */
export interface StatusChange {
    status: PlayerStatus;
    reason: string;
}
/**
 * Plays a stream of a relay by WHEP and stays with it: reconnects with
 * exponential backoff and jitter, each time from a fresh snapshot. Nothing
 * rewinds, and the last picture stays while it reconnects.
 */
export declare class FramelockPlayer {
    readonly video: HTMLVideoElement;
    private readonly options;
    readonly framelock: Framelock;
    readonly events: Emitter<{
        status: StatusChange;
    }>;
    /** The secret by which the relay knows this viewer again: see PlayerOptions. */
    readonly viewer: string;
    private current;
    private run;
    private endCurrent;
    constructor(video: HTMLVideoElement, options?: PlayerOptions);
    /** Where the player stands. */
    get status(): PlayerStatus;
    /** Starts playing, instead of what it played before. */
    start(source: PlayerSource): void;
    /** Stops, and ends the session at the relay. */
    stop(): void;
    /** Gives up the present session, if any, and takes a new one at once. */
    reconnect(reason?: string): void;
    private loop;
    /** One session, from offer to end. Returns why it ended. */
    private play;
    private prepare;
    private negotiate;
    private become;
}
