/**
 * The worker of the SDK (framelock-worker.js): takes coded frames off a receiver
 * by RTCRtpScriptTransform. It decodes them here, or lets all go on to the
 * browser's own decoder, and keeps them for their hashes.
 */
import { KeyGate } from "../core/keygate.js";
import { KEY_PATIENCE_MS } from "../core/frameorder.js";
import { FrameDecoder } from "./decoder.js";
import { FrameHashes } from "./hashes.js";
import type { FromWorker, ToWorker, TransformOptions } from "./messages.js";

// These are not in the DOM library, only in that of workers, and the two exclude each other.
interface CodedFrame {
  readonly type: "key" | "delta" | "empty";
  /** RTP timestamp in browsers whose metadata does not have it. */
  readonly timestamp?: number;
  readonly data: ArrayBuffer;
  getMetadata(): { rtpTimestamp?: number };
}
interface Transformer {
  readonly readable: ReadableStream<CodedFrame>;
  readonly writable: WritableStream<CodedFrame>;
  readonly options: TransformOptions;
  sendKeyFrameRequest?(): Promise<unknown>;
}
interface WorkerScope {
  onrtctransform: ((e: { transformer: Transformer }) => void) | null;
  onmessage: ((e: { data: ToWorker }) => void) | null;
  postMessage(message: FromWorker, transfer: Transferable[]): void;
}
const scope = globalThis as unknown as WorkerScope;

const CHECK_MS = 100;
const COUNT_EVERY = 100;

/** One receiver's coded frames, from its transform's construction to its end. */
class Reception {
  private readonly decoder: FrameDecoder | undefined;
  private readonly hashes: FrameHashes | undefined;
  private readonly gate: KeyGate<CodedFrame> | undefined;
  private readonly writer: WritableStreamDefaultWriter<CodedFrame>;
  private received = 0;
  private told = 0; // dropped frames that the page knows of
  private timer: ReturnType<typeof setInterval> | undefined;
  private wake: ReturnType<typeof setTimeout> | undefined;
  private ended = false;

  constructor(private readonly transformer: Transformer) {
    const { session, decode, keep } = transformer.options;
    this.writer = transformer.writable.getWriter();
    this.writer.closed.catch(() => undefined); // it ends with the session
    if (keep) this.hashes = new FrameHashes((rtp, hash) => this.tell({ type: "hash", session, rtp, hash }));
    if (!decode) this.gate = new KeyGate();
    else this.decoder = new FrameDecoder({
      picture: (frame) => {
        const at = performance.timeOrigin + performance.now();
        this.tell({ type: "picture", session, rtp: frame.timestamp >>> 0, at, frame }, [frame]);
      },
      ask: () => this.tell({ type: "ask", session }),
      requestKeyFrame: () => void transformer.sendKeyFrameRequest?.().catch(() => undefined), // the session has ended
      failed: (reason) => this.tell({ type: "failed", session, reason }),
    });
  }

  get session(): number {
    return this.transformer.options.session;
  }

  /** Reads until the session ends. */
  async run(): Promise<void> {
    const reader = this.transformer.readable.getReader();
    if (this.decoder) this.timer = setInterval(() => this.decoder!.check(performance.now()), CHECK_MS);
    try {
      for (;;) {
        const { value: frame, done } = await reader.read();
        if (done) return;
        if (!this.ended) this.take(frame);
        // A receiver that never decodes anything asks for keyframes all the time: it
        // gets those, which cost it one decoding in a group of pictures.
        if (this.ended || (this.decoder && frame.type === "key")) this.goOn([frame]);
      }
    } finally {
      this.end();
    }
  }

  /** Decodes and keeps nothing any more; frames for the browser still go through, for as long as it gives some. */
  private end(): void {
    this.ended = true;
    clearInterval(this.timer);
    clearTimeout(this.wake);
    this.decoder?.close();
    this.goOn(this.gate?.end() ?? []);
  }

  private take(frame: CodedFrame): void {
    const now = performance.now();
    const rtp = (frame.getMetadata().rtpTimestamp ?? frame.timestamp ?? 0) >>> 0;
    const key = frame.type === "key";
    if (this.decoder || this.hashes) {
      const data = frame.data.slice(0); // the frame takes its own along when it goes on
      this.decoder?.push(rtp, key, data, now);
      this.hashes?.add(rtp, data);
    }
    if (this.gate) {
      const { pass, ask } = this.gate.push(rtp, key, frame, now);
      this.goOn(pass);
      if (ask) this.shut();
    }
    const dropped = this.decoder?.dropped ?? 0;
    if (++this.received % COUNT_EVERY !== 0 && dropped === this.told) return;
    this.told = dropped;
    this.tell({ type: "count", session: this.session, received: this.received, dropped });
  }

  /** A keyframe waits. */
  private shut(): void {
    this.tell({ type: "ask", session: this.session });
    clearTimeout(this.wake);
    this.wake = setTimeout(() => this.goOn(this.gate!.check(performance.now())), KEY_PATIENCE_MS + 1);
  }

  private goOn(frames: CodedFrame[]): void {
    for (const frame of frames) this.writer.write(frame).catch(() => undefined);
  }

  heard(message: ToWorker): void {
    switch (message.type) {
      case "lost":
        this.goOn(this.gate?.answer(message.lost) ?? []);
        return this.decoder?.answer(message.lost, performance.now());
      case "hash":
        return this.hashes?.want(message.rtp);
      case "end":
        receptions.delete(this.session);
        return this.end();
    }
  }

  private tell(message: FromWorker, transfer: Transferable[] = []): void {
    scope.postMessage(message, transfer);
  }
}

const receptions = new Map<number, Reception>();

scope.onrtctransform = ({ transformer }) => {
  const reception = new Reception(transformer);
  receptions.set(reception.session, reception);
  void reception.run().catch(() => undefined).finally(() => receptions.delete(reception.session));
};

scope.onmessage = ({ data }) => receptions.get(data.session)?.heard(data);
