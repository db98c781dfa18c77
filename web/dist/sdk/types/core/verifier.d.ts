import { type Sha256 } from "./merkle.js";
import { type Ed25519Verify } from "./note.js";
/** The tools that a verifier works with. */
export interface VerifierTools {
    sha256: Sha256;
    /** Undefined where the browser has no Ed25519: hashes are compared, signatures are not checked. */
    ed25519: Ed25519Verify | undefined;
}
/**
 * - `unverified`: nothing contradicts, and nothing is proven yet; `reason` says why.
 * - `verified`: everything up to `checkpoint` is what the relay signed.
 * - `alarm`: what this viewer was shown and what the relay signed are not the same. Final.
 */
export type VerificationState = "unverified" | "verified" | "alarm";
/** What differed. */
export type VerificationFault = 
/** The root that was signed is not the root of the events that were received. */
"root"
/** A checkpoint covers another number of events than came up to its seq. */
 | "size"
/** A checkpoint bears no valid signature of the key that is trusted. */
 | "signature"
/** A checkpoint is of another log. */
 | "origin"
/** An event of the log was never sent, or its seq was used before. */
 | "order"
/** The log of a new session does not continue the one that was verified. */
 | "history"
/** Events that a signed checkpoint covers were taken back. */
 | "cut"
/** A key, checkpoint or frontier is not what the protocol says. */
 | "malformed";
/** An alarm's details, for a regulator. */
export interface VerificationAlarm {
    code: VerificationFault;
    /** In words. */
    text: string;
    /** Seq of the event that it was noticed at. */
    seq: number;
    /** What the relay signed or said, where the two can be named. */
    expected?: string;
    /** What follows from the events that came here. */
    actual?: string;
    /** The signed note that is concerned. */
    note?: string;
}
/** A checkpoint that was found right. */
export interface VerifiedCheckpoint {
    size: number;
    /** Of its last event. */
    seq: number;
    /** In hexadecimal. */
    root: string;
    /** The signed note itself, for `relay transcript verify --checkpoint`. */
    note: string;
}
/** Where the verification stands. Plain data. */
export interface Verification {
    state: VerificationState;
    /** Why, in words. */
    reason: string;
    stream: string;
    log: string;
    /** The verifier key that is trusted: given by the page, or the first that was seen. */
    key: string;
    keyFrom: "page" | "first_use" | "";
    /** Events in the tree now, and the newest one's seq. */
    size: number;
    seq: number;
    /** The newest checkpoint that was found right. */
    checkpoint: VerifiedCheckpoint | undefined;
    alarm: VerificationAlarm | undefined;
}
/** Where verification stands before anything has come. */
export declare const NOTHING_VERIFIED: Verification;
/**
 * Follows a stream's log as one viewer is sent it, and compares its own tree with
 * every checkpoint that the relay signs (protocol, section 9). It reads the
 * ordered channel's messages as they came, by itself: what the page shows has
 * no influence on it. Calls must not overlap.
 */
export declare class Verifier {
    private readonly tools;
    private at;
    private pinned;
    private key;
    private nextKeys;
    private trees;
    private proven;
    private readonly parts;
    private buffer;
    constructor(tools: VerifierTools);
    /** Where the verification stands: a new value whenever something changed. */
    get verification(): Verification;
    /**
     * A new session begins: messages wait until its snapshot has come. `key`, a
     * verifier key, is the one to trust from the start of a log; without one the
     * first that a snapshot of the log names is.
     */
    begin(key: string | undefined): Promise<void>;
    /** Takes a message of the ordered channel. What is no message at all is for others to say. */
    receive(text: string): Promise<void>;
    private open;
    /** Goes on from a snapshot's log head, which must not contradict what came before. */
    private follow;
    /** A new session's log must be the one that was followed before, only longer. */
    private compareHistory;
    private event;
    /** The relay lost what came after last_durable: it is no part of the log. */
    private cut;
    /** Notices a key's successor: it signs from the first checkpoint after the one that covers the notice. */
    private learnKey;
    /** Takes the proof that the key in force has announced its successor, for a page that was not there. */
    private succeed;
    /** Compares a signed checkpoint with the tree. `told`, if it came by itself, is what the relay says around it. */
    private checkpoint;
    private signed;
    private prove;
    /** Settles which key signs a log: the page's if it named one, else the snapshot's. */
    private trust;
    private use;
    private badKey;
    private misplaced;
    private doubt;
    /** The first alarm stands: what follows from it says less. */
    private alarm;
    private set;
}
