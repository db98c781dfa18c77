// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { low32 } from "../src/core/timestamp.js";
import type { Verification } from "../src/core/verifier.js";
import { attach, type Framelock } from "../src/shell/framelock.js";
import { FakePeer, FakeVideo, fakeBrowser } from "./browser.js";
import { clock, event, FRAME, snapshotBody, snapshotParts, T0 } from "./fixtures.js";
import { tools, vectors } from "./vectors.js";

const at = (n: number) => T0 + n * FRAME;
const rules = { closes_ts: at(100), grace_ms: 0, max_per_viewer: 3, max_bytes: 64, max_actions: 9, max_age_ms: 2000 };
const opening = event(1, at(2), { kind: "window.open", window: "w", data: rules });

let framelock: Framelock;
let video: FakeVideo;
let peer: FakePeer;

function joins(n: number, windows: object[] = []): void {
  for (const p of snapshotParts(snapshotBody(0, at(n), {}, [], { windows }))) peer.channel("events").says(p);
}

const sent = () => peer.channel("actions").sent.filter((m) => m.type === "action");
const accepted = (id: string) => ({ type: "receipt", v: 1, id, window: "w", verdict: "accepted", order: 1, seen: at(2) });

beforeEach(() => {
  fakeBrowser();
  vi.useFakeTimers({ now: 0, toFake: ["setInterval", "clearInterval", "setTimeout", "clearTimeout", "performance"] });
  video = new FakeVideo();
  peer = new FakePeer();
  framelock = attach(peer as unknown as RTCPeerConnection, video as unknown as HTMLVideoElement);
});

afterEach(() => {
  framelock.close();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe("act", () => {
  it("acts on the frame on screen and resolves with the receipt", async () => {
    const phases: string[] = [];
    framelock.events.on("window", (w) => phases.push(w.phase));
    await expect(framelock.act("w", 1)).rejects.toMatchObject({ code: "no_snapshot" });
    joins(0);
    peer.channel("events").says(opening);
    await expect(framelock.act("w", 1)).rejects.toMatchObject({ code: "not_caught_up" });
    video.presents(low32(at(1)));
    await expect(framelock.act("w", 1)).rejects.toMatchObject({ code: "window_unknown" });
    expect(framelock.windows).toEqual([]);
    video.presents(low32(at(2)));
    expect(framelock.windows).toMatchObject([{ window: "w", phase: "open" }]);
    const receipt = framelock.act("w", { pocket: 17 }, { id: "a" });
    expect(sent()).toEqual([{ type: "action", id: "a", window: "w", seen: { track: "v0", ts: at(2) }, data: { pocket: 17 } }]);
    peer.channel("events").says(accepted("a")); // not the channel for it
    expect(framelock.receipts).toEqual([]);
    peer.channel("actions").says(accepted("a"));
    expect(await receipt).toEqual(accepted("a"));
    expect(framelock.exportReceipts()).toContain(JSON.stringify(accepted("a")));
    video.presents(low32(at(100)));
    await expect(framelock.act("w", 1)).rejects.toMatchObject({ code: "window_not_open" });
    expect(phases).toEqual(["open", "closing"]);
  });

  it("sends the same action again in the next session, with the frame that was seen", async () => {
    joins(0);
    peer.channel("events").says(opening);
    video.presents(low32(at(2)));
    const receipt = framelock.act("w", 17, { id: "a" });
    const [first] = sent();
    peer.channel("events").onclose?.();
    const lost = framelock.act("w", 18, { id: "b" }); // nobody to send it to yet
    peer = new FakePeer();
    framelock.connect(peer as unknown as RTCPeerConnection);
    expect(sent()).toEqual([]);
    joins(5, [{ window: "w", phase: "open", open_ts: at(2), closes_ts: at(100), remaining_ms: 1, rules }]);
    expect(sent()[0]).toEqual(first);
    expect(sent()[1]).toMatchObject({ id: "b", seen: { ts: at(2) } });
    for (const id of ["a", "b", "a"]) peer.channel("actions").says(accepted(id));
    expect((await receipt).id + (await lost).id).toBe("ab");
    expect(framelock.receipts).toHaveLength(2);
  });

  it("gives up after the timeout, and when the player is closed", async () => {
    joins(0);
    peer.channel("events").says(opening);
    video.presents(low32(at(2)));
    const outcomes = Promise.allSettled([
      framelock.act("w", 1, { timeoutMs: 1000 }), framelock.act("w", 2, { timeoutMs: 3000 }), framelock.act("w", 3),
    ]);
    vi.advanceTimersByTime(1250);
    peer.channel("actions").readyState = "closed";
    vi.advanceTimersByTime(2000);
    framelock.close();
    const codes = (await outcomes).map((o) => (o.status === "rejected" ? (o.reason as { code: string }).code : o.value));
    expect(codes).toEqual(["no_receipt", "channel_closed", "closed"]);
  });

  it("counts down by the frames, and by the relay's clock while there are none", () => {
    joins(0);
    peer.channel("events").says(opening);
    peer.channel("fast").says(clock(at(2)));
    video.presents(low32(at(2)));
    const left = () => framelock.remainingMs(framelock.windows[0]!)!;
    expect(left()).toBeCloseTo((98 * 1000) / 30, 6);
    vi.advanceTimersByTime(200); // the page's clock alone changes nothing
    expect(left()).toBeCloseTo((98 * 1000) / 30, 6);
    vi.advanceTimersByTime(800);
    expect(left()).toBeCloseTo((98 * 1000) / 30 - 1000, 0);
    vi.advanceTimersByTime(60_000); // nor does it run on when the relay falls silent
    expect(left()).toBeGreaterThan(500);
    video.presents(low32(at(40)));
    expect(left()).toBeCloseTo((60 * 1000) / 30, 6);
  });
});

describe("verification", () => {
  /** Ends when the verifier has come to that state. */
  function becomes(state: string): Promise<Verification> {
    return new Promise((resolve) => framelock.events.on("verification", (v) => v.state === state && resolve(v)));
  }

  function plays(n: number): void {
    const body = snapshotBody(1, T0, {}, [], { log: vectors.log, stream: vectors.stream, log_head: vectors.head });
    for (const p of snapshotParts(body)) peer.channel("events").says(p);
    for (const { message } of vectors.session.slice(0, n)) peer.channel("events").says(message);
  }

  it("runs beside the page where there are no workers, from the ordered channel's bytes", async () => {
    expect(typeof Worker === "undefined").toBe(true);
    expect(tools.ed25519).toBeDefined();
    const verified = becomes("verified");
    plays(4);
    expect(await verified).toMatchObject({ size: 1 });
    peer.channel("fast").says(vectors.session[4]!.message); // that channel has no part in it
    const alarm = becomes("alarm");
    peer.channel("events").says(vectors.session_refused[0]!.message);
    expect((await alarm).alarm?.code).toBe("root");
    expect(framelock.verification?.state).toBe("alarm");
  });

  it("says what an insecure context costs", () => {
    vi.stubGlobal("crypto", { getRandomValues: (b: Uint8Array) => b });
    const other = attach(new FakePeer() as unknown as RTCPeerConnection, new FakeVideo() as unknown as HTMLVideoElement);
    expect(other.verification).toMatchObject({ state: "unverified", reason: "cannot verify: needs HTTPS or localhost" });
    other.close();
  });

  it("does not go on looking verified when the verifier breaks", async () => {
    const verified = becomes("verified");
    plays(4);
    await verified;
    const broken = becomes("unverified");
    vi.spyOn(crypto.subtle, "digest").mockRejectedValue(new Error("no more hashes"));
    peer.channel("events").says(vectors.session[4]!.message);
    expect((await broken).reason).toBe("the verifier broke: Error: no more hashes");
  });

  it("can be switched off", () => {
    const other = attach(new FakePeer() as unknown as RTCPeerConnection, new FakeVideo() as unknown as HTMLVideoElement, { verify: false });
    expect(other.verification).toBeUndefined();
    other.close();
  });
});

describe("a verifier in a worker", () => {
  class FakeWorker {
    static all: FakeWorker[] = [];
    onmessage: ((m: { data: unknown }) => void) | null = null;
    onerror: ((e: { preventDefault(): void }) => void) | null = null;
    readonly inputs: { type: string }[] = [];
    ended = false;

    constructor(readonly url: URL, readonly options: WorkerOptions) {
      FakeWorker.all.push(this);
    }

    postMessage(input: { type: string }): void {
      this.inputs.push(input);
    }

    terminate(): void {
      this.ended = true;
    }
  }

  beforeEach(() => {
    FakeWorker.all = [];
    vi.stubGlobal("Worker", FakeWorker);
    framelock.close();
    peer = new FakePeer();
    framelock = attach(peer as unknown as RTCPeerConnection, video as unknown as HTMLVideoElement);
  });

  it("is a file beside the SDK, and is given everything as it came", () => {
    const [worker] = FakeWorker.all;
    expect([worker!.url.pathname.split("/").at(-1), worker!.options.type]).toEqual(["framelock-verify.js", "module"]);
    peer.channel("events").says("one");
    expect(worker!.inputs).toEqual([{ type: "begin", key: undefined }, { type: "message", text: "one" }]);
    worker!.onmessage?.({ data: { type: "ready" } });
    worker!.onmessage?.({ data: { type: "verification", verification: { state: "verified" } } });
    expect(framelock.verification).toEqual({ state: "verified" });
    framelock.close();
    expect(worker!.ended).toBe(true);
  });

  it("gives way to one beside the page when the worker is refused, without losing anything", async () => {
    const verified = new Promise((resolve) => framelock.events.on("verification", (v) => v.state === "verified" && resolve(v)));
    const body = snapshotBody(1, T0, {}, [], { log: vectors.log, stream: vectors.stream, log_head: vectors.head });
    for (const p of snapshotParts(body)) peer.channel("events").says(p);
    FakeWorker.all[0]!.onerror?.({ preventDefault: () => undefined });
    expect(await verified).toMatchObject({ size: 1 });
    expect(FakeWorker.all).toHaveLength(1);
  });

  it("says so when the worker breaks later, and begins another with the next session", () => {
    const [worker] = FakeWorker.all;
    worker!.onmessage?.({ data: { type: "ready" } });
    worker!.onerror?.({ preventDefault: () => undefined });
    expect(framelock.verification).toMatchObject({ state: "unverified", reason: "the verifier broke; the next session begins another" });
    framelock.connect(new FakePeer() as unknown as RTCPeerConnection);
    expect(FakeWorker.all).toHaveLength(2);
  });
});
