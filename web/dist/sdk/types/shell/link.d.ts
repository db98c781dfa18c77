import { type ChannelName } from "../core/wire.js";
import type { Pictures } from "./pictures.js";
/** What a link tells, until it is closed. */
export interface LinkHandlers {
    message(text: string, channel: ChannelName): void;
    /** A channel was closed by the other side. */
    closed(reason: string): void;
}
/** One connection to the relay: its negotiated channels, and its pictures. */
export declare class Link {
    readonly pc: RTCPeerConnection;
    readonly pictures: Pictures;
    private readonly channels;
    /** Makes the channels, before the connection's offer. */
    constructor(pc: RTCPeerConnection, pictures: Pictures, handlers: LinkHandlers);
    /** Whether something can be said to the relay. */
    get open(): boolean;
    /** Says something to the relay. False if the channel is not open. */
    send(text: string): boolean;
    /** Lets go of the connection; the picture stays. */
    close(): void;
}
