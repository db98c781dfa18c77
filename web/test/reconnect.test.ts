// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { low32 } from "../src/core/timestamp.js";
import { FramelockPlayer, type Switched } from "../src/shell/player.js";
import { FakePeer, FakeVideo, FakeVideoFrame, fakeBrowser } from "./browser.js";
import { clock, event, FRAME, snapshotBody, snapshotParts, T0 } from "./fixtures.js";

const at = (n: number) => T0 + n * FRAME;
const src = "http://relay.test/whep/wheel";
const settle = () => vi.advanceTimersByTimeAsync(0);

let player: FramelockPlayer;
let first: FakeVideo; // the page's element
let answer: () => Response;
let posted: number;
let ended: number;
let statuses: string[];
let frames: number[];
let fired: number[];
let switches: Switched[];

const created = () => new Response("answer", { status: 201, headers: { Location: `/whep/wheel/s${posted}` } });

/** What the player's connections are, oldest first. */
const peer = (n: number) => FakePeer.all[n]!;
/** The element of the session that is made beside the present one. */
const second = () => FakeVideo.copies[0]!;

function joins(p: FakePeer, n: number, seq = 0, more: { pending?: ReturnType<typeof event>[]; body?: object } = {}): void {
  for (const part of snapshotParts(snapshotBody(seq, at(n), {}, more.pending ?? [], { ...more.body }))) p.channel("events").says(part);
}

/** The first session plays, and shows frame n. */
async function plays(n = 1): Promise<void> {
  player.start({ src });
  await settle();
  peer(0).becomes("connected");
  joins(peer(0), n);
  first.presents(low32(at(n)));
  expect(player.status).toBe("live");
  frames.length = 0;
}

beforeEach(() => {
  fakeBrowser();
  vi.useFakeTimers({ now: 0, toFake: ["setInterval", "clearInterval", "setTimeout", "clearTimeout", "performance"] });
  vi.spyOn(Math, "random").mockReturnValue(0.5);
  posted = ended = 0;
  answer = created;
  vi.stubGlobal("fetch", async (_url: string, init: RequestInit) => {
    if (init.method === "POST") {
      posted++;
      return answer();
    }
    ended++;
    return new Response(null, { status: 200 });
  });
  first = new FakeVideo();
  first.parentNode = {};
  player = new FramelockPlayer(first as unknown as HTMLVideoElement);
  statuses = [];
  frames = [];
  fired = [];
  switches = [];
  player.events.on("status", (s) => statuses.push(s.status));
  player.events.on("switched", (s) => switches.push(s));
  player.framelock.events.on("frame", (f) => f.again || frames.push((f.ts! - T0) / FRAME));
  player.framelock.events.on("event", (e) => fired.push(e.hidden ? -e.event.seq : e.event.seq));
});

afterEach(async () => {
  player.stop();
  await settle();
  expect(FakeVideoFrame.open).toBe(0);
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

describe("a new session beside one that plays", () => {
  it("takes over in the paint of its first new picture, and then the old one ends", async () => {
    await plays(10);
    player.reconnect("why not");
    await settle();
    expect([posted, peer(0).closed]).toEqual([2, false]);
    peer(1).becomes("connected");
    second().presents(low32(at(11))); // before its snapshot: nothing
    joins(peer(1), 11);
    first.presents(low32(at(11)));
    second().presents(low32(at(9))); // the burst begins before what is on screen
    second().presents(low32(at(10)));
    expect([frames, player.video, peer(0).closed]).toEqual([[11], first, false]);
    second().presents(low32(at(12)));
    first.presents(low32(at(12)));
    first.presents(low32(at(13)));
    second().presents(low32(at(13)));
    await settle();
    expect(frames).toEqual([11, 12, 13]);
    expect([peer(0).closed, ended, player.video, first.srcObject]).toEqual([true, 1, second(), null]);
    expect(switches).toMatchObject([{ reason: "why not", seamless: true }]);
    expect(statuses).toEqual(["connecting", "waiting", "live"]); // it never stopped
    expect(player.framelock.connection).toBe(peer(1));
  });

  it("loses no event and fires none twice, whichever session brought it", async () => {
    await plays(10);
    const of = [1, 2, 3, 4, 5, 6].map((seq) => event(seq, at(10 + 2 * seq)));
    for (const e of of.slice(0, 3)) peer(0).channel("events").says(e);
    first.presents(low32(at(12)));
    player.reconnect();
    await settle();
    peer(1).becomes("connected");
    // The cut is at frame 15: event 2 (frame 14) is in the state, 3 is still to come. On screen is frame 12.
    joins(peer(1), 15, 4, { pending: [of[2]!, of[3]!] });
    peer(1).channel("events").says(of[4]!);
    second().presents(low32(at(15)));
    expect(frames).toEqual([12]); // event 4 is in the snapshot, and has not come in the old session yet
    peer(0).channel("events").says(of[3]!);
    second().presents(low32(at(16)));
    expect(frames).toEqual([12, 16]);
    expect(fired).toEqual([1, 2, 3]);
    peer(0).channel("events").says(of[4]!); // closed: not heard
    peer(1).channel("events").says(of[5]!);
    for (const n of [18, 20, 22]) second().presents(low32(at(n)));
    expect(fired).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it("takes over from the very frame that is on screen, which is not painted again", async () => {
    await plays(10);
    player.reconnect();
    await settle();
    peer(1).becomes("connected");
    joins(peer(1), 10);
    first.presents(low32(at(11)));
    second().presents(low32(at(11)));
    expect([frames, player.video, FakeVideoFrame.open]).toEqual([[11], second(), 1]); // the old picture stays valid
    peer(1).channel("events").says(event(1, at(11))); // late: it is painted over that picture
    second().presents(low32(at(12)));
    expect([frames, fired, FakeVideoFrame.open]).toEqual([[11, 12], [1], 1]);
  });

  it("waits no longer than half a second for the old one to be overtaken", async () => {
    await plays(10);
    player.reconnect();
    await settle();
    peer(1).becomes("connected");
    joins(peer(1), 10);
    for (let n = 11; n < 40; n++) {
      await vi.advanceTimersByTimeAsync(33);
      first.presents(low32(at(n)));
      second().presents(low32(at(n - 1))); // a frame behind for good
    }
    expect(player.video).toBe(second());
    second().presents(low32(at(40)));
    expect(new Set(frames).size).toBe(frames.length);
    expect(frames).toEqual([...frames].sort((a, b) => a - b));
  });

  it("is made once, however many ask for it", async () => {
    await plays();
    player.reconnect("one");
    player.reconnect("two");
    peer(0).becomes("disconnected");
    dispatchEvent(new Event("online"));
    await vi.advanceTimersByTimeAsync(900);
    expect(posted).toBe(2);
    peer(1).becomes("connected");
    joins(peer(1), 2);
    second().presents(low32(at(2)));
    expect(switches.map((s) => s.reason)).toEqual(["one"]);
  });

  it("takes turns with the elements, and with the sound", async () => {
    await plays(1);
    first.muted = false;
    first.volume = 0.4;
    first.id = "table";
    for (let n = 1; n <= 3; n++) {
      const before = player.video as unknown as FakeVideo;
      player.reconnect();
      await settle();
      const after = before === first ? second() : first;
      expect(after.muted).toBe(true);
      peer(n).becomes("connected");
      joins(peer(n), 2 * n);
      after.presents(low32(at(2 * n + 1)));
      expect(player.video).toBe(after);
      expect([after.muted, after.volume, after.id, before.muted, before.id]).toEqual([false, 0.4, "table", true, ""]);
      expect([after.parentNode === null, before.parentNode]).toEqual([false, null]);
    }
    expect(FakeVideo.copies).toHaveLength(1);
  });

  it("sends an action that waits again, as it was, once the new session's snapshot is there", async () => {
    await plays(1);
    const opening = event(1, at(2), { kind: "window.open", window: "w", data: { closes_ts: at(900), max_bytes: 64 } });
    peer(0).channel("events").says(opening);
    first.presents(low32(at(3)));
    const receipt = player.framelock.act("w", 17, { id: "a" });
    player.reconnect();
    await settle();
    const actions = (n: number) => peer(n).channel("actions").sent.filter((m) => m.type === "action");
    peer(1).becomes("connected");
    joins(peer(1), 4, 1, { body: { windows: [{ window: "w", phase: "open", open_ts: at(2), rules: { closes_ts: at(900), max_bytes: 64 } }] } });
    expect(actions(1)).toEqual([]); // the old one may still answer
    second().presents(low32(at(5)));
    expect(actions(1)).toEqual(actions(0));
    peer(1).channel("actions").says({ type: "receipt", v: 1, id: "a", window: "w", verdict: "accepted", order: 1, seen: at(3) });
    expect(await receipt).toMatchObject({ verdict: "accepted" });
  });
});

describe("what asks for it", () => {
  async function changesOver(): Promise<void> {
    await settle();
    expect([posted, peer(0).closed]).toEqual([2, false]);
    peer(1).becomes("connected");
    joins(peer(1), 2);
    second().presents(low32(at(2)));
    expect(switches).toMatchObject([{ seamless: true }]);
  }

  it("a relay that drains, within a second", async () => {
    await plays();
    peer(0).channel("events").says({ type: "notice", code: "draining", text: "the relay is stopping" });
    await settle();
    expect(posted).toBe(1);
    await vi.advanceTimersByTimeAsync(500);
    await changesOver();
    expect(switches[0]!.reason).toBe("the relay is stopping");
  });

  it("a relay that drains, as long as that takes", async () => {
    await plays();
    answer = () => new Response("{}", { status: 503, headers: { "Retry-After": "2" } });
    peer(0).channel("events").says({ type: "notice", code: "draining", text: "" });
    for (let n = 2; n < 120; n++) {
      await vi.advanceTimersByTimeAsync(500);
      first.presents(low32(at(n)));
    }
    expect(posted).toBeGreaterThan(6);
    answer = created;
    for (let n = 120, before = posted; posted === before && n < 160; n++) {
      await vi.advanceTimersByTimeAsync(500);
      first.presents(low32(at(n)));
    }
    const made = FakePeer.all.at(-1)!;
    made.becomes("connected");
    joins(made, 170);
    FakeVideo.copies.at(-1)!.presents(low32(at(170)));
    expect([switches.at(-1)?.seamless, player.status, statuses.includes("reconnecting")]).toEqual([true, "live", false]);
  });

  it("a relay that drains and is gone, after a pause of which a second is chance", async () => {
    vi.mocked(Math.random).mockReturnValue(0.9);
    await plays();
    peer(0).channel("events").says({ type: "notice", code: "draining", text: "" });
    await vi.advanceTimersByTimeAsync(100);
    peer(0).becomes("failed");
    await vi.advanceTimersByTimeAsync(900);
    expect(posted).toBe(1);
    await vi.advanceTimersByTimeAsync(300);
    expect(posted).toBe(2);
  });

  it("a connection in doubt", async () => {
    await plays();
    peer(0).becomes("disconnected");
    await changesOver();
  });

  it("a machine that is online again", async () => {
    await plays();
    dispatchEvent(new Event("online"));
    await changesOver();
  });

  it("another network, not another estimate of its speed", async () => {
    const connection = Object.assign(new EventTarget(), { type: "wifi" });
    vi.stubGlobal("navigator", { connection });
    await plays();
    connection.dispatchEvent(new Event("change"));
    connection.type = "none";
    connection.dispatchEvent(new Event("change"));
    await settle();
    expect(posted).toBe(1);
    connection.type = "cellular";
    connection.dispatchEvent(new Event("change"));
    await changesOver();
  });
});

describe("when something dies", () => {
  it("the old one: the new one takes its place without another offer", async () => {
    await plays(10);
    player.reconnect();
    await settle();
    peer(0).becomes("failed");
    expect([player.status, posted, switches.at(-1)?.seamless]).toEqual(["reconnecting", 2, false]);
    peer(1).becomes("connected");
    expect(player.status).toBe("waiting");
    joins(peer(1), 12);
    second().presents(low32(at(12)));
    expect([player.status, frames]).toEqual(["live", [12]]);
    await vi.advanceTimersByTimeAsync(1000);
    expect(posted).toBe(2);
  });

  it("the old one by silence, while the new one is ready but for its picture", async () => {
    await plays(10);
    player.reconnect();
    await settle();
    peer(1).becomes("connected");
    joins(peer(1), 12);
    await vi.advanceTimersByTimeAsync(2600);
    expect([posted, player.status]).toEqual([2, "waiting"]);
    second().presents(low32(at(60)));
    expect(player.status).toBe("live");
  });

  it("the old one, and a new one that never comes up is given up in its time", async () => {
    await plays();
    player.reconnect();
    await settle();
    peer(0).becomes("failed");
    await vi.advanceTimersByTimeAsync(10_000);
    expect(peer(1).closed).toBe(true);
    await vi.advanceTimersByTimeAsync(300);
    expect(posted).toBe(3);
  });

  it("the new one: the old one goes on, and it is tried again with growing pauses", async () => {
    await plays();
    answer = () => new Response('{"detail":"full"}', { status: 503 });
    player.reconnect();
    const tries: number[] = [];
    for (let ms = 0, n = 2; ms < 20_000; ms += 10) {
      const before = posted;
      await vi.advanceTimersByTimeAsync(10);
      if (ms % 500 === 0) first.presents(low32(at(n++)));
      if (posted > before) tries.push(ms + 10);
    }
    expect(tries.length).toBe(5);
    expect(tries[4]! - tries[3]!).toBeGreaterThan(2 * (tries[2]! - tries[1]!));
    expect([player.status, peer(0).closed, statuses.includes("reconnecting")]).toEqual(["live", false, false]);
    answer = created;
    player.reconnect();
    await settle();
    expect(posted).toBe(7);
  });

  it("the new one, for good: the old one goes on", async () => {
    await plays();
    answer = () => new Response("{}", { status: 401 });
    player.reconnect();
    await vi.advanceTimersByTimeAsync(1500);
    expect([posted, player.status]).toEqual([2, "live"]);
  });

  it("the new one's channel, or its picture never comes", async () => {
    await plays();
    player.reconnect();
    await settle();
    peer(1).channel("events").onclose?.();
    expect([peer(1).closed, player.status]).toEqual([true, "live"]);
    await vi.advanceTimersByTimeAsync(300);
    expect(posted).toBe(3);
    peer(2).becomes("connected");
    for (let n = 2; n < 22; n++) {
      await vi.advanceTimersByTimeAsync(500);
      first.presents(low32(at(n)));
    }
    expect([peer(2).closed, player.status]).toEqual([true, "live"]);
  });

  it("the player is stopped in the middle of it", async () => {
    await plays();
    player.reconnect();
    await settle();
    player.stop();
    await settle();
    expect([peer(0).closed, peer(1).closed, ended, player.status]).toEqual([true, true, 2, "idle"]);
  });

  it("both, at once", async () => {
    await plays();
    player.reconnect();
    await settle();
    peer(1).becomes("failed");
    peer(0).becomes("failed");
    expect(player.status).toBe("reconnecting");
    await vi.advanceTimersByTimeAsync(300);
    expect(posted).toBe(3);
  });

  it("is not waited for when the network is back", async () => {
    await plays();
    answer = () => new Response("", { status: 503, headers: { "Retry-After": "30" } });
    peer(0).becomes("failed");
    await vi.advanceTimersByTimeAsync(1000);
    expect(posted).toBe(2);
    answer = created;
    dispatchEvent(new Event("online"));
    await settle();
    expect(posted).toBe(3);
  });
});

describe("a page that is not looked at", () => {
  it("changes over without a picture while it is hidden", async () => {
    await plays();
    vi.spyOn(document, "hidden", "get").mockReturnValue(true);
    player.reconnect();
    await settle();
    peer(1).becomes("connected");
    await vi.advanceTimersByTimeAsync(500);
    expect(switches).toEqual([]);
    joins(peer(1), 2);
    await vi.advanceTimersByTimeAsync(300);
    expect(switches).toMatchObject([{ seamless: true }]);
    expect([frames, player.status]).toEqual([[], "live"]);
  });

  it("fires unseen what has passed, before the first picture on return", async () => {
    await plays();
    const hidden = vi.spyOn(document, "hidden", "get").mockReturnValue(true);
    await vi.advanceTimersByTimeAsync(250);
    peer(0).channel("fast").says({ ...clock(at(60)), server_time: "2030-01-01T00:00:00Z" });
    for (let seq = 1; seq <= 20; seq++) peer(0).channel("events").says(event(seq, at(seq + 1)));
    hidden.mockReturnValue(false);
    document.dispatchEvent(new Event("visibilitychange"));
    first.presents(low32(at(61)));
    expect(fired).toEqual(Array.from({ length: 20 }, (_, i) => -i - 1));
  });

  it("shows nothing of what waited while it was suspended: the state at once", async () => {
    await plays();
    for (let seq = 1; seq <= 5; seq++) peer(0).channel("events").says(event(seq, at(seq + 1)));
    vi.setSystemTime(0);
    vi.clearAllTimers(); // nothing runs
    vi.spyOn(performance, "now").mockReturnValue(60_000);
    for (let seq = 6; seq <= 50; seq++) peer(0).channel("events").says(event(seq, at(seq + 1)));
    first.presents(low32(at(90)));
    expect([fired, frames, player.framelock.windows]).toEqual([[], [90], []]); // the picture, and nothing over it
    expect([player.status, peer(0).closed, FakePeer.all.length]).toEqual(["reconnecting", true, 2]);
    await settle();
    peer(1).becomes("connected");
    joins(peer(1), 1900, 50);
    first.presents(low32(at(1900)));
    expect([fired, frames, player.status]).toEqual([[], [90, 1900], "live"]);
  });

  it.each(["resume", "pageshow"])("takes a new session at once on %s, not beside the old one", async (name) => {
    await plays();
    const e = Object.assign(new Event(name), { persisted: true });
    (name === "resume" ? document : window).dispatchEvent(e);
    await settle();
    expect([posted, peer(0).closed, player.status]).toEqual([2, true, "reconnecting"]);
  });

  it("gives up a session that was being made, too", async () => {
    await plays();
    player.reconnect();
    await settle();
    document.dispatchEvent(new Event("resume"));
    await settle();
    expect([peer(0).closed, peer(1).closed, peer(2).closed]).toEqual([true, true, false]);
  });
});

describe("sound", () => {
  const refuses = () => Object.assign(new Error("no gesture"), { name: "NotAllowedError" });

  it("plays muted where the browser refuses it, says so, and comes with a gesture", async () => {
    const said: string[] = [];
    player.events.on("autoplay-muted", (e) => said.push(e.reason));
    first.muted = false;
    first.play.mockRejectedValueOnce(refuses());
    await plays();
    await settle();
    expect([first.muted, said.length, first.play.mock.calls.length]).toEqual([true, 1, 2]);
    first.play.mockRejectedValueOnce(refuses());
    expect([await player.unmute(), player.muted]).toEqual([false, true]);
    expect(first.play).toHaveBeenCalledTimes(4); // it goes on, muted
    expect([await player.unmute(), player.muted]).toEqual([true, false]);
  });

  it("is chosen by name or language among what there is", async () => {
    expect(() => player.selectAudio("a0")).toThrow("this stream has none yet");
    player.start({ src });
    await settle();
    const tracks = [{ track: "v0", kind: "video" }, { track: "a0", kind: "audio", codec: "opus", language: "de" }];
    joins(peer(0), 1, 0, { body: { tracks } });
    expect(player.audioTracks).toEqual([{ track: "a0", codec: "opus", language: "de" }]);
    expect(player.selectAudio("a0")).toBe(player.selectAudio("de"));
    expect(() => player.selectAudio("fr")).toThrow('there is no sound track "fr"; this stream has a0 (de)');
  });
});

it("keeps the pictures of the last outcomes, and the last latency", async () => {
  const drawn: unknown[] = [];
  vi.spyOn(HTMLCanvasElement.prototype, "getContext").mockReturnValue({ drawImage: (i: unknown) => drawn.push(i) } as never);
  await plays(1);
  for (let seq = 1; seq <= 6; seq++) peer(0).channel("events").says(event(seq, at(seq + 1), { kind: seq === 3 ? "marker" : "outcome" }));
  for (let n = 2; n <= 7; n++) first.presents(low32(at(n)));
  expect(drawn).toHaveLength(5);
  expect([1, 2, 3, 4, 5, 6].map((seq) => player.proofFrame(seq)?.ts)).toEqual([undefined, at(3), undefined, at(5), at(6), at(7)]);
  expect(player.proofFrame(6)).toMatchObject({ seq: 6, firing: { frames: 0 }, canvas: { width: 640, height: 360 } });
  expect(player.latency).toBeUndefined();
  const ping = peer(0).channel("actions").sent.find((m) => m.type === "ping")!;
  peer(0).channel("actions").says({ type: "pong", id: ping.id, server_time: new Date(T0 / 90 + 40).toISOString() });
  first.presents(low32(at(8)));
  expect(player.latency).toMatchObject({ ts: at(8) });
});
