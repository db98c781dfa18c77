import type { FramelockEvent, Snapshot } from "./wire.js";
/** What became of received bytes. Duplicates become nothing. */
export type LogResult = 
/** First sight of an event in this session. */
{
    type: "accepted";
    event: FramelockEvent;
    reliable: boolean;
}
/** Two different events under one seq: somebody rewrote the log. Neither is to be trusted. */
 | {
    type: "equivocation";
    seq: number;
    first: string;
    second: string;
}
/** The ordered channel skipped from..to: this client can no longer know the state. */
 | {
    type: "gap";
    from: number;
    to: number;
}
/** The relay lost from..to in a crash before they were durable: they never happened. */
 | {
    type: "void";
    from: number;
    to: number;
}
/** An event of another log than the snapshot's. */
 | {
    type: "foreign";
    log: string;
    seq: number;
};
/**
 * The log as one viewer receives it: a snapshot, then events on an ordered and
 * on a fast channel, in any interleaving. Gives every event of the log once per
 * session, keyed by (log, seq), and says where the log contradicts itself.
 */
export declare class EventLog {
    private name;
    private base;
    private accepted;
    private entries;
    private forgotten;
    private voids;
    private buffer;
    private last;
    /** The log's name, undefined before the first snapshot. */
    get log(): string | undefined;
    /** The newest seq up to which everything has come (or was reported missing). */
    get contiguous(): number;
    /** A new session begins: events wait until its snapshot has come. */
    begin(): void;
    /** Takes a snapshot: its pending events first, then what has been waiting for it. */
    open(snapshot: Snapshot): LogResult[];
    /** Takes an event's bytes from the ordered (reliable) or the fast channel. */
    receive(text: string, event: FramelockEvent, reliable: boolean): LogResult[];
    private isNew;
    /** Keeps the bytes of a seq; false if they contradict the ones already kept. */
    private remember;
    private forgetOne;
    /** Follows the ordered channel to seq; a seq it skipped and nobody delivered is a gap. */
    private step;
    private advance;
    private cut;
}
