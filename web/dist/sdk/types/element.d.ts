import type { Json } from "./core/json.js";
import type { Receipt } from "./core/wire.js";
import type { ActOptions } from "./shell/acting.js";
import { type Drawn, type Overlay } from "./shell/compositor.js";
import type { FramelockEvents } from "./shell/framelock.js";
import { FramelockPlayer, type PlayerEvents, type StatusChange, type Switched } from "./shell/player.js";
export * from "./index.js";
/** The DOM events of the element: CustomEvents that do not bubble, with this `detail`. */
export interface FramelockPlayerEventMap {
    "framelock-status": CustomEvent<StatusChange>;
    "framelock-event": CustomEvent<FramelockEvents["event"]>;
    "framelock-state": CustomEvent<FramelockEvents["state"]>;
    "framelock-snapshot": CustomEvent<FramelockEvents["snapshot"]>;
    "framelock-notice": CustomEvent<FramelockEvents["notice"]>;
    "framelock-alarm": CustomEvent<FramelockEvents["alarm"]>;
    "framelock-latency": CustomEvent<FramelockEvents["latency"]>;
    "framelock-window": CustomEvent<FramelockEvents["window"]>;
    "framelock-receipt": CustomEvent<FramelockEvents["receipt"]>;
    "framelock-verification": CustomEvent<FramelockEvents["verification"]>;
    "framelock-switched": CustomEvent<Switched>;
    "framelock-autoplay-muted": CustomEvent<PlayerEvents["autoplay-muted"]>;
    "framelock-drawn": CustomEvent<Drawn>;
}
/** The element. `overlay` paints on every frame; children are laid over the canvas. */
export declare class FramelockPlayerElement extends HTMLElement {
    static readonly observedAttributes: string[];
    /** Picture and overlay, in picture pixels. */
    readonly canvas: HTMLCanvasElement;
    readonly player: FramelockPlayer;
    private readonly compositor;
    private readonly sound;
    private readonly label;
    private readonly banner;
    private bannerTimer;
    private restarting;
    constructor();
    /** The element's own video: never seen, its frames are painted on `canvas`. After a reconnect it may be another one. */
    get video(): HTMLVideoElement;
    /** Paints over every frame that may carry an overlay, in the same paint as the frame. */
    get overlay(): Overlay | undefined;
    set overlay(overlay: Overlay | undefined);
    /** WHEP URL of the stream. */
    get src(): string;
    set src(url: string);
    /** Bearer token, empty for none. */
    get token(): string;
    set token(token: string);
    /** Acts in a window, on the frame that is on screen now: see Framelock.act. */
    act(window: string, data: Json, options?: ActOptions): Promise<Receipt>;
    /** Whether the sound is off. It is, until a visitor asks for it: browsers play nothing else unasked. */
    get muted(): boolean;
    set muted(muted: boolean);
    /** Turns the sound on, to be called in a click or key press. False if the browser refuses it. */
    unmute(): Promise<boolean>;
    private showSound;
    connectedCallback(): void;
    disconnectedCallback(): void;
    attributeChangedCallback(_name: string, before: string | null, after: string | null): void;
    private restart;
    private build;
    private forward;
    /** Where the player stands; while it plays, what the relay says. */
    private showLabel;
    private tell;
}
export interface FramelockPlayerElement {
    addEventListener<K extends keyof FramelockPlayerEventMap>(type: K, listener: (event: FramelockPlayerEventMap[K]) => void, options?: boolean | AddEventListenerOptions): void;
    addEventListener(type: string, listener: EventListenerOrEventListenerObject, options?: boolean | AddEventListenerOptions): void;
}
declare global {
    interface HTMLElementTagNameMap {
        "framelock-player": FramelockPlayerElement;
    }
}
