/**
 * How the picture and its timestamp are tied together.
 *
 * - `exact`: every picture of the browser's own decoder comes with its RTP timestamp
 *   (VideoFrame.metadata; MediaStreamTrackProcessor, else the element's; Chromium).
 * - `decoded`: the frames are decoded here, from coded frames that carry their
 *   timestamp through the decoder (RTCRtpScriptTransform and WebCodecs; Firefox,
 *   Safari). As exact as `exact`.
 * - `approximate`: the element's picture is copied first thing in the frame
 *   callback; it is a newer one now and then (about 0.1 to 0.4 %).
 * - `clock`: the browser has no frame callback; the timestamp is estimated.
 */
export type Route = "exact" | "decoded" | "approximate" | "clock";
/** Whether a picture is certain to be the one that its timestamp names. */
export declare function isExact(route: Route): boolean;
/** A picture as it is presented. */
export interface Picture {
    /** RTP timestamp on the wire, undefined on the `clock` route. */
    rtp: number | undefined;
    /** What to draw: valid until the next picture. */
    image: CanvasImageSource;
    width: number;
    height: number;
    /** Local time (performance.now scale) at which the screen is expected to show it. */
    displayAt: number;
}
/** Gives every picture that a video element presents, together with its timestamp. */
export declare class FrameSource {
    private readonly video;
    private readonly onPicture;
    private readonly onRoute;
    private readonly best;
    private handle;
    private running;
    private frame;
    private canvas;
    private shown;
    private unnamed;
    /**
     * `onPicture` returns whether it took the picture; if not, the one before stays
     * valid. `onRoute` hears when the route turns out to be a lesser one than it looked.
     */
    constructor(video: HTMLVideoElement, onPicture: (p: Picture) => boolean, onRoute: (route: Route) => void, best?: () => "approximate" | "clock" | "exact");
    /** The route in use. */
    get route(): Route;
    /** Starts giving pictures, of a new source of the element if it runs already. */
    start(): void;
    /** Stops, and lets go of the picture last given. */
    stop(): void;
    private next;
    private called;
    /** The picture with its own timestamp, however late this runs. */
    private capture;
    private copy;
    /** Falls to a lesser route when the present one gives pictures, but no timestamps. */
    private judge;
    private tick;
}
/** The best route by the pictures of a video element. */
export declare function elementRoute(video: HTMLVideoElement): Exclude<Route, "decoded">;
/** The best route that this browser and page allow. */
export declare function bestRoute(video: HTMLVideoElement): Route;
