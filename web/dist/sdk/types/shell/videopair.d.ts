/**
 * Two elements that take turns: one plays, on the other the next session comes up
 * unseen and unheard. An element that gets another source goes blank until its
 * first picture; one that takes the other's place does not.
 */
export declare class VideoPair {
    private spare;
    private playing;
    constructor(video: HTMLVideoElement);
    /** The element that plays. */
    get current(): HTMLVideoElement;
    /** The element for the next session, muted. */
    get next(): HTMLVideoElement;
    /** The next session came to nothing. */
    release(): void;
    /** The next takes the place of the one that plays: in the page, with its id, and with the sound. */
    exchange(): void;
}
