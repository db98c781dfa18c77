// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { low32 } from "../src/core/timestamp.js";
import { attach, type Framelock } from "../src/shell/framelock.js";
import { FakePeer, FakeVideo, FakeVideoFrame, fakeBrowser } from "./browser.js";
import { clock, event, FRAME, snapshotBody, snapshotParts, T0 } from "./fixtures.js";

const at = (n: number) => T0 + n * FRAME;

let framelock: Framelock;
let video: FakeVideo;
let peer: FakePeer;
let said: string[];

function setUp(options: Parameters<typeof fakeBrowser>[0] = {}): void {
  fakeBrowser(options);
  vi.useFakeTimers({ now: 0, toFake: ["setInterval", "clearInterval", "setTimeout", "clearTimeout", "performance"] });
  video = new FakeVideo();
  peer = new FakePeer();
  framelock = attach(peer as unknown as RTCPeerConnection, video as unknown as HTMLVideoElement);
  said = [];
  framelock.events.on("event", (f) => said.push(`event ${f.event.seq}`));
  framelock.events.on("frame", (f) => said.push(`frame ${(f.ts! - T0) / FRAME}${f.again ? " again" : ""}`));
  framelock.events.on("state", () => said.push("state"));
}

function joins(stateAt = T0, pending: ReturnType<typeof event>[] = []): void {
  for (const p of snapshotParts(snapshotBody(pending.length, stateAt, {}, pending))) peer.channel("events").says(p);
}

afterEach(() => {
  framelock.close();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe("attach", () => {
  beforeEach(() => setUp());

  it("makes the negotiated channels of the protocol", () => {
    expect(peer.channels.map((c) => [c.label, c.init])).toEqual([
      ["framelock.events.1", { id: 0, ordered: true, negotiated: true }],
      ["framelock.actions.1", { id: 2, ordered: true, negotiated: true }],
      ["framelock.fast.1", { id: 4, ordered: false, maxRetransmits: 0, negotiated: true }],
    ]);
  });

  it("tells the event and the state, then the frame that carries them, within one frame callback", () => {
    joins();
    peer.channel("fast").says(event(1, at(2), { patch: { n: 1 } }));
    video.presents(low32(at(1)));
    expect(said).toEqual(["state", "frame 1"]);
    said.length = 0;
    video.presents(low32(at(2)));
    expect(said).toEqual(["event 1", "state", "frame 2"]);
    expect(framelock.state).toEqual({ n: 1 });
    expect(framelock.presentedTs).toBe(at(2));
  });

  it("goes by the pixels' own timestamp, not by the callback's", () => {
    joins();
    peer.channel("fast").says(event(1, at(2)));
    video.presents(low32(at(1)), low32(at(2))); // the element holds a newer frame already
    expect(said).toContain("event 1");
    said.length = 0;
    video.presents(low32(at(2)));
    expect(said).toEqual([]); // that one has been shown
    expect(framelock.route).toBe("exact");
  });

  it("paints the frame on screen again for a late event", () => {
    joins();
    video.presents(low32(at(3)));
    said.length = 0;
    peer.channel("events").says(event(1, at(2)));
    expect(said).toEqual(["event 1", "frame 3 again"]);
  });

  it("holds one picture, and lets go of it at the end", () => {
    joins();
    for (let n = 1; n < 20; n++) video.presents(low32(at(n)));
    video.presents(low32(at(5))); // an old one is not kept
    expect(FakeVideoFrame.open).toBe(1);
    framelock.close();
    expect(FakeVideoFrame.open).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("measures the relay's clock and reports at most once a second", () => {
    joins();
    const actions = peer.channel("actions");
    for (let n = 1; n <= 40; n++) {
      peer.channel("fast").says(clock(at(n)));
      peer.channel("events").says(event(n, at(n)));
      video.presents(low32(at(n)));
      vi.advanceTimersByTime(100);
    }
    const pings = actions.sent.filter((m) => m.type === "ping");
    expect(pings.length).toBeGreaterThanOrEqual(8);
    const reports = actions.sent.filter((m) => m.type === "presented");
    expect(reports.length).toBeGreaterThanOrEqual(3);
    expect(reports.length).toBeLessThanOrEqual(4);
    expect(reports[0]).toMatchObject({ frame_error: 0, skipped: 0 });
  });

  it("notices a relay that has fallen silent, once", () => {
    const dead: string[] = [];
    framelock.events.on("dead", (d) => dead.push(d.reason));
    vi.advanceTimersByTime(10_000);
    expect(dead).toEqual([]); // nothing is expected before the first clock
    peer.channel("fast").says(clock(at(1)));
    vi.advanceTimersByTime(2000);
    expect(dead).toEqual([]);
    vi.advanceTimersByTime(10_000);
    expect(dead).toEqual(["the relay has fallen silent"]);
  });

  it("notices a closed channel", () => {
    const dead: string[] = [];
    framelock.events.on("dead", (d) => dead.push(d.reason));
    peer.channel("events").onclose?.();
    peer.channel("fast").onclose?.();
    expect(dead).toEqual(["framelock.events.1 was closed"]);
  });

  it("fires unseen while the page is hidden", () => {
    joins();
    video.presents(low32(at(1)));
    const hidden = vi.spyOn(document, "hidden", "get").mockReturnValue(true);
    const frames: boolean[] = [];
    framelock.events.on("event", (f) => frames.push(f.hidden));
    peer.channel("events").says(event(1, at(2)));
    peer.channel("fast").says({ ...clock(at(60)), server_time: "2030-01-01T00:00:00Z" });
    said.length = 0;
    vi.advanceTimersByTime(500);
    expect(said).toEqual(["event 1"]);
    expect(frames).toEqual([true]);
    hidden.mockReturnValue(false);
    video.presents(low32(at(61)));
    expect(said).toEqual(["event 1", "frame 61"]);
  });

  it("paints nothing after the return that passed before the first picture", () => {
    joins();
    video.presents(low32(at(1)));
    const hidden = vi.spyOn(document, "hidden", "get").mockReturnValue(true);
    const seen: [number, boolean][] = [];
    framelock.events.on("event", (f) => seen.push([f.event.seq, f.hidden]));
    for (const [seq, n] of [[1, 2], [2, 60], [3, 62], [4, 63]] as const) peer.channel("events").says(event(seq, at(n)));
    vi.advanceTimersByTime(500);
    hidden.mockReturnValue(false);
    document.dispatchEvent(new Event("visibilitychange"));
    video.presents(low32(at(62)));
    video.presents(low32(at(63)));
    expect(seen).toEqual([[1, true], [2, true], [3, false], [4, false]]);
  });

  it("keeps the frame from no one when a listener throws", () => {
    const reported: unknown[] = [];
    vi.stubGlobal("reportError", (e: unknown) => reported.push(e));
    const after: number[] = [];
    framelock.events.on("frame", () => {
      throw new Error("theirs");
    });
    framelock.events.on("frame", () => after.push(1));
    video.presents(low32(at(1)));
    expect([reported.length, after.length]).toEqual([1, 1]);
  });
});

describe("lesser browsers", () => {
  it("without WebCodecs copies the picture first thing, and says approximate", () => {
    setUp({ webcodecs: false });
    const drawn = vi.spyOn(HTMLCanvasElement.prototype, "getContext").mockReturnValue({ drawImage: vi.fn() } as never);
    joins();
    peer.channel("fast").says(event(1, at(1)));
    video.presents(low32(at(1)));
    expect(framelock.route).toBe("approximate");
    expect(said).toEqual(["event 1", "state", "frame 1"]);
    expect(drawn).toHaveBeenCalled();
  });

  it("falls to a lesser route when pixels carry no timestamp for good", () => {
    setUp();
    vi.spyOn(HTMLCanvasElement.prototype, "getContext").mockReturnValue({ drawImage: vi.fn() } as never);
    const notices: string[] = [];
    framelock.events.on("notice", (n) => notices.push(n.code));
    joins();
    vi.spyOn(FakeVideoFrame.prototype, "metadata").mockReturnValue({});
    for (let n = 1; n <= 30; n++) video.presents(low32(at(n)));
    expect([framelock.route, framelock.presentedTs]).toEqual(["approximate", undefined]);
    expect(notices).toEqual(["route"]);
    expect(FakeVideoFrame.open).toBe(0);
    video.presents(low32(at(31)));
    expect(framelock.presentedTs).toBe(at(31));
  });

  it("leaves out the pictures of no stream that come while the source changes", () => {
    setUp();
    joins();
    video.presents(low32(at(1)));
    const nameless = vi.spyOn(FakeVideoFrame.prototype, "metadata").mockReturnValue({});
    for (let n = 0; n < 5; n++) video.presents(0);
    nameless.mockRestore();
    video.presents(low32(at(2)));
    expect(said).toEqual(["state", "frame 1", "frame 2"]);
    expect([framelock.route, FakeVideoFrame.open]).toEqual(["exact", 1]);
  });

  it("says what an insecure context costs", async () => {
    setUp({ webcodecs: false, secure: false });
    const notices: string[] = [];
    framelock.events.on("notice", (n) => notices.push(n.text));
    await Promise.resolve();
    expect(notices).toHaveLength(1);
    expect(notices[0]).toContain("secure context");
  });
});
