import { verifyAction, type RelayApi } from "../src/shell/actionproof.js";
import type { Framelock, Frame } from "../src/shell/framelock.js";
import { ActionError } from "../src/core/actions.js";
import type { ProofResult } from "../src/core/actionproof.js";
import type { WindowState } from "../src/core/windows.js";
import { BetLayer, shareLeft } from "./betlayer.js";
import { Bets, receiptInWords, type Bet } from "./bets.js";
import { outcomeOf, pocketColour, type Outcome } from "./outcome.js";
import { byId, write } from "./page.js";
import { showProof } from "./trust.js";

/** The board, the chips on it and what becomes of them. */
export class BetPanel {
  private readonly bets = new Bets();
  private readonly layer = new BetLayer();
  private readonly buttons = new Map<number, HTMLButtonElement>();
  private newest: WindowState | undefined; // as it was last told
  private round: WindowState | undefined; // the newest at the frame on screen
  private share = -1; // as it was last drawn
  private open: boolean | undefined;
  private made = 0;

  constructor(private readonly framelock: Framelock, private readonly api: () => RelayApi) {
    this.build();
    framelock.events.on("frame", (frame) => this.frame(frame));
    framelock.events.on("window", (window) => {
      if (window.openTs >= (this.newest?.openTs ?? 0)) this.newest = window;
    });
    framelock.events.on("event", ({ event, hidden }) => {
      const outcome = outcomeOf(event);
      if (outcome) this.settle(outcome, hidden);
    });
    byId("verify").addEventListener("click", () => void this.verify());
    byId("save-receipts").addEventListener("click", () => save("receipts.jsonl", framelock.exportReceipts()));
  }

  /** Paints over a frame, after the outcome. */
  paint(context: CanvasRenderingContext2D, frame: Frame): void {
    if (frame.ts !== undefined) this.layer.paint(context, this.round, frame.ts);
  }

  private build(): void {
    const board = byId("board");
    for (let pocket = 0; pocket <= 36; pocket++) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = `number ${pocketColour(pocket)}`;
      button.textContent = String(pocket);
      button.setAttribute("aria-label", `Place a chip on ${pocket}`);
      button.addEventListener("click", () => void this.place(pocket));
      this.buttons.set(pocket, button);
      board.append(button);
    }
    this.showOpen(false);
  }

  private frame(frame: Frame): void {
    const before = this.round?.window;
    this.round = this.newest && this.framelock.window(this.newest.window);
    if (this.round?.window !== before) this.showChips();
    const { round } = this;
    const open = round?.phase === "open";
    this.showOpen(open);
    const left = open ? this.framelock.remainingMs(round) : undefined;
    this.showShare(open && frame.ts !== undefined ? (shareLeft(round, frame.ts) ?? 1) : 0);
    write("countdown-text", open ? (left === undefined ? "open" : `${(left / 1000).toFixed(1)} s`) : (round ? PHASES[round.phase] : "–"));
  }

  private async place(pocket: number): Promise<void> {
    const window = this.round?.window ?? "";
    const bet = this.bets.place(`chip-${Date.now().toString(36)}-${++this.made}`, window, pocket);
    this.say(bet);
    try {
      const receipt = await this.framelock.act(window, { pocket, chips: 1 }, { id: bet.id });
      bet.state = receipt.verdict;
      bet.text = receiptInWords(receipt, pocket);
    } catch (e) {
      bet.state = "unknown";
      bet.text = e instanceof ActionError ? `Chip on ${pocket}: ${e.message}.` : String(e);
    }
    this.say(bet);
  }

  private settle(outcome: Outcome, hidden: boolean): void {
    const settled = this.bets.settle(outcome);
    if (!settled) return;
    if (!hidden) this.layer.settle(settled, outcome.ts);
    const [bet] = this.bets.on(outcome.window).filter((b) => b.result === (settled.won > 0 ? "won" : "lost"));
    bet!.text = `${outcome.pocket}: your chip on ${bet!.pocket} has ${bet!.result}.`;
    this.say(bet!);
  }

  private say(bet: Bet): void {
    write("receipt", bet.text);
    byId("receipt").dataset.state = bet.result ?? bet.state;
    const proven = this.framelock.receipts.length > 0;
    byId<HTMLButtonElement>("verify").disabled = !proven;
    byId<HTMLButtonElement>("save-receipts").disabled = !proven;
    this.showChips();
  }

  private showShare(left: number): void {
    const share = Math.round(left * 100) / 100;
    if (share === this.share) return;
    this.share = share;
    byId("countdown").style.setProperty("--left", String(share));
  }

  private showOpen(open: boolean): void {
    if (open === this.open) return;
    this.open = open;
    byId("board").dataset.open = String(open);
    for (const button of this.buttons.values()) button.disabled = !open;
  }

  private showChips(): void {
    const chips = this.bets.on(this.round?.window);
    for (const [pocket, button] of this.buttons) {
      const bet = chips.find((b) => b.pocket === pocket);
      button.dataset.chip = bet ? (bet.result ?? bet.state) : "";
    }
  }

  /** Verifies the newest chip of a round that is closed. */
  private async verify(): Promise<void> {
    const { receipts } = this.framelock;
    const record = receipts.findLast((r) => this.framelock.window(r.action.window)?.result) ?? receipts.at(-1);
    if (!record) return;
    const api = this.api();
    const results = await verifyAction(this.framelock, record.receipt.id, api).catch(
      (e: unknown): ProofResult[] => [{ step: "receipt", result: "unknown", text: e instanceof Error ? e.message : String(e) }],
    );
    showProof(results, api.stream, this.framelock.verification?.key ?? "");
  }
}

const PHASES = { open: "open", closing: "no more bets", closed: "closed", void: "void" } as const;

/** Lets the visitor save a text as a file. */
export function save(name: string, text: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
