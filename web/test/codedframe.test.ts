import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { codecOf } from "../src/core/codedframe.js";
import { frameHash } from "../src/core/framehash.js";
import { FrameHashes } from "../src/worker/hashes.js";
import { event, T0 } from "./fixtures.js";

const bytes = (hex: string) => Uint8Array.from(hex.replace(/\s/g, "").match(/../g) ?? [], (b) => parseInt(b, 16));

describe("codecOf", () => {
  it.each([
    ["H.264, parameter sets first", "00000001 6742e01eda 00000001 68ce 00000001 6588", "avc1.42e01e"],
    ["H.264, a delimiter before, short start codes", "000001 0910 000001 67640028ac 000001 68 000001 65", "avc1.640028"],
    ["H.264, profile 4d001f", "00000001 674d001f95", "avc1.4d001f"],
    ["H.264 without parameter sets", "00000001 6588840021", undefined],
    ["VP8 keyframe (RFC 6386, 9.1)", "10 02 00 9d 01 2a 80 02 68 01 00", "vp8"],
    ["VP8 delta frame", "11 02 00 9d 01 2a 80 02 68 01 00", undefined],
    ["too short", "10 02 00 9d 01 2a", undefined],
    ["nothing", "", undefined],
  ])("%s", (_, hex, codec) => expect(codecOf(bytes(hex))).toBe(codec));
});

describe("frameHash", () => {
  const hash = "AB".repeat(32);
  it("reads the event", () => {
    const e = event(9, T0, { kind: "frame_hash", data: { of_seq: 8, alg: "sha-256", hash } });
    expect(frameHash(e)).toEqual({ seq: 9, ofSeq: 8, ts: T0, hash: hash.toLowerCase() });
  });
  it.each([
    ["another kind", { kind: "marker", data: { of_seq: 8, alg: "sha-256", hash } }],
    ["another algorithm", { kind: "frame_hash", data: { of_seq: 8, alg: "sha-512", hash } }],
    ["no data", { kind: "frame_hash" }],
  ])("leaves %s alone", (_, more) => expect(frameHash(event(9, T0, more))).toBeUndefined());
});

describe("FrameHashes", () => {
  interface Vector { name: string; hashed: string; sha256: string }
  const vectors = JSON.parse(readFileSync("../testdata/vectors/framehash.json", "utf8")) as Vector[];

  it.each(vectors.map((v) => [v.name, v] as const))("%s, asked for before and after", async (_, v) => {
    const told: [number, string | undefined][] = [];
    const hashes = new FrameHashes((rtp, hash) => told.push([rtp, hash]));
    hashes.want(7);
    hashes.add(7, bytes(v.hashed).buffer);
    hashes.want(7);
    await new Promise((done) => setTimeout(done, 20));
    expect(told).toEqual([[7, v.sha256], [7, v.sha256]]);
  });

  it("says so when a frame does not come, across the wrap of timestamps", () => {
    const told: [number, string | undefined][] = [];
    const hashes = new FrameHashes((rtp, hash) => told.push([rtp, hash]));
    const missing = 2 ** 32 - 3000;
    hashes.want(missing);
    hashes.add(missing - 3000, new ArrayBuffer(1));
    hashes.add(170_000, new ArrayBuffer(1));
    expect(told).toEqual([]);
    hashes.add(180_000, new ArrayBuffer(1));
    expect(told).toEqual([[missing, undefined]]);
  });
});
