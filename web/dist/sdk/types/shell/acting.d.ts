import { ActionBook, type ReceiptRecord, type Sight } from "../core/actions.js";
import type { Json } from "../core/json.js";
import type { Receipt } from "../core/wire.js";
/** Options of an action. */
export interface ActOptions {
    /** The viewer's own name for it, 1 to 64 letters, digits or `. _ : -`; by default a random one. */
    id?: string;
    /** How long to wait for the receipt, over reconnects; default 10,000 ms. */
    timeoutMs?: number;
}
/** Sends actions, again in every new session until their receipt has come. */
export declare class Acting {
    private readonly send;
    private readonly onReceipt;
    readonly book: ActionBook;
    private readonly waiters;
    /** `send` returns whether the message left. */
    constructor(send: (text: string) => boolean, onReceipt: (record: ReceiptRecord) => void);
    /** Acts on the frame on screen. Rejects with an ActionError. */
    act(window: string, data: Json, sight: Sight, options: ActOptions, now: number): Promise<Receipt>;
    /** A session is ready: what has no receipt goes out again. */
    resend(): void;
    /** Takes a receipt. */
    receive(receipt: Receipt, text: string): void;
    /** To be called a few times a second. */
    tick(now: number, open: boolean): void;
    /** Nothing is waited for any more. */
    close(): void;
    private fail;
}
