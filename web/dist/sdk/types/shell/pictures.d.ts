import type { FrameHash } from "../core/framehash.js";
import type { RelayClock } from "../core/relayclock.js";
import { type Picture, type Route } from "./frames.js";
/** Options about pictures. */
export interface PictureOptions {
    /** The route to take instead of the best one; without effect where it is not to be had. */
    route?: Route;
    /** URL of `framelock-worker.js` on the page's own origin; default: beside the SDK's module. */
    worker?: string | URL;
    /** Compares the coded bytes of marked frames with the hashes that the relay publishes (default false). */
    checkFrameHashes?: boolean;
}
/** How a frame's coded bytes compare with the published hash. */
export interface HashCheck {
    /** Seq of the event whose frame it is. */
    seq: number;
    /** Canonical timestamp of the frame. */
    ts: number;
    /** `unseen`: this viewer never received the whole frame, or too long ago. */
    result: "match" | "mismatch" | "unseen";
    /** As the relay published it, and as it is here; lower-case hex. */
    published: string;
    computed: string | undefined;
}
/** How pictures are paced, in ms. */
export interface Pacing {
    /** How long they are held back beyond the shortest way here, for jitter and sound. */
    delayMs: number;
    /** How much of that their uneven arrival asks for. */
    jitterMs: number;
    /** How much later sound comes out than the pictures of its moment; undefined while none is heard. */
    soundBehindMs: number | undefined;
}
/** What the owner of pictures is told. */
export interface PictureHandlers {
    /** A picture to show; returns whether it was taken. */
    picture(p: Picture): boolean;
    /** The route turned out to be another one than it looked. */
    route(route: Route, reason: string): void;
    hash(check: HashCheck): void;
}
/** The pictures of one viewer on the route that this browser and page allow, and their hashes. */
export declare class Pictures {
    readonly video: HTMLVideoElement;
    private readonly clock;
    private readonly handlers;
    private readonly options;
    private readonly element;
    private readonly source;
    private readonly buffer;
    private coded;
    private decoding;
    private tapping;
    private readonly tap;
    private takes;
    private pc;
    private checks;
    constructor(video: HTMLVideoElement, clock: RelayClock, handlers: PictureHandlers, options: PictureOptions, 
    /** Pictures of another element of this page: what they found out holds here too. */
    before?: Pictures);
    /** The present connection. */
    get connection(): RTCPeerConnection | undefined;
    /** The route in use. */
    get route(): Route;
    /** Whether the pictures come another way than by the element, which plays the sound alone. */
    get bypassing(): boolean;
    /** How many pictures have been decoded, shown or not. */
    get arrived(): number;
    /** How pictures are paced here; undefined where the browser does it. */
    get pacing(): Pacing | undefined;
    /** Takes the pictures of a connection, before its offer is made. */
    connect(pc: RTCPeerConnection): void;
    /** Lets go of the connection; the picture stays. */
    disconnect(): void;
    /** The session's snapshot has come: nothing is shown before it. The element's pictures are held back by who gives it its source. */
    begin(): void;
    /** The page is seen again: the next picture is the newest. */
    skip(): void;
    /** Compares a frame's coded bytes with a hash, as soon as both are there. */
    check(hash: FrameHash): void;
    /** To be called some times a second. */
    tick(): void;
    /** Lets go of everything. `connect` starts anew. */
    stop(): void;
    private worker;
    private compare;
    /** The track's pictures carry no timestamps after all. */
    private untapped;
    /** The element's pictures carry no timestamps after all. */
    private unnamed;
    /** Coded frames cannot be taken or decoded here: the element's own pictures have to do. */
    private undecodable;
}
