import type { CodedEvents } from "./codedframes.js";
import type { Picture } from "./frames.js";
/** What the source is given of the sound: the pictures' RTP timestamp whose moment is heard at a local time. */
export interface Sound {
    rtp: number;
    at: number;
}
/** Gives every decoded picture when its time has come, in the paint of the screen's next refresh. */
export declare class DecodedSource {
    private readonly onPicture;
    private readonly playout;
    private waiting;
    private shown;
    private handle;
    private running;
    private ready;
    private begun;
    private firstAt;
    private refreshedAt;
    private refresh;
    private count;
    /** `onPicture` returns whether it took the picture; if not, the one before stays valid. */
    constructor(onPicture: (p: Picture) => boolean);
    /** Pictures that were decoded so far. */
    get decoded(): number;
    /** How long pictures are held back beyond the shortest way here, in ms. */
    get delayMs(): number;
    /** How much later sound comes out than the pictures of its moment, in ms; undefined without sound. */
    get soundBehindMs(): number | undefined;
    /** What the pictures' arrival alone asks to be held back, in ms. */
    get jitterMs(): number;
    /** Starts giving pictures, of a new session if it runs already; the first when it is `begin`'s turn. */
    start(): void;
    /** The state is known: pictures are shown from now on. */
    begin(): void;
    /** What waits is of a time that nobody has seen: the next picture is the newest. */
    skip(): void;
    /** Stops, and lets go of all pictures. */
    stop(): void;
    /** Takes a decoded picture. */
    add({ rtp, at, frame }: CodedEvents["picture"]): void;
    /** Sound to keep to, undefined if none is heard. */
    listen(sound: Sound | undefined): void;
    private tick;
    private give;
    private impatient;
    /** The refresh is the shortest distance of two paints; it is forgotten slowly, as windows move between screens. */
    private measureRefresh;
    private drop;
}
