import { Emitter } from "./emitter.js";
import { Framelock, type FramelockOptions, type Latency } from "./framelock.js";
import type { ProofFrame } from "./proofs.js";
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
/** A session has taken over from another one. */
export interface Switched {
    /** Why there is another one. */
    reason: string;
    /** The one before was followed until then: no picture was waited for. */
    seamless: boolean;
    /** The element that plays it. */
    video: HTMLVideoElement;
}
/** A sound track of the stream. */
export interface AudioTrack {
    /** Its name at the relay. */
    track: string;
    codec: string;
    /** Its language (BCP 47); undefined while the relay names none. */
    language: string | undefined;
}
/** What a player tells, by name. */
export interface PlayerEvents {
    status: StatusChange;
    /** A new session plays. */
    switched: Switched;
    /** The browser refused sound without a gesture: the player is muted. Call `unmute()` in a click. */
    "autoplay-muted": {
        reason: string;
    };
}
/** A status with the reason for it, where there is one. */
export interface StatusChange {
    status: PlayerStatus;
    reason: string;
}
/**
 * Plays a stream of a relay by WHEP and stays with it. While the session plays, a
 * new one is made beside it and takes over with its first picture; if the session
 * is dead, the next one follows with exponential backoff and jitter, and the last
 * picture stays meanwhile. Each begins with a fresh snapshot, and nothing rewinds.
 */
export declare class FramelockPlayer {
    private readonly options;
    readonly framelock: Framelock;
    readonly events: Emitter<PlayerEvents>;
    /** The secret by which the relay knows this viewer again: see PlayerOptions. */
    readonly viewer: string;
    private readonly videos;
    private readonly backoff;
    private readonly pause;
    private standing;
    private source;
    private run;
    private current;
    private next;
    private timer;
    private tries;
    private draining;
    private tracks;
    constructor(video: HTMLVideoElement, options?: PlayerOptions);
    /** Where the player stands. */
    get status(): PlayerStatus;
    /** The element that plays now: after a reconnect it may be another one, in the place of the one before. */
    get video(): HTMLVideoElement;
    /** This viewer's capture-to-screen latency as it was measured last; undefined before the first second. */
    get latency(): Latency | undefined;
    /** The picture on which an outcome fired, one of the last few: see Framelock.proofFrame. */
    proofFrame(seq: number): ProofFrame | undefined;
    /** Starts playing, instead of what it played before. */
    start(source: PlayerSource): void;
    /** Stops, and ends the session at the relay. */
    stop(): void;
    /**
     * Takes a new session: beside the present one while that plays, which goes on
     * until the new one has a picture; or else at once. Does nothing while it is
     * under way.
     */
    reconnect(reason?: string): void;
    /** Whether the sound is off. */
    get muted(): boolean;
    /** Turns the sound off. */
    mute(): void;
    /** Turns the sound on, to be called in a click or key press. False if the browser refuses it. */
    unmute(): Promise<boolean>;
    /** The sound tracks of the stream, as the last snapshot named them. */
    get audioTracks(): AudioTrack[];
    /**
     * Chooses a sound track by its name or language. A relay has one sound track for
     * each stream now, which is played in any case: this says whether it is the one that is wanted.
     * Throws a RangeError that names what there is.
     */
    selectAudio(nameOrLanguage: string): AudioTrack;
    /** A session in place of none. */
    private open;
    /** A session beside the present one, which takes over with its first picture. */
    private make;
    private session;
    /** One that is made beside another has not come up before it takes over. */
    private connected;
    /** The session that was made beside the present one is followed from now on. */
    private switched;
    private ended;
    /** The session beside the present one came to nothing. The present one goes on as long as it can. */
    private notMade;
    /** Another session at once, instead of all that there is. */
    private replace;
    /** Ends what there is, and nothing follows from it. */
    private drop;
    private halt;
    private later;
    private play;
    private become;
}
