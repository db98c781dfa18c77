import { ActionBook, type ActionError, type ReceiptRecord, type Sight } from "../core/actions.js";
import type { Json } from "../core/json.js";
import type { Receipt } from "../core/wire.js";
import { randomHex } from "./random.js";

/** Options of an action. */
export interface ActOptions {
  /** The viewer's own name for it, 1 to 64 letters, digits or `. _ : -`; by default a random one. */
  id?: string;
  /** How long to wait for the receipt, over reconnects; default 10,000 ms. */
  timeoutMs?: number;
}

const DEFAULT_TIMEOUT_MS = 10_000;

interface Waiter {
  resolve: (receipt: Receipt) => void;
  reject: (e: ActionError) => void;
}

/** Sends actions, again in every new session until their receipt has come. */
export class Acting {
  readonly book = new ActionBook();
  private readonly waiters = new Map<string, Waiter>();

  /** `send` returns whether the message left. */
  constructor(private readonly send: (text: string) => boolean, private readonly onReceipt: (record: ReceiptRecord) => void) {}

  /** Acts on the frame on screen. Rejects with an ActionError. */
  act(window: string, data: Json, sight: Sight, options: ActOptions, now: number): Promise<Receipt> {
    return new Promise((resolve, reject) => {
      const id = options.id ?? randomHex();
      const text = this.book.make(id, window, data, sight, now + (options.timeoutMs ?? DEFAULT_TIMEOUT_MS));
      this.waiters.set(id, { resolve, reject });
      this.send(text); // or later: see resend
    });
  }

  /** A session is ready: what has no receipt goes out again. */
  resend(): void {
    for (const text of this.book.unanswered) if (!this.send(text)) return;
  }

  /** Takes a receipt. */
  receive(receipt: Receipt, text: string): void {
    const record = this.book.receive(receipt, text);
    if (!record) return;
    this.onReceipt(record);
    this.waiters.get(receipt.id)?.resolve(receipt);
    this.waiters.delete(receipt.id);
  }

  /** To be called a few times a second. */
  tick(now: number, open: boolean): void {
    for (const { id, error } of this.book.expire(now, open)) this.fail(id, error);
  }

  /** Nothing is waited for any more. */
  close(): void {
    for (const { id, error } of this.book.close()) this.fail(id, error);
  }

  private fail(id: string, error: ActionError): void {
    this.waiters.get(id)?.reject(error);
    this.waiters.delete(id);
  }
}
