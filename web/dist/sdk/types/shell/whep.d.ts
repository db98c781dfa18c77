/** A WHEP request that the relay refused, or that never reached it. */
export declare class WhepError extends Error {
    /** HTTP status; 0 if there was no answer. */
    readonly status: number;
    /** What the relay asked to wait before the next try, in ms. */
    readonly retryAfterMs: number | undefined;
    name: string;
    constructor(message: string, 
    /** HTTP status; 0 if there was no answer. */
    status: number, 
    /** What the relay asked to wait before the next try, in ms. */
    retryAfterMs: number | undefined);
    /** Whether the same request cannot succeed: the token or the offer is not accepted. */
    get final(): boolean;
}
/** A session that a relay has answered. */
export interface WhepSession {
    /** The SDP answer. */
    answer: string;
    /** The session's own URL; DELETE ends it. Undefined if the relay named none. */
    resource: string | undefined;
}
/** The request header by which a relay knows a viewer again who has no token of their own. */
export declare const VIEWER_HEADER = "Framelock-Viewer";
/** Who asks: their token, if the relay wants one, and the secret that they are known again by. */
export interface Caller {
    token: string | undefined;
    viewer: string;
}
/** Offers a session (WHEP, POST of application/sdp). Throws WhepError. */
export declare function offerSession(url: string, { token, viewer }: Caller, offer: string, signal: AbortSignal): Promise<WhepSession>;
/** Ends a session. A page that goes away still gets it sent; failure is of no consequence, the relay times out. */
export declare function endSession(resource: string, token: string | undefined): void;
