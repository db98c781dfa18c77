// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { low32 } from "../src/core/timestamp.js";
import { FramelockPlayer } from "../src/shell/player.js";
import { FakePeer, FakeVideo, fakeBrowser } from "./browser.js";
import { clock, FRAME, snapshotBody, snapshotParts, T0 } from "./fixtures.js";

interface Call {
  method: string;
  url: string;
  token: string | undefined;
  viewer?: string;
  body: unknown;
}

let calls: Call[];
let answer: () => Response;
let player: FramelockPlayer;
let video: FakeVideo;
let statuses: string[];

const created = () => new Response("answer", { status: 201, headers: { Location: "/whep/wheel/s1" } });
const src = "http://relay.test/whep/wheel";
const settle = () => vi.advanceTimersByTimeAsync(0);
const posts = () => calls.filter((c) => c.method === "POST").length;

beforeEach(() => {
  fakeBrowser();
  vi.useFakeTimers({ now: 0, toFake: ["setInterval", "clearInterval", "setTimeout", "clearTimeout", "performance"] });
  vi.spyOn(Math, "random").mockReturnValue(0.5);
  calls = [];
  answer = created;
  vi.stubGlobal("fetch", async (url: string, init: RequestInit) => {
    const headers = init.headers as Record<string, string>;
    const viewer = headers["Framelock-Viewer"];
    calls.push({ method: init.method!, url, token: headers.Authorization, ...(viewer && { viewer }), body: init.body });
    return init.method === "POST" ? answer() : new Response(null, { status: 200 });
  });
  video = new FakeVideo();
  player = new FramelockPlayer(video as unknown as HTMLVideoElement);
  statuses = [];
  player.events.on("status", (s) => statuses.push(s.status));
});

afterEach(async () => {
  player.stop();
  await settle();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

/** The newest session comes up and shows a frame. */
function comesUp(n: number): FakePeer {
  const peer = FakePeer.all.at(-1)!;
  peer.becomes("connected");
  peer.ontrack?.({ track: { kind: "video" } });
  for (const p of snapshotParts(snapshotBody(0, T0 + n * FRAME, {}))) peer.channel("events").says(p);
  peer.channel("fast").says(clock(T0 + n * FRAME));
  video.presents(low32(T0 + n * FRAME));
  return peer;
}

describe("FramelockPlayer", () => {
  it("gives the element the sound alone, in a stream of its own, where it takes the pictures itself", async () => {
    player.stop();
    vi.stubGlobal("MediaStreamTrackProcessor", class {});
    const sdp = (sound: string) =>
      `m=audio 9 X 111\r\na=mid:1\r\na=msid:wheel${sound} audio\r\nm=video 9 X 96\r\na=msid:wheel video\r\n`;
    answer = () => new Response(sdp(""), { status: 201, headers: { Location: "/whep/wheel/s1" } });
    player = new FramelockPlayer(video as unknown as HTMLVideoElement);
    player.start({ src });
    await settle();
    const peer = FakePeer.all.at(-1)!;
    expect(peer.answer).toBe(sdp("-sound"));
    for (const kind of ["video", "audio"]) peer.ontrack?.({ track: { kind } });
    peer.becomes("connected");
    for (const p of snapshotParts(snapshotBody(0, T0, {}))) peer.channel("events").says(p);
    expect((video.srcObject as { tracks: unknown[] }).tracks).toEqual([{ kind: "audio" }]);
  });

  it("offers to receive video, audio and the three channels, with the token", async () => {
    player.start({ src, token: "secret" });
    await settle();
    const peer = FakePeer.all[0]!;
    expect(peer.transceivers).toEqual([["video", "recvonly"], ["audio", "recvonly"]]);
    expect(peer.channels).toHaveLength(3);
    expect(calls).toEqual([{ method: "POST", url: src, token: "Bearer secret", viewer: player.viewer, body: "offer" }]);
    expect(player.viewer).toMatch(/^[0-9a-f]{32}$/);
    expect(peer.answer).toBe("answer");
    comesUp(1);
    expect(statuses).toEqual(["connecting", "waiting", "live"]);
    expect(video.srcObject).not.toBeNull();
  });

  it("shows no picture before the state is known, unless the snapshot does not come", async () => {
    player.start({ src });
    await settle();
    const peer = FakePeer.all[0]!;
    peer.ontrack?.({ track: { kind: "video" } });
    peer.becomes("connected");
    expect(video.srcObject).toBeNull();
    await vi.advanceTimersByTimeAsync(1_600);
    expect(video.srcObject).not.toBeNull();
  });

  it("ends its session when stopped", async () => {
    player.start({ src, token: "secret" });
    await settle();
    const peer = comesUp(1);
    player.stop();
    await settle();
    expect(peer.closed).toBe(true);
    expect(calls.at(-1)).toMatchObject({ method: "DELETE", url: "http://relay.test/whep/wheel/s1", token: "Bearer secret" });
    expect(player.status).toBe("idle");
    await vi.advanceTimersByTimeAsync(60_000);
    expect(posts()).toBe(1);
  });

  it("reconnects when the relay falls silent, from a fresh snapshot, and rewinds nothing", async () => {
    player.start({ src });
    await settle();
    const first = comesUp(10);
    await vi.advanceTimersByTimeAsync(2600);
    expect(statuses.at(-1)).toBe("reconnecting");
    expect(first.closed).toBe(true);
    await vi.advanceTimersByTimeAsync(250);
    expect(posts()).toBe(2);
    const frames: number[] = [];
    player.framelock.events.on("frame", (f) => frames.push((f.ts! - T0) / FRAME));
    comesUp(8); // the burst begins before what is on screen
    expect(frames).toEqual([]);
    comesUp(90);
    expect(frames).toEqual([90]);
    expect(player.status).toBe("live");
  });

  it("asks for a fresh token each time", async () => {
    let n = 0;
    player.start({ src, token: () => `t${++n}` });
    await settle();
    comesUp(1);
    player.reconnect();
    await vi.advanceTimersByTimeAsync(300);
    expect(calls.filter((c) => c.method === "POST").map((c) => c.token)).toEqual(["Bearer t1", "Bearer t2"]);
    expect(new Set(calls.filter((c) => c.method === "POST").map((c) => c.viewer)).size).toBe(1); // the same viewer
  });

  it("backs off while there is no answer, and heeds Retry-After", async () => {
    answer = () => new Response('{"detail":"draining"}', { status: 503 });
    player.start({ src });
    await settle();
    // 250, 500, 1000, 2000 ms, three quarters of each
    const at: number[] = [];
    for (let ms = 0; ms < 3000; ms += 10) {
      const before = posts();
      await vi.advanceTimersByTimeAsync(10);
      if (posts() > before) at.push(ms + 10);
    }
    expect(at).toEqual([190, 570, 1320, 2820]);
    expect(statuses).toContain("reconnecting");
    answer = () => new Response("", { status: 503, headers: { "Retry-After": "30" } });
    await vi.advanceTimersByTimeAsync(3000);
    const before = posts();
    await vi.advanceTimersByTimeAsync(29_000);
    expect(posts()).toBe(before);
    answer = created;
    await vi.advanceTimersByTimeAsync(1100);
    expect(posts()).toBe(before + 1);
  });

  it("gives up where trying again cannot help, with the relay's own words", async () => {
    const reasons: string[] = [];
    player.events.on("status", (s) => reasons.push(s.reason));
    answer = () => Response.json({ title: "Unauthorized", detail: "the token has expired" }, { status: 401 });
    player.start({ src });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(posts()).toBe(1);
    expect(player.status).toBe("failed");
    expect(reasons.at(-1)).toBe("the relay answered 401: the token has expired");
  });

  it("waits for a stream that is not there yet", async () => {
    answer = () => Response.json({ title: "Not Found" }, { status: 404 });
    player.start({ src });
    await vi.advanceTimersByTimeAsync(1000);
    expect(posts()).toBeGreaterThan(1);
  });

  it("gives up a session that does not connect within 10 s", async () => {
    player.start({ src });
    await vi.advanceTimersByTimeAsync(9900);
    expect(posts()).toBe(1);
    await vi.advanceTimersByTimeAsync(500);
    expect(posts()).toBe(2);
    expect(FakePeer.all[0]!.closed).toBe(true);
  });

  it("takes a new session when the log can no longer be followed", async () => {
    player.start({ src });
    await settle();
    const peer = comesUp(1);
    peer.channel("events").says({ v: 1, type: "event", log: "0000000000000001", seq: 1, ts: T0, kind: "marker" });
    await vi.advanceTimersByTimeAsync(300);
    expect(posts()).toBe(2);
  });
});
