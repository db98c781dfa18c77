import { Emitter } from "./emitter.js";
import type { Frame, Framelock } from "./framelock.js";
/** Paints over a frame's picture. The context is in picture pixels, saved and restored around the call. */
export type Overlay = (context: CanvasRenderingContext2D, frame: Frame) => void;
/** A frame as it is on the canvas now: picture and overlay in one. */
export interface Drawn {
    frame: Frame;
    canvas: HTMLCanvasElement;
}
/**
 * Draws a stream on a canvas: the picture of a frame and the overlay that
 * belongs on it, in one paint. The canvas keeps the last picture while the
 * player reconnects.
 */
export declare class Compositor {
    readonly canvas: HTMLCanvasElement;
    /** Called for every frame that may carry an overlay. */
    overlay: Overlay | undefined;
    readonly events: Emitter<{
        drawn: Drawn;
    }>;
    private readonly context;
    private readonly unsubscribe;
    constructor(framelock: Framelock, canvas: HTMLCanvasElement, 
    /** Called for every frame that may carry an overlay. */
    overlay?: Overlay | undefined);
    /** Stops drawing. */
    close(): void;
    private draw;
}
