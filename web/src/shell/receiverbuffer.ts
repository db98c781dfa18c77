import { Cushion, type PathCounts } from "../core/cushion.js";

/** How often the counts are read. */
const EVERY_MS = 1000;

/** What is read of the browser's statistics, of all kinds. */
interface Stats {
  type: string;
  kind?: string;
  packetsReceived?: number;
  retransmittedPacketsReceived?: number;
  nominated?: boolean;
  currentRoundTripTime?: number;
}

/**
 * Has the browser hold back what it receives for as long as a path needs that loses
 * packets: pictures and sound alike, so that they stay together.
 */
export class ReceiverBuffer {
  private pc: RTCPeerConnection | undefined;
  private readAt = -Infinity;

  constructor(private readonly cushion = new Cushion()) {}

  /** That of the next connection on the same path. */
  next(): ReceiverBuffer {
    return new ReceiverBuffer(this.cushion.copy());
  }

  connect(pc: RTCPeerConnection): void {
    this.pc = pc;
    this.cushion.restart();
    this.apply();
  }

  disconnect(): void {
    this.pc = undefined;
  }

  /** To be called some times a second. */
  async tick(now = performance.now()): Promise<void> {
    const { pc } = this;
    if (!pc || now - this.readAt < EVERY_MS || this.receivers().length === 0) return;
    this.readAt = now;
    const counts = countsOf(await pc.getStats());
    if (!counts || pc !== this.pc) return;
    this.cushion.sample(now, counts);
    this.apply();
  }

  private apply(): void {
    const target = this.cushion.targetMs || null;
    for (const receiver of this.receivers()) if (receiver.jitterBufferTarget !== target) receiver.jitterBufferTarget = target;
  }

  /** Those that can be told. */
  private receivers(): RTCRtpReceiver[] {
    return (this.pc?.getReceivers?.() ?? []).filter((r) => "jitterBufferTarget" in r);
  }
}

function countsOf(report: ReadonlyMap<string, Stats>): PathCounts | undefined {
  let received: number | undefined;
  let repaired = 0;
  let roundTripMs = 0;
  for (const s of report.values()) {
    if (s.type === "inbound-rtp" && s.kind === "video") {
      received = s.packetsReceived ?? 0;
      repaired = s.retransmittedPacketsReceived ?? 0;
    }
    if (s.type === "candidate-pair" && s.nominated) roundTripMs = 1000 * (s.currentRoundTripTime ?? 0);
  }
  return received === undefined ? undefined : { received, repaired, roundTripMs };
}
