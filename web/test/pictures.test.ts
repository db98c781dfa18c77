// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { low32 } from "../src/core/timestamp.js";
import { attach, type Framelock, type FramelockOptions } from "../src/shell/framelock.js";
import { FramelockPlayer } from "../src/shell/player.js";
import { FakePeer, FakeVideo, FakeVideoFrame, fakeBrowser } from "./browser.js";
import { clock, event, FRAME, snapshotBody, snapshotParts, T0 } from "./fixtures.js";

const at = (n: number) => T0 + n * FRAME;

/** The worker, played by the test. */
class FakeWorker {
  static all: FakeWorker[] = [];
  onmessage: ((m: { data: unknown }) => void) | null = null;
  onerror: ((e: { message: string }) => void) | null = null;
  readonly heard: { type: string; rtp?: number; lost?: boolean }[] = [];
  terminated = false;

  constructor(readonly url: URL | string, readonly options: object) {
    FakeWorker.all.push(this);
  }

  postMessage(message: { type: string }): void {
    this.heard.push(message);
  }

  terminate(): void {
    this.terminated = true;
  }

  says(message: object): void {
    this.onmessage?.({ data: { session: FakeTransform.last!.options.session, ...message } });
  }
}

class FakeTransform {
  static last: FakeTransform | undefined;
  constructor(readonly worker: FakeWorker, readonly options: { session: number; decode: boolean; keep: boolean }) {
    FakeTransform.last = this;
  }
}

/** A picture from the decoder. */
class Decoded {
  static open = 0;
  displayWidth = 640;
  displayHeight = 360;
  closed = false;
  constructor() {
    Decoded.open++;
  }
  close(): void {
    if (!this.closed) Decoded.open--;
    this.closed = true;
  }
}

/** What the browser decodes of a track, given to whoever asks for it. */
class FakeProcessor {
  static last: FakeProcessor | undefined;
  private controller: ReadableStreamDefaultController<Decoded> | undefined;
  readonly readable = new ReadableStream<Decoded>({
    start: (c) => void (this.controller = c as ReadableStreamDefaultController<Decoded>),
    cancel: () => void (this.cancelled = true),
  });
  cancelled = false;
  constructor(readonly init: { track: { kind: string }; maxBufferSize: number }) {
    FakeProcessor.last = this;
  }
  /** The picture with this RTP timestamp is decoded. */
  async gives(rtp: number | undefined): Promise<void> {
    this.controller!.enqueue(Object.assign(new Decoded(), { metadata: () => ({ rtpTimestamp: rtp }) }));
    await vi.advanceTimersByTimeAsync(0);
  }
}

interface FakeReceiver {
  track: { kind: string };
  transform: FakeTransform | null;
  getStats(): Promise<Map<string, object>>;
  getSynchronizationSources(): object[];
}

let framelock: Framelock;
let video: FakeVideo;
let peer: FakePeer;
let receivers: FakeReceiver[];
let stats: object;
let paints: ((now: number) => void)[];
let said: string[];

function receiver(kind: string): FakeReceiver {
  return {
    track: { kind }, transform: null,
    getStats: async () => new Map([["in", { type: "inbound-rtp", nackCount: 0, packetsLost: 0, ...stats }]]),
    getSynchronizationSources: () => [],
  };
}

function setUp(options: FramelockOptions = {}): void {
  video = new FakeVideo();
  peer = new FakePeer();
  receivers = [receiver("audio"), receiver("video")];
  peer.getReceivers = () => receivers;
  framelock = attach(peer as unknown as RTCPeerConnection, video as unknown as HTMLVideoElement, { verify: false, ...options });
  said = [];
  framelock.events.on("event", (f) => said.push(`event ${f.event.seq}`));
  framelock.events.on("frame", (f) => said.push(`frame ${(f.ts! - T0) / FRAME}${f.again ? " again" : ""}`));
  framelock.events.on("notice", (n) => said.push(n.code));
  framelock.events.on("hash", (h) => said.push(`hash ${h.seq} ${h.result}`));
  framelock.events.on("alarm", (a) => said.push(`alarm ${a.code}`));
}

const worker = () => FakeWorker.all.at(-1)!;

/** Frame n is decoded. */
function decodes(n: number): void {
  worker().says({ type: "picture", rtp: low32(at(n)), at: performance.timeOrigin + performance.now(), frame: new Decoded() });
}

/** The screen refreshes once a frame of the stream's. */
function refresh(): void {
  vi.advanceTimersByTime(FRAME / 90);
  for (const paint of paints.splice(0)) paint(performance.now());
}

function joins(stateAt = T0): void {
  for (const p of snapshotParts(snapshotBody(0, stateAt, {}))) peer.channel("events").says(p);
}

beforeEach(() => {
  fakeBrowser({ webcodecs: false });
  vi.useFakeTimers({ now: 0, toFake: ["setInterval", "clearInterval", "setTimeout", "clearTimeout", "performance"] });
  FakeWorker.all = [];
  FakeTransform.last = undefined;
  FakeProcessor.last = undefined;
  Decoded.open = 0;
  stats = {};
  paints = [];
  vi.stubGlobal("Worker", FakeWorker);
  vi.stubGlobal("RTCRtpScriptTransform", FakeTransform);
  vi.stubGlobal("VideoDecoder", class {});
  vi.stubGlobal("requestAnimationFrame", (paint: (now: number) => void) => paints.push(paint));
  vi.stubGlobal("cancelAnimationFrame", () => (paints = []));
});

afterEach(() => {
  framelock.close();
  expect(Decoded.open).toBe(0);
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe("the decoded route", () => {
  it("is taken where pixels have no timestamps but frames can be decoded", () => {
    setUp({ worker: "/own/framelock-worker.js" });
    expect(framelock.route).toBe("decoded");
    expect(String(worker().url)).toBe(`${location.origin}/own/framelock-worker.js`);
    expect(worker().options).toMatchObject({ type: "module" });
    expect(receivers.map((r) => r.transform?.options)).toEqual([undefined, { session: expect.any(Number), decode: true, keep: false }]);
  });

  it("shows every decoded frame with its own events, and keeps one picture", () => {
    setUp();
    joins();
    peer.channel("fast").says(event(1, at(2)));
    for (let n = 1; n <= 3; n++) {
      decodes(n);
      refresh();
    }
    expect(said).toEqual(["frame 1", "event 1", "frame 2", "frame 3"]);
    expect(Decoded.open).toBe(1);
    peer.channel("events").says(event(2, at(2)));
    expect(said.slice(4)).toEqual(["event 2", "frame 3 again"]);
  });

  it("leaves no frame out that comes late, one at a refresh", () => {
    setUp();
    joins();
    decodes(1);
    refresh();
    refresh();
    refresh();
    [2, 3].forEach(decodes);
    refresh();
    refresh();
    expect(said).toEqual(["frame 1", "frame 2", "frame 3"]);
  });

  it("leaves nothing out after the page stood still, unless that was for long", () => {
    setUp();
    joins();
    decodes(1);
    refresh();
    const standStill = (from: number, to: number) => {
      for (let n = from; n <= to; n++) {
        vi.advanceTimersByTime(FRAME / 90);
        decodes(n);
      }
    };
    standStill(2, 9);
    for (let n = 2; n <= 9; n++) refresh();
    expect(said).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9].map((n) => `frame ${n}`));
    standStill(10, 29);
    refresh();
    expect(said.at(-1)).toBe("frame 29");
  });

  it("keeps no more than a few pictures for a page that paints nothing", () => {
    setUp();
    joins();
    for (let n = 1; n <= 200; n++) {
      vi.advanceTimersByTime(FRAME / 90);
      decodes(n);
    }
    expect(Decoded.open).toBeLessThanOrEqual(20);
  });

  it("shows nothing before the snapshot, unless that does not come", () => {
    setUp();
    for (let n = 1; n <= 10; n++) {
      decodes(n);
      refresh();
    }
    expect(said).toEqual([]);
    joins(at(10));
    decodes(11);
    refresh();
    expect(said).toEqual(["frame 11"]);

    framelock.close();
    setUp();
    for (let n = 1; n <= 60; n++) {
      decodes(n);
      refresh();
    }
    expect(said.length).toBeGreaterThan(10);
  });

  it("drops what belongs to an old session", () => {
    setUp();
    joins();
    const old = FakeTransform.last!.options.session;
    framelock.connect(new FakePeer() as unknown as RTCPeerConnection);
    worker().says({ type: "picture", session: old, rtp: low32(at(1)), at: performance.timeOrigin, frame: new Decoded() });
    expect(Decoded.open).toBe(0);
  });

  it("tells the worker whether packets were lost lately", async () => {
    setUp();
    vi.advanceTimersByTime(1000);
    await vi.advanceTimersByTimeAsync(0);
    worker().says({ type: "ask" });
    await vi.advanceTimersByTimeAsync(100);
    stats = { nackCount: 2 };
    worker().says({ type: "ask" });
    await vi.advanceTimersByTimeAsync(100);
    expect(worker().heard.map((m) => m.lost)).toEqual([false, true]);
  });

  it("starts a worker of another origin by one of the page's own", async () => {
    const texts: Blob[] = [];
    vi.stubGlobal("URL", Object.assign(URL, { createObjectURL: (b: Blob) => `blob:own/${texts.push(b)}`, revokeObjectURL: vi.fn() }));
    setUp({ worker: "https://cdn.test/sdk/framelock-worker.js" });
    expect(worker().url).toBe("blob:own/1");
    expect(await texts[0]!.text()).toBe('import "https://cdn.test/sdk/framelock-worker.js";');
    vi.advanceTimersByTime(60_000);
  });

  it("falls to the element's pictures when no worker may be started", async () => {
    vi.stubGlobal("Worker", class {
      constructor() {
        throw new DOMException("not here", "SecurityError");
      }
    });
    setUp();
    await Promise.resolve();
    expect([framelock.route, said]).toEqual(["approximate", ["route"]]);
  });

  it.each([
    ["the worker cannot be loaded", () => worker().onerror?.({ message: "blocked" })],
    ["the decoder fails", () => worker().says({ type: "failed", reason: "no such codec" })],
  ])("falls to the element's pictures when %s", (_, fails) => {
    setUp();
    vi.spyOn(HTMLCanvasElement.prototype, "getContext").mockReturnValue({ drawImage: vi.fn() } as never);
    joins();
    fails();
    expect([framelock.route, receivers[1]!.transform]).toEqual(["approximate", null]);
    video.presents(low32(at(1)));
    expect(said).toEqual(["route", "frame 1"]);
  });

  it("notices a browser that gives no frames to the transform", async () => {
    setUp();
    stats = { framesReceived: 500 };
    await vi.advanceTimersByTimeAsync(300);
    expect([framelock.route, said]).toEqual(["approximate", ["route"]]);
  });

  it("takes over from pixels that turn out to have no timestamps", () => {
    vi.stubGlobal("VideoFrame", FakeVideoFrame);
    setUp();
    joins();
    expect(framelock.route).toBe("exact");
    vi.spyOn(FakeVideoFrame.prototype, "metadata").mockReturnValue({});
    for (let n = 1; n <= 30; n++) video.presents(low32(at(n)));
    expect([framelock.route, said]).toEqual(["decoded", ["route"]]);
    decodes(31);
    refresh();
    expect(said).toEqual(["route", "frame 31"]);
    expect(FakeVideoFrame.open).toBe(0);
  });

  it("can be declined", () => {
    setUp({ route: "approximate" });
    expect([framelock.route, FakeTransform.last]).toEqual(["approximate", undefined]);
  });
});

describe("the exact route", () => {
  beforeEach(() => {
    vi.stubGlobal("VideoFrame", FakeVideoFrame);
    vi.stubGlobal("MediaStreamTrackProcessor", FakeProcessor);
  });

  it("takes what the browser decodes of the track, every picture", async () => {
    setUp();
    expect([framelock.route, framelock.bypasses(peer as unknown as RTCPeerConnection)]).toEqual(["exact", true]);
    expect(FakeProcessor.last!.init).toEqual({ track: receivers[1]!.track, maxBufferSize: 10 });
    joins();
    peer.channel("fast").says(event(1, at(3)));
    await FakeProcessor.last!.gives(low32(at(1)));
    refresh();
    for (const n of [2, 3, 4]) await FakeProcessor.last!.gives(low32(at(n))); // the page was busy
    for (let n = 2; n <= 4; n++) refresh();
    expect(said).toEqual(["frame 1", "frame 2", "event 1", "frame 3", "frame 4"]);
    expect(framelock.pacing).toBeDefined();
    framelock.close();
    expect(FakeProcessor.last!.cancelled).toBe(true);
  });

  it("takes the element's pictures when the track's carry no timestamps", async () => {
    setUp();
    joins();
    for (let n = 1; n <= 30; n++) await FakeProcessor.last!.gives(undefined);
    video.presents(low32(at(31)));
    expect([framelock.route, framelock.bypasses(peer as unknown as RTCPeerConnection)]).toEqual(["exact", false]);
    expect(said).toEqual(["route", "frame 31"]);
    framelock.close();
    expect(FakeVideoFrame.open).toBe(0);
  });

  it("takes nothing of a session that is over", async () => {
    setUp();
    const before = FakeProcessor.last!;
    const next = new FakePeer();
    next.getReceivers = () => receivers;
    framelock.connect(next as unknown as RTCPeerConnection);
    expect([before.cancelled, FakeProcessor.last === before]).toEqual([true, false]);
  });
});

describe("frame hashes", () => {
  const hash = "ab".repeat(32);
  const published = (seq: number, n: number) => event(seq + 1, at(n), { kind: "frame_hash", data: { of_seq: seq, alg: "sha-256", hash } });

  it("are compared with the coded bytes, on the exact route too", () => {
    vi.stubGlobal("VideoFrame", FakeVideoFrame);
    setUp({ checkFrameHashes: true });
    expect([framelock.route, FakeTransform.last!.options]).toEqual(["exact", { session: expect.any(Number), decode: false, keep: true }]);
    joins();
    for (const [seq, n] of [[1, 1], [3, 2], [5, 3]] as const) {
      peer.channel("fast").says(event(seq, at(n)));
      peer.channel("fast").says(published(seq, n));
      peer.channel("events").says(published(seq, n));
    }
    expect(worker().heard).toEqual([1, 2, 3].map((n) => ({ type: "hash", session: expect.any(Number), rtp: low32(at(n)) })));
    worker().says({ type: "hash", rtp: low32(at(1)), hash });
    worker().says({ type: "hash", rtp: low32(at(2)), hash: "cd".repeat(32) });
    worker().says({ type: "hash", rtp: low32(at(3)), hash: undefined });
    expect(said).toEqual(["hash 1 match", "alarm frame_hash", "hash 3 mismatch", "hash 5 unseen"]);
  });

  it("are unseen where coded frames are not to be had", () => {
    vi.stubGlobal("RTCRtpScriptTransform", undefined);
    setUp({ checkFrameHashes: true });
    joins();
    peer.channel("events").says(event(1, at(1)));
    peer.channel("events").says(published(1, 1));
    expect(said).toEqual(["hash 1 unseen"]);
  });
});

describe("sound", () => {
  it("is what an audible element's pictures are kept to", () => {
    setUp();
    joins();
    video.muted = false;
    receivers[0]!.getSynchronizationSources = () => {
      // Frame n is decoded at n - 1 frames; the sound handed out 80 ms ago is 90 ms behind that.
      const captured = performance.now() - 80 - 90 + FRAME / 90;
      return [{ rtpTimestamp: low32(1_000_000 + Math.round(captured * 48)), timestamp: performance.timeOrigin + performance.now() - 80, source: 1 }];
    };
    peer.channel("fast").says({ ...clock(at(0)), audio_ts: 1_000_000 });
    for (let n = 1; n <= 120; n++) {
      decodes(n);
      refresh();
    }
    expect(framelock.pacing?.delayMs).toBeCloseTo(90, 0);
    video.muted = true;
    for (let n = 121; n <= 200; n++) {
      decodes(n);
      refresh();
    }
    expect(framelock.pacing?.delayMs).toBeLessThan(20);
  });

  it("alone goes to the element where the page decodes the pictures", async () => {
    setUp();
    vi.stubGlobal("fetch", async () => new Response("answer", { status: 201 }));
    const player = new FramelockPlayer(video as unknown as HTMLVideoElement, { verify: false });
    player.start({ src: "http://relay.test/whep/wheel" });
    await vi.advanceTimersByTimeAsync(0);
    const pc = FakePeer.all.at(-1)!;
    pc.ontrack?.({ track: { kind: "video" } });
    pc.ontrack?.({ track: { kind: "audio" } });
    pc.becomes("connected");
    for (const p of snapshotParts(snapshotBody(0, T0, {}))) pc.channel("events").says(p);
    expect((video.srcObject as { tracks: unknown[] }).tracks).toEqual([{ kind: "audio" }]);
    player.stop();
    await vi.advanceTimersByTimeAsync(2000);
  });
});
