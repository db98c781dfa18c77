import type { RelayClock } from "../core/relayclock.js";
import { low32 } from "../core/timestamp.js";
import type { Sound } from "./decodedsource.js";

/** Sound older than this has stopped. */
const STALE_MS = 1000;

/** Where a connection's sound stands: what was captured with which picture is heard now. */
export function soundNow(pc: RTCPeerConnection, clock: RelayClock): Sound | undefined {
  const receiver = pc.getReceivers().find((r) => r.track.kind === "audio");
  // Per WebRTC, section 5.3: the newest sound that was handed out for playing.
  const source = receiver?.getSynchronizationSources?.()[0];
  if (!source) return undefined;
  const ts = clock.videoAt(source.rtpTimestamp);
  // Some browsers count from the page's beginning, others from 1970.
  const at = source.timestamp > performance.timeOrigin / 2 ? source.timestamp - performance.timeOrigin : source.timestamp;
  if (ts === undefined || Math.abs(performance.now() - at) > STALE_MS) return undefined;
  return { rtp: low32(ts), at };
}
