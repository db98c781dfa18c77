import type { RelayClock } from "../core/relayclock.js";
import type { Sound } from "./decodedsource.js";
/** Where a connection's sound stands: what was captured with which picture is heard now. */
export declare function soundNow(pc: RTCPeerConnection, clock: RelayClock): Sound | undefined;
