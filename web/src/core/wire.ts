import { isObject, type Json } from "./json.js";
import { parseTime } from "./wallclock.js";
import { rulesOf, type WindowRules } from "./windows.js";

/** The version of the protocol that this client speaks. */
export const PROTOCOL = 1;

/** The pre-negotiated data channels (protocol, section 4). */
export const CHANNELS = {
  events: { id: 0, label: "framelock.events.1", ordered: true },
  actions: { id: 2, label: "framelock.actions.1", ordered: true },
  fast: { id: 4, label: "framelock.fast.1", ordered: false, maxRetransmits: 0 },
} as const;

/** Which channel a message came on. */
export type ChannelName = keyof typeof CHANNELS;

/** The kinds of event that protocol 1 knows. */
export const KINDS = new Set([
  "heartbeat", "marker", "state", "window.open", "window.closing", "window.close",
  "outcome", "void", "frame_hash", "recovered", "notice",
]);

/** Kinds that are about the log itself and never fire on a screen. */
export const SILENT_KINDS = new Set(["heartbeat", "frame_hash", "recovered"]);

/** One entry of a stream's log, bound to the video frame that shows it. */
export interface FramelockEvent {
  v: number;
  type: "event";
  log: string;
  stream: string;
  track: string;
  epoch: number;
  /** Position in the log; the order in which patches apply. */
  seq: number;
  kind: string;
  /** The publisher's own name for it. */
  id: string;
  /** Canonical timestamp (90 kHz) of the frame. */
  ts: number;
  /** Count of frames on the track; informational. */
  frame?: number;
  /** RFC 3339, UTC. */
  capture_time: string;
  error_ms: number;
  late_ms: number;
  by: string;
  data?: Json;
  window?: string;
  /** RFC 7396 merge patch of the stream's state. */
  patch?: Json;
  /** A client that does not know the kind must say so instead of guessing. */
  required?: boolean;
}

/** Where the canonical line stands: the instant `ts` was captured, and when the relay said so. */
export interface ClockMessage {
  ts: number;
  /** Milliseconds since the Unix epoch, on the studio's clock. */
  captureMs: number;
  /** Milliseconds since the Unix epoch, on the relay's clock. */
  serverMs: number;
  /** The delay line's length; part of every latency. */
  holdMs: number;
  /** Bound on captureMs. */
  errorMs: number;
  /** Timestamp on the audio line (48 kHz) of what was captured at the same instant; undefined without sound. */
  audioTs?: number | undefined;
}

/** One media track of the stream. */
export interface TrackInfo {
  track: string;
  kind: string;
  codec: string;
  mid: string;
  rate: number;
  /** BCP 47; relays name none yet. */
  language?: string;
}

/** A window that is not closed yet, as a snapshot has it. */
export interface SnapshotWindow {
  window: string;
  openTs: number;
  /** Known once it is closing. */
  closeTs: number | undefined;
  rules: WindowRules;
}

/** Where the log's tree stands at a snapshot (protocol, section 9). */
export interface LogHead {
  /** Leaves up to the snapshot's seq. */
  size: number;
  /** Roots of the complete subtrees, the largest first, in hexadecimal. */
  frontier: string[];
  /** The relay's verifier key (C2SP signed-note). */
  key: string;
  /** The newest signed checkpoint of that key, which may cover less; empty if there is none yet. */
  note: string;
  /** Prove the notices of all keys after the log's first, oldest first, each signed by the key before. */
  handovers: EventProof[];
}

/** Shows to whoever has the log's key that an event is in it. */
export interface EventProof {
  /** Its exact bytes, which are JSON. */
  event: string;
  /** Its place among the log's events, from 0. */
  index: number;
  /** Events in the tree. */
  size: number;
  /** The siblings that lead to the root, lowest first, in hexadecimal. */
  hashes: string[];
  /** The signed checkpoint over that tree. */
  note: string;
}

/** What a joining viewer starts from. */
export interface Snapshot {
  stream: string;
  log: string;
  seq: number;
  epoch: number;
  /** Canonical timestamp of the newest frame sent at the cut; 0 if none yet. */
  stateAt: number;
  /** The fold of all events with ts <= stateAt. */
  state: Json;
  /** Events with ts > stateAt, in seq order. */
  pending: FramelockEvent[];
  /** The newest outcomes with ts <= stateAt, oldest first, for display only. */
  recent: FramelockEvent[];
  windows: SnapshotWindow[];
  /** Undefined if the relay keeps no transcript. */
  logHead: LogHead | undefined;
  paused: boolean;
  clock: ClockMessage | undefined;
  tracks: TrackInfo[];
}

/** A message from the relay, decoded. */
export type Message =
  | { type: "part"; part: number; parts: number; body: string }
  | { type: "event"; event: FramelockEvent }
  | { type: "notice"; code: string; text: string }
  | { type: "clock"; clock: ClockMessage }
  | { type: "pong"; id: number; serverMs: number }
  | { type: "receipt"; receipt: Receipt }
  /** `handover` proves the notice of the note's key, if the key before signed the checkpoint before. */
  | { type: "checkpoint"; size: number; seq: number; note: string; handover: EventProof | undefined }
  | { type: "unknown"; name: string };

/** A message that is not what the protocol says. The message names the field. */
export class WireError extends Error {
  override name = "WireError";
}

type Fields = { [key: string]: Json };

function fail(what: string, value: unknown): never {
  const shown = JSON.stringify(value) ?? "nothing";
  throw new WireError(`${what}, got ${shown.slice(0, 60)}`);
}

function count(o: Fields, key: string): number {
  const n = o[key];
  if (!Number.isSafeInteger(n) || (n as number) < 0) fail(`${key} must be an integer of 0 or more below 2^53`, n);
  return n as number;
}

function text(o: Fields, key: string): string {
  const s = o[key];
  if (typeof s !== "string") fail(`${key} must be a string`, s);
  return s as string;
}

function time(o: Fields, key: string): number {
  return parseTime(o[key]) ?? fail(`${key} must be an RFC 3339 time`, o[key]);
}

function numberOr(o: Fields, key: string, otherwise: number): number {
  const n = o[key];
  return typeof n === "number" ? n : otherwise;
}

/** Checks the fields of an event that the client relies on; unknown fields stay as they are. */
export function decodeEvent(value: Json): FramelockEvent {
  if (!isObject(value)) fail("an event must be an object", value);
  if (value.type !== "event") fail('type must be "event"', value.type);
  if (count(value, "v") < 1) fail("v must be 1 or more", value.v);
  count(value, "seq");
  count(value, "ts");
  text(value, "log");
  text(value, "kind");
  return value as unknown as FramelockEvent;
}

function decodeClock(o: Fields): ClockMessage {
  return {
    ts: count(o, "ts"),
    captureMs: time(o, "capture_time"),
    serverMs: time(o, "server_time"),
    holdMs: numberOr(o, "hold_ms", 0),
    errorMs: numberOr(o, "error_ms", 0),
    audioTs: o.audio_ts === undefined ? undefined : count(o, "audio_ts"),
  };
}

function list(o: Fields, key: string): Json[] {
  const v = o[key] ?? [];
  if (!Array.isArray(v)) fail(`${key} must be a list`, v);
  return v as Json[];
}

function decodeWindow(value: Json): SnapshotWindow {
  if (!isObject(value)) fail("a window must be an object", value);
  const rules = rulesOf(isObject(value.rules) ? value.rules : {});
  return {
    window: text(value, "window"),
    openTs: count(value, "open_ts"),
    closeTs: value.close_ts === undefined ? undefined : count(value, "close_ts"),
    rules: { ...rules, closes_ts: numberOr(value, "closes_ts", rules.closes_ts) },
  };
}

function decodeLogHead(o: Fields): LogHead {
  const frontier = list(o, "frontier");
  if (!frontier.every((h) => typeof h === "string")) fail("frontier must be a list of strings", frontier);
  return {
    size: count(o, "size"), frontier: frontier as string[], key: text(o, "key"), note: typeof o.note === "string" ? o.note : "",
    handovers: o.handovers === undefined ? [] : list(o, "handovers").map(decodeEventProof),
  };
}

function decodeEventProof(value: Json): EventProof {
  if (!isObject(value)) fail("a proof must be an object", value);
  const hashes = list(value, "hashes");
  if (!hashes.every((h) => typeof h === "string")) fail("hashes must be a list of strings", hashes);
  return {
    event: text(value, "event"), index: count(value, "index"), size: count(value, "size"), hashes: hashes as string[], note: text(value, "note"),
  };
}

function decodeReceipt(o: Fields): Receipt {
  text(o, "id");
  text(o, "window");
  if (o.verdict !== "accepted" && o.verdict !== "rejected") fail('verdict must be "accepted" or "rejected"', o.verdict);
  return o as unknown as Receipt;
}

/** Decodes an assembled snapshot. Throws WireError where it is not one, or of another protocol. */
export function decodeSnapshot(body: string): Snapshot {
  const o = parseObject(body);
  if (o.type !== "snapshot") fail('type must be "snapshot"', o.type);
  const range = isObject(o.protocol) ? o.protocol : {};
  if (count(range, "min") > PROTOCOL || count(range, "max") < PROTOCOL) {
    fail(`protocol must include version ${PROTOCOL}`, o.protocol);
  }
  const stateAt = count(o, "state_at");
  return {
    stream: text(o, "stream"),
    log: text(o, "log"),
    seq: count(o, "seq"),
    epoch: numberOr(o, "epoch", 0),
    stateAt,
    state: o.state ?? {},
    pending: list(o, "pending").map(decodeEvent),
    recent: list(o, "recent").map(decodeEvent),
    windows: list(o, "windows").map(decodeWindow),
    logHead: isObject(o.log_head) ? decodeLogHead(o.log_head) : undefined,
    paused: o.paused === true,
    // A stream without media yet has no clock to tell.
    clock: isObject(o.clock) && stateAt > 0 ? decodeClock(o.clock) : undefined,
    tracks: list(o, "tracks").filter(isObject) as unknown as TrackInfo[],
  };
}

function parseObject(body: string): Fields {
  let value: Json;
  try {
    value = JSON.parse(body) as Json;
  } catch {
    return fail("a message must be JSON", body);
  }
  return isObject(value) ? value : fail("a message must be a JSON object", value);
}

/** Decodes one data-channel message. Throws WireError for a malformed one. */
export function decodeMessage(body: string): Message {
  const o = parseObject(body);
  switch (o.type) {
    case "event":
      return { type: "event", event: decodeEvent(o) };
    case "clock":
      return { type: "clock", clock: decodeClock(o) };
    case "snapshot":
      return { type: "part", part: count(o, "part"), parts: count(o, "parts"), body: text(o, "body") };
    case "notice":
      return { type: "notice", code: text(o, "code"), text: typeof o.text === "string" ? o.text : "" };
    case "pong":
      return { type: "pong", id: count(o, "id"), serverMs: time(o, "server_time") };
    case "receipt":
      return { type: "receipt", receipt: decodeReceipt(o) };
    case "checkpoint":
      return {
        type: "checkpoint", size: count(o, "size"), seq: count(o, "seq"), note: text(o, "note"),
        handover: o.handover === undefined ? undefined : decodeEventProof(o.handover),
      };
    default:
      return { type: "unknown", name: typeof o.type === "string" ? o.type : "" };
  }
}

/** `presented`, viewer to relay (protocol, section 4): what this viewer really saw. */
export interface PresentedReport {
  type: "presented";
  seq: number;
  ts: number;
  frame_error: number;
  skipped: number;
  latency_ms: number;
}

/** `action`, viewer to relay (protocol, section 6). */
export interface Action {
  type: "action";
  /** The viewer's own name for it; the same id again gets the same receipt. */
  id: string;
  window: string;
  /** The frame that the viewer saw when it acted. */
  seen: { track: string; ts: number };
  data: Json;
}

/** `receipt`, relay to viewer: what became of an action. */
export interface Receipt {
  type: "receipt";
  v: number;
  id: string;
  window: string;
  verdict: "accepted" | "rejected";
  /** Why it was rejected. */
  reason?: string;
  /** Its place among all judged actions; missing if it was refused without being judged, which may be tried again. */
  order?: number;
  /** When the relay received it: RFC 3339, UTC. */
  received_at?: string;
  /** Base64 of 16 random bytes: with them `commitment` can be checked. */
  salt?: string;
  /** Canonical timestamp of the frame that the action saw; missing like `order`. */
  seen?: number;
  /** SHA-256(salt || data) in hexadecimal: what the log holds instead of the data. */
  commitment?: string;
}
