/**
 * Framelock viewer SDK: events on the exact video frame, for WebRTC viewers of a
 * Framelock relay.
 *
 * - `attach(pc, video)` binds your own connection and element (headless).
 * - `FramelockPlayer` plays a stream by WHEP and stays with it.
 * - `Compositor` draws picture and overlay on a canvas, in one paint.
 * - `ViewerCore` is the whole viewer without a browser.
 *
 * @packageDocumentation
 */
export { attach, Framelock, type Frame, type FramelockEvents, type FramelockOptions, type HashAlarm, type Latency, type StandbyHandlers } from "./shell/framelock.js";
export {
  FramelockPlayer, type AudioTrack, type PlayerEvents, type PlayerOptions, type PlayerSource, type PlayerStatus, type StatusChange, type Switched,
} from "./shell/player.js";
export { Compositor, type Drawn, type Overlay } from "./shell/compositor.js";
export type { ProofFrame } from "./shell/proofs.js";
export { Emitter, type Unsubscribe } from "./shell/emitter.js";
export type { ActOptions } from "./shell/acting.js";
export { verifyAction, type RelayApi } from "./shell/actionproof.js";
export type { ProofResult, ProofStep } from "./core/actionproof.js";
export { ActionError, type ActionFault, type ReceiptRecord } from "./core/actions.js";
export {
  NOTHING_VERIFIED, type Verification, type VerificationAlarm, type VerificationFault, type VerificationState, type VerifiedCheckpoint,
} from "./core/verifier.js";
export type { WindowPhase, WindowResult, WindowRules, WindowState } from "./core/windows.js";
export { bestRoute, isExact, type Route } from "./shell/frames.js";
export type { HashCheck, Pacing, PictureOptions } from "./shell/pictures.js";
export { WhepError } from "./shell/whep.js";
export { ViewerCore, type Alarm, type FrameResult, type Output } from "./core/viewer.js";
export type { Firing } from "./core/display.js";
export { extend32, low32, TICKS_PER_MS, TICKS_PER_SECOND } from "./core/timestamp.js";
export { mergePatch, type Json } from "./core/json.js";
export { RelayClock } from "./core/relayclock.js";
export {
  CHANNELS, PROTOCOL,
  type Action, type ChannelName, type ClockMessage, type FramelockEvent, type LogHead, type PresentedReport, type Receipt, type Snapshot,
  type SnapshotWindow, type TrackInfo,
} from "./core/wire.js";
