/**
 * `<framelock-player src="…/whep/wheel" token="…">`: a player as an element. It
 * paints picture and overlay on one canvas; children lie over it. Needs no
 * inline style or script, so it runs under a strict Content-Security-Policy.
 *
 * @packageDocumentation
 */
import type { Json } from "./core/json.js";
import type { Receipt } from "./core/wire.js";
import type { ActOptions } from "./shell/acting.js";
import { Compositor, type Drawn, type Overlay } from "./shell/compositor.js";
import type { FramelockEvents } from "./shell/framelock.js";
import { FramelockPlayer, type StatusChange } from "./shell/player.js";
import { elementSheet } from "./shell/elementstyle.js";

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
  "framelock-drawn": CustomEvent<Drawn>;
}

const FORWARDED = ["event", "state", "snapshot", "notice", "alarm", "latency", "window", "receipt", "verification"] as const;

const STATUS_TEXT: Record<string, string> = {
  connecting: "Connecting",
  waiting: "Waiting for the picture",
  reconnecting: "Reconnecting",
  failed: "Not available",
};

/** The element. `overlay` paints on every frame; children are laid over the canvas. */
export class FramelockPlayerElement extends HTMLElement {
  static readonly observedAttributes = ["src", "token", "log-key"];

  /** The element's own video: never seen, its frames are painted on `canvas`. */
  readonly video = document.createElement("video");
  /** Picture and overlay, in picture pixels. */
  readonly canvas = document.createElement("canvas");
  readonly player: FramelockPlayer;
  private readonly compositor: Compositor;
  private readonly unmute = document.createElement("button");
  private readonly label = document.createElement("div");
  private restarting = false;

  constructor() {
    super();
    this.build();
    this.player = new FramelockPlayer(this.video);
    this.compositor = new Compositor(this.player.framelock, this.canvas);
    this.forward();
  }

  /** Paints over every frame that may carry an overlay, in the same paint as the frame. */
  get overlay(): Overlay | undefined {
    return this.compositor.overlay;
  }

  set overlay(overlay: Overlay | undefined) {
    this.compositor.overlay = overlay;
  }

  /** WHEP URL of the stream. */
  get src(): string {
    return this.getAttribute("src") ?? "";
  }

  set src(url: string) {
    this.setAttribute("src", url);
  }

  /** Bearer token, empty for none. */
  get token(): string {
    return this.getAttribute("token") ?? "";
  }

  set token(token: string) {
    this.setAttribute("token", token);
  }

  /** Acts in a window, on the frame that is on screen now: see Framelock.act. */
  act(window: string, data: Json, options?: ActOptions): Promise<Receipt> {
    return this.player.framelock.act(window, data, options);
  }

  /** Whether the sound is off. It is, until a visitor asks for it: browsers play nothing else unasked. */
  get muted(): boolean {
    return this.video.muted;
  }

  set muted(muted: boolean) {
    this.video.muted = muted;
    this.unmute.setAttribute("aria-pressed", String(!muted));
    this.unmute.textContent = muted ? "Unmute" : "Mute";
    if (!muted) this.video.play().catch(() => (this.muted = true)); // not allowed without a gesture
  }

  connectedCallback(): void {
    this.restart();
  }

  disconnectedCallback(): void {
    // Moving the element within the page takes it out and puts it in again.
    queueMicrotask(() => {
      if (!this.isConnected) this.player.stop();
    });
  }

  attributeChangedCallback(_name: string, before: string | null, after: string | null): void {
    if (before !== after) this.restart();
  }

  private restart(): void {
    if (this.restarting || !this.isConnected) return;
    this.restarting = true;
    queueMicrotask(() => {
      this.restarting = false;
      if (!this.isConnected) return;
      if (!this.src) return this.player.stop();
      this.player.framelock.logKey = this.getAttribute("log-key") ?? undefined;
      this.player.start({ src: new URL(this.src, document.baseURI).href, token: this.token || undefined });
    });
  }

  private build(): void {
    const root = this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [elementSheet()];
    const { video, canvas, unmute, label } = this;
    video.muted = true;
    video.autoplay = true;
    video.playsInline = true;
    video.disablePictureInPicture = true;
    video.setAttribute("aria-hidden", "true");
    video.tabIndex = -1;
    canvas.setAttribute("part", "canvas");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", "Live video");
    canvas.width = 640;
    canvas.height = 360;
    const children = document.createElement("div");
    children.className = "children";
    children.append(document.createElement("slot"));
    label.className = "label";
    label.setAttribute("part", "status");
    label.setAttribute("role", "status");
    unmute.type = "button";
    unmute.className = "unmute";
    unmute.setAttribute("part", "unmute");
    unmute.hidden = true;
    unmute.addEventListener("click", () => (this.muted = !this.muted));
    this.muted = true;
    root.append(video, canvas, children, label, unmute);
  }

  private forward(): void {
    const { events } = this.player.framelock;
    for (const name of FORWARDED) events.on(name, (detail) => this.tell(name, detail));
    this.compositor.events.on("drawn", (detail) => this.tell("drawn", detail));
    this.player.events.on("status", (detail) => {
      this.setAttribute("status", detail.status);
      this.label.textContent = STATUS_TEXT[detail.status] ?? "";
      this.label.title = detail.reason;
      this.tell("status", detail);
    });
    events.on("snapshot", (s) => (this.unmute.hidden = !s.tracks.some((t) => t.kind === "audio")));
  }

  private tell(name: string, detail: unknown): void {
    this.dispatchEvent(new CustomEvent(`framelock-${name}`, { detail }));
  }
}

export interface FramelockPlayerElement {
  addEventListener<K extends keyof FramelockPlayerEventMap>(
    type: K, listener: (event: FramelockPlayerEventMap[K]) => void, options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(type: string, listener: EventListenerOrEventListenerObject, options?: boolean | AddEventListenerOptions): void;
}

declare global {
  interface HTMLElementTagNameMap {
    "framelock-player": FramelockPlayerElement;
  }
}

if (!customElements.get("framelock-player")) customElements.define("framelock-player", FramelockPlayerElement);
