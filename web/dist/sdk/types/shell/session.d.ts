import { WhepError } from "./whep.js";
/** What a session plays, and for whom. */
export interface SessionSource {
    src: string;
    token?: string | (() => string | Promise<string>);
}
/** What is told of a session. */
export interface SessionHandlers {
    /** Media and channels are up. */
    connected(): void;
    /** The network between is in doubt; it may come back. */
    disconnected(): void;
    /** Whether the pictures come another way than by the element, which then plays the sound alone. */
    bypassed(): boolean;
    /** It is over, told once. `error` if the relay refused it. */
    ended(reason: string, error: WhepError | undefined): void;
}
/** One WHEP session, from its offer to its end at the relay. */
export declare class Session {
    private readonly viewer;
    private readonly handlers;
    readonly pc: RTCPeerConnection;
    /** What its element plays. */
    readonly media: MediaStream;
    private readonly tracks;
    private readonly over;
    private readonly leave;
    private timer;
    private resource;
    private token;
    /** `viewer` is the secret by which the relay knows the viewer again. */
    constructor(iceServers: RTCIceServer[], viewer: string, handlers: SessionHandlers);
    /** Aborted as it ends. */
    get signal(): AbortSignal;
    /** Puts into `media` what belongs there; again if the pictures turn out to come another way. */
    fill(): void;
    /** Offers the session. The channels have been made by now. */
    open(source: SessionSource): void;
    /** It has come up: it is given no more time to. */
    settle(): void;
    /** Ends it here and at the relay. */
    end(reason: string, error?: WhepError): void;
    private negotiate;
    private changed;
    private tellRelay;
}
