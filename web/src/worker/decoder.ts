import { codecOf } from "../core/codedframe.js";
import { FrameOrder, type OrderAction } from "../core/frameorder.js";

/** More ticks than this between what went in and what came out, and the machine is too slow: three seconds. */
const BEHIND_TICKS = 270_000;

/** A decoder that has just begun may be behind by the burst of a join. */
const BURST_MS = 3000;

/** So many failures without a picture between them, and this browser cannot decode the stream. */
const GIVE_UP_AFTER = 3;

/** What a decoder tells. */
export interface DecoderEvents {
  picture(frame: VideoFrame): void;
  /** Were packets lost lately? */
  ask(): void;
  requestKeyFrame(): void;
  failed(reason: string): void;
}

/**
 * Decodes coded frames with WebCodecs. A chunk's timestamp is the frame's RTP
 * timestamp, and so is that of the picture that comes out: the two cannot part.
 */
export class FrameDecoder {
  private readonly order = new FrameOrder<ArrayBuffer>();
  private decoder: VideoDecoder | undefined;
  private codec: string | undefined;
  private rtp = new WeakMap<ArrayBuffer, number>();
  private into: number | undefined;
  private failures = 0;
  private begun = 0; // when the decoder was made
  private closed = false;

  constructor(private readonly events: DecoderEvents) {}

  /** Frames that were not decoded. */
  get dropped(): number {
    return this.order.dropped;
  }

  /** Takes a coded frame. */
  push(rtp: number, key: boolean, data: ArrayBuffer, now: number): void {
    this.rtp.set(data, rtp);
    this.perform(this.order.push(rtp, key, data, now));
  }

  /** Packets were lost lately, or not. */
  answer(lost: boolean, now: number): void {
    this.perform(this.order.answer(lost, now));
  }

  /** To be called some times a second. */
  check(now: number): void {
    this.perform(this.order.check(now));
  }

  close(): void {
    this.closed = true;
    this.drop();
  }

  private perform(actions: OrderAction<ArrayBuffer>[]): void {
    for (const a of actions) {
      if (this.closed) return;
      if (a.type === "ask") this.events.ask();
      else if (a.type === "request") this.events.requestKeyFrame();
      else this.decode(a.frame, a.key);
    }
  }

  private decode(data: ArrayBuffer, key: boolean): void {
    const timestamp = this.rtp.get(data)!;
    if (key) this.prepare(data);
    if (!this.decoder) return;
    try {
      this.into = timestamp;
      this.decoder.decode(new EncodedVideoChunk({ type: key ? "key" : "delta", timestamp, data }));
    } catch (e) {
      this.fail(e);
    }
  }

  /** Makes or changes the decoder as the keyframe needs it. */
  private prepare(data: ArrayBuffer): void {
    const codec = codecOf(new Uint8Array(data)) ?? this.codec;
    if (codec === undefined) return this.events.failed("a keyframe is neither VP8 nor H.264 with parameter sets");
    if (this.decoder && codec === this.codec) return;
    this.codec = codec;
    try {
      if (!this.decoder) {
        this.decoder = new VideoDecoder({ output: (f) => this.picture(f), error: (e) => this.fail(e) });
        this.begun = performance.now();
      }
      // No description: H.264 is in Annex B form, its parameter sets come with every keyframe.
      this.decoder.configure({ codec, optimizeForLatency: true });
    } catch (e) {
      this.fail(e);
    }
  }

  private picture(frame: VideoFrame): void {
    this.failures = 0;
    if (this.closed) return frame.close();
    const behind = ((this.into ?? 0) - frame.timestamp) | 0;
    this.events.picture(frame);
    if (behind > BEHIND_TICKS && performance.now() - this.begun > BURST_MS) this.startAgain();
  }

  private fail(e: unknown): void {
    if (this.closed) return;
    if (++this.failures >= GIVE_UP_AFTER) return this.events.failed(`the decoder failed: ${e instanceof Error ? e.message : String(e)}`);
    this.startAgain();
  }

  private startAgain(): void {
    this.drop();
    this.perform(this.order.restart(performance.now()));
  }

  private drop(): void {
    if (this.decoder && this.decoder.state !== "closed") this.decoder.close();
    this.decoder = undefined;
  }
}
