import { vi } from "vitest";
import { CHANNELS, type ChannelName } from "../src/core/wire.js";

/** A data channel that a test plays the relay on. */
export class FakeChannel {
  readyState = "open";
  onmessage: ((m: { data: unknown }) => void) | null = null;
  onclose: (() => void) | null = null;
  readonly sent: { type: string; [key: string]: unknown }[] = [];

  constructor(readonly label: string, readonly init: RTCDataChannelInit) {}

  send(text: string): void {
    this.sent.push(JSON.parse(text) as { type: string });
  }

  close(): void {
    this.readyState = "closed";
  }

  /** The relay says something. */
  says(message: unknown): void {
    this.onmessage?.({ data: typeof message === "string" ? message : JSON.stringify(message) });
  }
}

/** A peer connection without a network. */
export class FakePeer {
  static all: FakePeer[] = [];
  connectionState = "new";
  localDescription: { sdp: string } | null = null;
  ontrack: ((e: { track: { kind: string } }) => void) | null = null;
  onconnectionstatechange: (() => void) | null = null;
  readonly transceivers: [string, string][] = [];
  readonly channels: FakeChannel[] = [];
  answer: string | undefined;
  closed = false;

  constructor() {
    FakePeer.all.push(this);
  }

  addTransceiver(kind: string, init: { direction: string }): void {
    this.transceivers.push([kind, init.direction]);
  }

  createDataChannel(label: string, init: RTCDataChannelInit): FakeChannel {
    const channel = new FakeChannel(label, init);
    this.channels.push(channel);
    return channel;
  }

  private readonly listeners: (() => void)[] = [];

  /** Only for the state: tests that need a receiver's track give it by getReceivers. */
  addEventListener(type: string, listener: () => void): void {
    if (type === "connectionstatechange") this.listeners.push(listener);
  }

  getReceivers(): unknown[] {
    return [];
  }

  channel(name: ChannelName): FakeChannel {
    return this.channels.find((c) => c.label === CHANNELS[name].label)!;
  }

  async setLocalDescription(): Promise<void> {
    this.localDescription = { sdp: "offer" };
  }

  async setRemoteDescription(d: { sdp: string }): Promise<void> {
    this.answer = d.sdp;
  }

  becomes(state: string): void {
    this.connectionState = state;
    this.onconnectionstatechange?.();
    for (const l of this.listeners) l();
  }

  close(): void {
    this.closed = true;
  }
}

/** A WebCodecs frame that knows its RTP timestamp. */
export class FakeVideoFrame {
  static open = 0;
  displayWidth = 640;
  displayHeight = 360;
  closed = false;
  private readonly rtp: number | undefined;

  constructor(video: FakeVideo) {
    FakeVideoFrame.open++;
    this.rtp = video.current;
  }

  metadata(): { rtpTimestamp?: number } {
    return this.rtp === undefined ? {} : { rtpTimestamp: this.rtp };
  }

  close(): void {
    if (!this.closed) FakeVideoFrame.open--;
    this.closed = true;
  }
}

/** A video element whose frames a test presents. */
export class FakeVideo {
  videoWidth = 640;
  videoHeight = 360;
  readyState = 4;
  srcObject: unknown = null;
  muted = true;
  /** RTP timestamp of the pixels that the element holds. */
  current: number | undefined;
  /** Elements made after this one, newest last. */
  static copies: FakeVideo[] = [];
  paused = false;
  id = "";
  volume = 1;
  parentNode: object | null = null;
  private callback: ((now: number, meta: object) => void) | undefined;

  play = vi.fn(async () => undefined);

  cloneNode(): FakeVideo {
    const copy = new FakeVideo();
    FakeVideo.copies.push(copy);
    return copy;
  }

  removeAttribute(name: string): void {
    if (name === "id") this.id = "";
  }

  replaceWith(other: FakeVideo): void {
    other.parentNode = this.parentNode;
    this.parentNode = null;
  }

  requestVideoFrameCallback(callback: (now: number, meta: object) => void): number {
    this.callback = callback;
    return 1;
  }

  cancelVideoFrameCallback(): void {
    this.callback = undefined;
  }

  /** Presents a frame; by the time the page looks, the element may hold a newer one. */
  presents(rtp: number, holds = rtp): void {
    this.current = holds;
    const callback = this.callback;
    this.callback = undefined;
    const now = performance.now();
    callback?.(now, { rtpTimestamp: rtp, expectedDisplayTime: now, presentedFrames: 1 });
  }
}

/** Puts the fakes in the place of the browser's own. */
export function fakeBrowser(options: { webcodecs?: boolean; secure?: boolean } = {}): void {
  FakePeer.all = [];
  FakeVideo.copies = [];
  FakeVideoFrame.open = 0;
  vi.stubGlobal("RTCPeerConnection", FakePeer);
  vi.stubGlobal("MediaStream", class {
    tracks: unknown[] = [];
    addTrack(track: unknown): void {
      this.tracks.push(track);
    }
  });
  vi.stubGlobal("isSecureContext", options.secure ?? true);
  vi.stubGlobal("VideoFrame", options.webcodecs === false ? undefined : FakeVideoFrame);
}
