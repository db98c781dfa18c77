import type { Json } from "./json.js";
import type { WindowState } from "./windows.js";
import type { Action, Receipt } from "./wire.js";

/** How many receipts are kept. */
const KEEP_RECEIPTS = 256;

/** The largest message that a relay takes, in bytes (protocol, section 4). */
const MAX_MESSAGE = 4096;

/** Why an action was not sent, or what became of it is not known. */
export type ActionFault =
  /** The session's snapshot has not come yet. */
  | "no_snapshot"
  /** The picture is still older than the snapshot: nothing seen on it counts. */
  | "not_caught_up"
  /** This browser does not tell which frame is on screen (the `clock` route): the relay could not judge it. */
  | "no_frame"
  /** No such window at the frame on screen. */
  | "window_unknown"
  /** The frame on screen is not within the window. */
  | "window_not_open"
  /** More bytes than the window's rules or the protocol allow. */
  | "too_large"
  /** An action of this id waits for its receipt, or has one. */
  | "id_in_use"
  /** The connection did not come back in time. What became of an action that was sent is not known. */
  | "channel_closed"
  /** The relay did not answer in time. What became of the action is not known. */
  | "no_receipt"
  /** The player was closed meanwhile. What became of an action that was sent is not known. */
  | "closed";

/** An action that was not sent, or got no receipt. The message says so in words. */
export class ActionError extends Error {
  override name = "ActionError";

  constructor(readonly code: ActionFault, message: string) {
    super(message);
  }
}

/** What the viewer sees at the moment of acting. */
export interface Sight {
  /** Whether a snapshot of this session was taken in. */
  snapshot: boolean;
  /** Whether overlays may be shown: a frame at or after the snapshot is on screen. */
  overlay: boolean;
  /** Canonical timestamp of the frame on screen. */
  presentedTs: number | undefined;
  /** Whether that is the frame's own, not an estimate. */
  named: boolean;
  /** The window at that frame. */
  window: WindowState | undefined;
}

/** An action and its receipt. */
export interface ReceiptRecord {
  action: Action;
  receipt: Receipt;
  /** The receipt byte for byte as it came. */
  text: string;
}

interface Pending {
  action: Action;
  text: string;
  deadline: number;
}

/**
 * The actions of one viewer: those without a receipt, which are sent again in
 * every new session, and the receipts of the others. Time is an argument.
 */
export class ActionBook {
  private pending = new Map<string, Pending>();
  private records = new Map<string, ReceiptRecord>();

  /**
   * Makes an action on the frame on screen and waits for its receipt until
   * `deadline`. Returns the message to send. Throws ActionError.
   */
  make(id: string, window: string, data: Json, sight: Sight, deadline: number): string {
    const ts = judge(window, sight);
    if (this.pending.has(id) || this.records.has(id)) {
      throw new ActionError("id_in_use", `this viewer has used the id ${JSON.stringify(id)} already: give each action its own`);
    }
    const size = bytes(data);
    const allowed = sight.window?.rules.max_bytes ?? 0;
    if (allowed > 0 && size > allowed) {
      throw new ActionError("too_large", `the action's data is ${size} bytes; window ${JSON.stringify(window)} allows ${allowed}`);
    }
    const action: Action = { type: "action", id, window, seen: { track: "v0", ts }, data };
    const text = JSON.stringify(action);
    if (bytes(action) > MAX_MESSAGE) {
      throw new ActionError("too_large", `the action is ${bytes(action)} bytes as a message; at most ${MAX_MESSAGE} are allowed`);
    }
    this.pending.set(id, { action, text, deadline });
    return text;
  }

  /** The messages that wait for a receipt, oldest first: to be sent again in a new session, as they were. */
  get unanswered(): string[] {
    return [...this.pending.values()].map((p) => p.text);
  }

  /** Takes a receipt. Undefined if no action waits for it, as with the second of two copies. */
  receive(receipt: Receipt, text: string): ReceiptRecord | undefined {
    const p = this.pending.get(receipt.id);
    if (!p || p.action.window !== receipt.window) return undefined;
    this.pending.delete(receipt.id);
    const record = { action: p.action, receipt, text };
    // What was not judged has no receipt that could be shown to anybody: the same id may be tried again.
    if (receipt.order === undefined) return record;
    this.records.set(receipt.id, record);
    if (this.records.size > KEEP_RECEIPTS) this.records.delete(this.records.keys().next().value as string);
    return record;
  }

  /** Gives up what has waited until now, and says why. */
  expire(now: number, open: boolean): { id: string; error: ActionError }[] {
    const error = open
      ? new ActionError("no_receipt", "the relay has not answered in time: whether the action was taken is not known")
      : new ActionError("channel_closed", "the connection did not come back in time: whether the action was taken is not known");
    return this.drop((p) => p.deadline <= now, error);
  }

  /** Gives up everything that waits. */
  close(): { id: string; error: ActionError }[] {
    return this.drop(() => true, new ActionError("closed", "the player was closed: whether the action was taken is not known"));
  }

  /** The newest receipts, oldest first. */
  get receipts(): ReceiptRecord[] {
    return [...this.records.values()];
  }

  /** The receipts as JSON lines, byte for byte as they came. */
  export(): string {
    return this.receipts.map((r) => `${r.text}\n`).join("");
  }

  private drop(which: (p: Pending) => boolean, error: ActionError): { id: string; error: ActionError }[] {
    const dropped = [...this.pending].filter(([, p]) => which(p));
    for (const [id] of dropped) this.pending.delete(id);
    return dropped.map(([id]) => ({ id, error }));
  }
}

/** The frame that an action in the window sees, or the reason why there is none. */
function judge(window: string, sight: Sight): number {
  const name = JSON.stringify(window);
  if (!sight.snapshot) throw new ActionError("no_snapshot", "the state of the table is not known yet: wait for the snapshot");
  if (!sight.overlay || sight.presentedTs === undefined) {
    throw new ActionError("not_caught_up", "the picture has not caught up with the table yet: wait for a frame with an overlay");
  }
  if (!sight.named) {
    throw new ActionError("no_frame", "this browser does not tell which frame is on screen: act with one that has requestVideoFrameCallback");
  }
  if (!sight.window) throw new ActionError("window_unknown", `there is no window ${name} at the frame on screen`);
  if (sight.window.phase !== "open") {
    throw new ActionError("window_not_open", `window ${name} is ${sight.window.phase} at the frame on screen`);
  }
  return sight.presentedTs;
}

function bytes(value: unknown): number {
  return new TextEncoder().encode(JSON.stringify(value)).length;
}
