/**
 * `<framelock-player src="…/whep/wheel" token="…">`: a player as an element. It
 * paints picture and overlay on one canvas; children lie over it. Needs no
 * inline style or script, so it runs under a strict Content-Security-Policy.
 *
 * @packageDocumentation
 */
import { Banner, BANNER_MS } from "./core/banner.js";
import type { Json } from "./core/json.js";
import type { Receipt } from "./core/wire.js";
import type { ActOptions } from "./shell/acting.js";
import { Compositor, type Drawn, type Overlay } from "./shell/compositor.js";
import type { FramelockEvents } from "./shell/framelock.js";
import { FramelockPlayer, type PlayerEvents, type StatusChange, type Switched } from "./shell/player.js";
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
  "framelock-switched": CustomEvent<Switched>;
  "framelock-autoplay-muted": CustomEvent<PlayerEvents["autoplay-muted"]>;
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

  /** Picture and overlay, in picture pixels. */
  readonly canvas = document.createElement("canvas");
  readonly player: FramelockPlayer;
  private readonly compositor: Compositor;
  private readonly sound = document.createElement("button");
  private readonly label = document.createElement("div");
  private readonly banner = new Banner();
  private bannerTimer: ReturnType<typeof setTimeout> | undefined;
  private restarting = false;

  constructor() {
    super();
    const video = document.createElement("video");
    this.player = new FramelockPlayer(video);
    this.build(video);
    this.compositor = new Compositor(this.player.framelock, this.canvas);
    this.forward();
  }

  /** The element's own video: never seen, its frames are painted on `canvas`. After a reconnect it may be another one. */
  get video(): HTMLVideoElement {
    return this.player.video;
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
    return this.player.muted;
  }

  set muted(muted: boolean) {
    if (muted) this.player.mute();
    else void this.unmute();
    this.showSound();
  }

  /** Turns the sound on, to be called in a click or key press. False if the browser refuses it. */
  async unmute(): Promise<boolean> {
    const allowed = await this.player.unmute();
    this.showSound();
    return allowed;
  }

  private showSound(): void {
    this.sound.setAttribute("aria-pressed", String(!this.muted));
    this.sound.textContent = this.muted ? "Unmute" : "Mute";
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

  private build(video: HTMLVideoElement): void {
    const root = this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [elementSheet()];
    const { canvas, sound, label } = this;
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
    sound.type = "button";
    sound.className = "unmute";
    sound.setAttribute("part", "unmute");
    sound.hidden = true;
    sound.addEventListener("click", () => (this.muted = !this.muted));
    this.muted = true;
    root.append(video, canvas, children, label, sound);
  }

  private forward(): void {
    const { events } = this.player.framelock;
    for (const name of FORWARDED) events.on(name, (detail) => this.tell(name, detail));
    this.compositor.events.on("drawn", (detail) => this.tell("drawn", detail));
    this.player.events.on("status", (detail) => {
      this.setAttribute("status", detail.status);
      this.showLabel();
      this.label.title = detail.reason;
      this.tell("status", detail);
    });
    this.player.events.on("switched", (detail) => this.tell("switched", detail));
    this.player.events.on("autoplay-muted", (detail) => {
      this.showSound();
      this.tell("autoplay-muted", detail);
    });
    events.on("snapshot", () => {
      this.banner.begin();
      this.showLabel();
    });
    events.on("notice", ({ code }) => {
      this.banner.notice(code, performance.now());
      this.showLabel();
      clearTimeout(this.bannerTimer);
      this.bannerTimer = setTimeout(() => this.showLabel(), BANNER_MS);
    });
    events.on("snapshot", (s) => (this.sound.hidden = !s.tracks.some((t) => t.kind === "audio")));
  }

  /** Where the player stands; while it plays, what the relay says. */
  private showLabel(): void {
    const { status } = this.player;
    this.label.textContent = STATUS_TEXT[status] ?? (status === "live" ? this.banner.text(performance.now()) : "");
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
