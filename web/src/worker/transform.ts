/**
 * The worker of the SDK (framelock-worker.js): takes coded frames off a receiver
 * by RTCRtpScriptTransform. It decodes them here, or lets all go on to the
 * browser's own decoder and only keeps them for their hashes.
 */
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
  private received = 0;
  private told = 0; // dropped frames that the page knows of
  private timer: ReturnType<typeof setInterval> | undefined;
  private ended = false;

  constructor(private readonly transformer: Transformer) {
    const { session, decode, keep } = transformer.options;
    if (keep) this.hashes = new FrameHashes((rtp, hash) => this.tell({ type: "hash", session, rtp, hash }));
    if (!decode) return;
    this.decoder = new FrameDecoder({
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
    const writer = this.transformer.writable.getWriter();
    writer.closed.catch(() => undefined); // it ends with the session
    if (this.decoder) this.timer = setInterval(() => this.decoder!.check(performance.now()), CHECK_MS);
    try {
      for (;;) {
        const { value: frame, done } = await reader.read();
        if (done) return;
        if (!this.ended) this.take(frame);
        // A receiver that never decodes anything asks for keyframes all the time: it
        // gets those, which cost it one decoding in a group of pictures.
        if (!this.decoder || frame.type === "key") writer.write(frame).catch(() => undefined);
      }
    } finally {
      this.end();
    }
  }

  /** Decodes and keeps nothing any more; frames for the browser still go through, for as long as it gives some. */
  private end(): void {
    this.ended = true;
    clearInterval(this.timer);
    this.decoder?.close();
  }

  private take(frame: CodedFrame): void {
    const rtp = (frame.getMetadata().rtpTimestamp ?? frame.timestamp ?? 0) >>> 0;
    const data = frame.data.slice(0); // the frame takes its own along when it goes on
    this.decoder?.push(rtp, frame.type === "key", data, performance.now());
    this.hashes?.add(rtp, data);
    const dropped = this.decoder?.dropped ?? 0;
    if (++this.received % COUNT_EVERY !== 0 && dropped === this.told) return;
    this.told = dropped;
    this.tell({ type: "count", session: this.session, received: this.received, dropped });
  }

  heard(message: ToWorker): void {
    switch (message.type) {
      case "lost":
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
