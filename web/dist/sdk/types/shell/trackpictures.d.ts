import type { CodedEvents } from "./codedframes.js";
/** Whether this browser gives a page the pictures of a track. */
export declare function canTap(): boolean;
/**
 * The pictures that the browser's own decoder makes of a connection's video, every
 * one, with its RTP timestamp. An element shows the page only those that it paints.
 */
export declare class TrackPictures {
    private readonly picture;
    private readonly unnamed;
    private reader;
    private over;
    /** `unnamed` hears that the pictures carry no timestamps. */
    constructor(picture: (p: CodedEvents["picture"]) => void, unnamed: () => void);
    /** Takes the video of a connection, from its track's arrival on or, if it has come, from now on. */
    connect(pc: RTCPeerConnection): void;
    /** Takes nothing any more. */
    disconnect(): void;
    private read;
}
