import { endSession, offerSession, WhepError } from "./whep.js";

/** What a session plays, and for whom. */
export interface SessionSource {
  src: string;
  token?: string | (() => string | Promise<string>);
}

/** What is told of a session. */
export interface SessionHandlers {
  /** Media and channels are up. */
  connected(): void;
  /** The network between is in doubt; it may come back. */
  disconnected(): void;
  /** Whether the pictures come another way than by the element, which then plays the sound alone. */
  bypassed(): boolean;
  /** It is over, told once. `error` if the relay refused it. */
  ended(reason: string, error: WhepError | undefined): void;
}

/** A session that has not come up after this long is given up. */
const TIMEOUT_MS = 10_000;

/** One WHEP session, from its offer to its end at the relay. */
export class Session {
  readonly pc: RTCPeerConnection;
  /** What its element plays. */
  readonly media = new MediaStream();
  private readonly tracks: MediaStreamTrack[] = [];
  private readonly over = new AbortController();
  private readonly leave = () => this.tellRelay();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private resource: string | undefined;
  private token: string | undefined;

  /** `viewer` is the secret by which the relay knows the viewer again. */
  constructor(iceServers: RTCIceServer[], private readonly viewer: string, private readonly handlers: SessionHandlers) {
    this.pc = new RTCPeerConnection({ bundlePolicy: "max-bundle", iceServers });
    this.pc.addTransceiver("video", { direction: "recvonly" });
    this.pc.addTransceiver("audio", { direction: "recvonly" });
    this.pc.ontrack = ({ track }) => {
      this.tracks.push(track);
      this.fill();
    };
    this.pc.onconnectionstatechange = () => this.changed(this.pc.connectionState);
  }

  /** Aborted as it ends. */
  get signal(): AbortSignal {
    return this.over.signal;
  }

  /** Puts into `media` what belongs there; again if the pictures turn out to come another way. */
  fill(): void {
    const bypassed = this.handlers.bypassed();
    for (const t of this.tracks) if (t.kind !== "video" || !bypassed) this.media.addTrack(t);
  }

  /** Offers the session. The channels have been made by now. */
  open(source: SessionSource): void {
    addEventListener("pagehide", this.leave);
    this.timer = setTimeout(() => this.end("no connection within 10 s"), TIMEOUT_MS);
    this.negotiate(source).catch((e: unknown) => {
      this.end(e instanceof Error ? e.message : String(e), e instanceof WhepError ? e : undefined);
    });
  }

  /** It has come up: it is given no more time to. */
  settle(): void {
    clearTimeout(this.timer);
  }

  /** Ends it here and at the relay. */
  end(reason: string, error?: WhepError): void {
    if (this.over.signal.aborted) return;
    this.over.abort();
    clearTimeout(this.timer);
    removeEventListener("pagehide", this.leave);
    this.pc.close();
    this.tellRelay();
    this.handlers.ended(reason, error);
  }

  private async negotiate(source: SessionSource): Promise<void> {
    const { signal } = this.over;
    this.token = typeof source.token === "function" ? await source.token() : source.token;
    signal.throwIfAborted();
    await this.pc.setLocalDescription();
    const offer = this.pc.localDescription?.sdp;
    signal.throwIfAborted();
    if (!offer) throw new Error("the browser made no offer");
    // The relay is ICE-lite: it needs no candidates of ours, so there is nothing to wait for.
    const { answer, resource } = await offerSession(source.src, { token: this.token, viewer: this.viewer }, offer, signal);
    this.resource = resource;
    if (signal.aborted) return this.tellRelay();
    await this.pc.setRemoteDescription({ type: "answer", sdp: this.handlers.bypassed() ? apart(answer) : answer });
  }

  private changed(state: RTCPeerConnectionState): void {
    if (this.over.signal.aborted) return;
    if (state === "connected") this.handlers.connected();
    if (state === "disconnected") this.handlers.disconnected();
    if (state === "failed" || state === "closed") this.end(`the connection ${state}`);
  }

  private tellRelay(): void {
    if (this.resource) endSession(this.resource, this.token);
  }
}

/**
 * An answer in which sound and pictures are of two streams: those of one a browser keeps
 * together itself, by holding pictures back before they come to whoever shows them.
 */
function apart(sdp: string): string {
  return sdp.replace(/(m=audio [^]*?\na=msid:)(\S+)/, "$1$2-sound");
}
