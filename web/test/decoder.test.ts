import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { FrameDecoder } from "../src/worker/decoder.js";
import { FRAME } from "./fixtures.js";

/** A VP8 frame as codecOf knows it (RFC 6386, section 9.1). */
const coded = (key: boolean) => Uint8Array.from([key ? 0x10 : 0x11, 2, 0, 0x9d, 1, 0x2a, 0x80, 2, 0x68, 1]).buffer;

class FakeDecoder {
  static all: FakeDecoder[] = [];
  state = "unconfigured";
  readonly codecs: string[] = [];
  readonly chunks: { type: string; timestamp: number }[] = [];
  constructor(readonly init: { output(f: object): void; error(e: Error): void }) {
    FakeDecoder.all.push(this);
  }
  configure({ codec }: { codec: string }): void {
    this.codecs.push(codec);
    this.state = "configured";
  }
  decode(chunk: { type: string; timestamp: number }): void {
    this.chunks.push(chunk);
  }
  close(): void {
    this.state = "closed";
  }
}

let told: string[];
let decoder: FrameDecoder;

beforeEach(() => {
  FakeDecoder.all = [];
  vi.useFakeTimers({ now: 0, toFake: ["performance"] });
  vi.stubGlobal("VideoDecoder", FakeDecoder);
  vi.stubGlobal("EncodedVideoChunk", class {
    constructor(init: object) {
      Object.assign(this, init);
    }
  });
  told = [];
  decoder = new FrameDecoder({
    picture: (f) => told.push(`picture ${f.timestamp / FRAME}`),
    ask: () => told.push("ask"),
    requestKeyFrame: () => told.push("request"),
    failed: (reason) => told.push(reason),
  });
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const push = (n: number, key = n % 30 === 0) => decoder.push(n * FRAME, key, coded(key), performance.now());
const fake = () => FakeDecoder.all.at(-1)!;
const comesOut = (n: number) => fake().init.output({ timestamp: n * FRAME, close: () => told.push("closed") });

describe("FrameDecoder", () => {
  it("configures once and gives the RTP timestamp along", () => {
    [0, 1, 2].forEach((n) => push(n));
    push(30, true);
    expect(fake().codecs).toEqual(["vp8"]);
    expect(fake().chunks.map((c) => [c.type, c.timestamp])).toEqual([
      ["key", 0], ["delta", FRAME], ["delta", 2 * FRAME], ["key", 30 * FRAME],
    ]);
    comesOut(0);
    expect(told).toEqual(["picture 0"]);
  });

  it("starts anew with a keyframe after a failure, and gives up after three", () => {
    for (let i = 0; i < 3; i++) {
      vi.advanceTimersByTime(2000);
      push(30 * i, true);
      fake().init.error(new Error("broken"));
      push(30 * i + 1);
    }
    expect(FakeDecoder.all).toHaveLength(3);
    expect(FakeDecoder.all.map((d) => d.chunks.length)).toEqual([1, 1, 2]);
    expect(told).toEqual(["request", "request", "the decoder failed: broken"]);
  });

  it("says that it does not know a codec", () => {
    decoder.push(0, true, new ArrayBuffer(20), 0);
    expect(told).toEqual(["a keyframe is neither VP8 nor H.264 with parameter sets"]);
  });

  it("skips to a keyframe when the machine is too slow, but not in the burst of a join", () => {
    for (let n = 0; n < 120; n++) push(n);
    comesOut(0);
    expect(fake().state).toBe("configured");
    vi.advanceTimersByTime(3001);
    comesOut(1);
    expect(fake().state).toBe("closed");
    expect(told).toEqual(["picture 0", "picture 1", "request"]);
  });

  it("closes what comes out after its end", () => {
    push(0);
    decoder.close();
    comesOut(0);
    push(1);
    expect([fake().state, told]).toEqual(["closed", ["closed"]]);
  });
});
