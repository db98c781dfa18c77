import { Emitter } from "./emitter.js";
import type { FromWorker, ToWorker, TransformOptions } from "../worker/messages.js";

/** What the worker tells of the present session. */
export interface CodedEvents {
  /** A decoded picture, on the scale of performance.now(); to be closed by who takes it. */
  picture: { rtp: number; at: number; frame: VideoFrame };
  /** The hash of a frame that was asked for; undefined if the frame never came. */
  hash: { rtp: number; hash: string | undefined };
  count: { received: number; dropped: number };
  /** Coded frames are not to be had, or cannot be decoded here. */
  failed: { reason: string };
}

/** A loss is looked for in what was counted since this long ago: on a busy machine its frame is seen late. */
const LOSS_WINDOW_MS = 2000;

/** The browser has so many frames and none came here: it does not give them. */
const PASSED_BY = 150;

/** The browser may answer from statistics of before the question. */
const FRESH_AFTER_MS = 60;

/** Whether this browser and page can take coded frames and decode them. */
export function canDecode(): boolean {
  return typeof RTCRtpScriptTransform === "function" && typeof VideoDecoder === "function" && typeof Worker === "function";
}

/** The worker's file, beside the module that this code was bundled into. */
const workerFile = (): URL => new URL("framelock-worker.js", import.meta.url);

/**
 * Starts a worker. A page that has the SDK from another origin may not start that
 * one's workers, but one of its own that imports them, unless its policy is against
 * workers from `blob:`; the `worker` option names a copy of the page's own then.
 */
function startWorker(url: string | URL): Worker {
  const options: WorkerOptions = { type: "module", name: "framelock" };
  const absolute = new URL(url, document.baseURI);
  if (absolute.origin === location.origin) return new Worker(absolute, options);
  const blob = URL.createObjectURL(new Blob([`import ${JSON.stringify(absolute.href)};`], { type: "text/javascript" }));
  try {
    return new Worker(blob, options);
  } finally {
    setTimeout(() => URL.revokeObjectURL(blob), 60_000); // it has been read by then
  }
}

/**
 * The coded frames of a connection's video, in a worker: sets the transform on the
 * receiver as its track comes, and knows whether packets were lost.
 */
export class CodedFrames {
  readonly events = new Emitter<CodedEvents>();
  private worker: Worker | undefined;
  private session = 0;
  private receiver: RTCRtpReceiver | undefined;
  private losses: { at: number; count: number }[] = [];
  private received = 0;

  constructor(private readonly url: string | URL = workerFile()) {}

  /** Takes the video of a connection, from its track's arrival on or, if it has come, from now on. */
  connect(pc: RTCPeerConnection, options: Omit<TransformOptions, "session">): void {
    this.disconnect();
    const session = ++this.session;
    let worker: Worker;
    try {
      worker = this.started();
    } catch (e) {
      // After the caller has had the time to listen.
      queueMicrotask(() => this.fail(e instanceof Error ? e.message : String(e)));
      return;
    }
    const take = (receiver: RTCRtpReceiver): void => {
      if (session !== this.session || this.receiver || receiver.track.kind !== "video") return;
      this.receiver = receiver;
      this.losses = [{ at: performance.now(), count: 0 }];
      try {
        receiver.transform = new RTCRtpScriptTransform(worker, { ...options, session } satisfies TransformOptions);
      } catch (e) {
        this.fail(e instanceof Error ? e.message : String(e));
      }
    };
    // Chromium fixes in the task in which a receiver is made whether its frames can be
    // taken: that of addTransceiver, here or just after this, or of the track event.
    const takeAll = (): void => {
      if (pc.connectionState !== "closed") pc.getReceivers().forEach(take);
    };
    takeAll();
    queueMicrotask(takeAll);
    pc.addEventListener("track", ({ receiver }) => take(receiver));
  }

  /** Nothing of the present connection is told any more. */
  disconnect(): void {
    if (this.receiver) this.tell({ type: "end", session: this.session });
    this.session++;
    this.receiver = undefined;
    this.losses = [];
    this.received = 0;
  }

  /** Ends the worker. */
  close(): void {
    this.disconnect();
    this.worker?.terminate();
    this.worker = undefined;
  }

  /** Asks for the hash of a coded frame, which may be still to come. */
  want(rtp: number): void {
    this.tell({ type: "hash", session: this.session, rtp });
  }

  /** To be called a few times a second: keeps an eye on losses. */
  tick(): void {
    void this.countLosses();
  }

  private started(): Worker {
    if (this.worker) return this.worker;
    const worker = startWorker(this.url);
    worker.onmessage = (m: MessageEvent<FromWorker>) => this.heard(m.data);
    worker.onerror = (e) => this.fail(e.message || `the worker ${this.url} could not be loaded`);
    return (this.worker = worker);
  }

  private heard(m: FromWorker): void {
    if (m.session !== this.session) {
      if (m.type === "picture") m.frame.close();
      return;
    }
    switch (m.type) {
      case "picture":
        return this.events.emit("picture", {
          rtp: m.rtp, at: Math.min(m.at - performance.timeOrigin, performance.now()), frame: m.frame,
        });
      case "ask":
        return void this.answer(m.session);
      case "hash":
        return this.events.emit("hash", { rtp: m.rtp, hash: m.hash });
      case "count":
        this.received = m.received;
        return this.events.emit("count", { received: m.received, dropped: m.dropped });
      case "failed":
        return this.fail(m.reason);
    }
  }

  private async answer(session: number): Promise<void> {
    const before = this.losses[0]?.count ?? 0;
    await new Promise((done) => setTimeout(done, FRESH_AFTER_MS));
    const count = await this.countLosses();
    if (session === this.session) this.tell({ type: "lost", session, lost: count === undefined || count > before });
  }

  /** What the receiver counts when packets are missing. Notices frames that pass by, too. */
  private async countLosses(): Promise<number | undefined> {
    const { receiver, session } = this;
    if (!receiver) return undefined;
    let count: number | undefined;
    let frames = 0;
    const report: ReadonlyMap<string, { type: string; nackCount?: number; packetsLost?: number; framesReceived?: number }> = await receiver.getStats();
    for (const s of report.values()) {
      if (s.type !== "inbound-rtp") continue;
      count = (s.nackCount ?? 0) + Math.max(0, s.packetsLost ?? 0);
      frames = s.framesReceived ?? 0;
    }
    if (count === undefined || session !== this.session) return undefined;
    if (this.received === 0 && frames > PASSED_BY) this.fail("the browser lets no coded frames be taken from this receiver");
    const at = performance.now();
    this.losses.push({ at, count });
    while (this.losses.length > 1 && this.losses[1]!.at < at - LOSS_WINDOW_MS) this.losses.shift();
    return count;
  }

  private tell(message: ToWorker): void {
    this.worker?.postMessage(message);
  }

  private fail(reason: string): void {
    this.events.emit("failed", { reason });
  }
}
