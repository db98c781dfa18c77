import type { Firing } from "../core/display.js";
import type { Picture } from "./frames.js";
/** The picture on which an outcome fired, as this viewer was shown it, without overlay. */
export interface ProofFrame {
    /** Of the event. */
    seq: number;
    /** Canonical timestamp of the picture. */
    ts: number;
    /** The event itself, and how exactly the picture is its own. */
    firing: Firing;
    /** A copy of the picture; it belongs to the page. */
    canvas: HTMLCanvasElement;
}
/** The pictures of the last outcomes. */
export declare class ProofFrames {
    private readonly limit;
    private readonly kept;
    constructor(limit: number);
    /** An event fires on a picture: that of an outcome is copied. */
    fired(firing: Firing, picture: Picture): void;
    /** The picture of the outcome with that seq; undefined if it did not fire here, or too long ago. */
    of(seq: number): ProofFrame | undefined;
}
