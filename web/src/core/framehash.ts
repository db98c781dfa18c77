import { isObject } from "./json.js";
import type { FramelockEvent } from "./wire.js";

/** What a `frame_hash` event says of a frame (protocol, section 5). */
export interface FrameHash {
  /** Seq of the `frame_hash` event, and of the event whose frame it is about. */
  seq: number;
  ofSeq: number;
  /** Canonical timestamp of the frame. */
  ts: number;
  /** SHA-256 over the coded bytes, lower-case hex. */
  hash: string;
}

/** Reads a `frame_hash` event, undefined for any other and for an algorithm that is not known. */
export function frameHash(event: FramelockEvent): FrameHash | undefined {
  const { data } = event;
  if (event.kind !== "frame_hash" || !isObject(data)) return undefined;
  const { of_seq: ofSeq, alg, hash } = data;
  if (typeof ofSeq !== "number" || alg !== "sha-256" || typeof hash !== "string") return undefined;
  return { seq: event.seq, ofSeq, ts: event.ts, hash: hash.toLowerCase() };
}

/** Keeps the last values by a key; the oldest go first. */
export class Recent<V> {
  private readonly values = new Map<number, V>();

  constructor(private readonly size: number) {}

  set(key: number, value: V): void {
    this.values.delete(key);
    this.values.set(key, value);
    if (this.values.size > this.size) this.values.delete(this.values.keys().next().value as number);
  }

  get(key: number): V | undefined {
    return this.values.get(key);
  }
}
