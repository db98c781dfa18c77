import type { Receipt } from "../src/core/wire.js";
import type { Outcome } from "./outcome.js";

/** A chip that this viewer placed. */
export interface Bet {
  id: string;
  window: string;
  pocket: number;
  /** `unknown`: there is no receipt; `text` says why. */
  state: "sent" | "accepted" | "rejected" | "unknown";
  /** What became of it, in words. */
  text: string;
  result: "won" | "lost" | undefined;
}

/** What an outcome means for this viewer's chips. */
export interface Settled {
  won: number;
  lost: number;
}

/** How many chips are remembered. */
const KEEP = 100;

/** The chips of one viewer, newest first. */
export class Bets {
  readonly list: Bet[] = [];

  /** A chip is on its way. */
  place(id: string, window: string, pocket: number): Bet {
    const bet: Bet = { id, window, pocket, state: "sent", text: `Chip on ${pocket} sent.`, result: undefined };
    this.list.unshift(bet);
    if (this.list.length > KEEP) this.list.pop();
    return bet;
  }

  /** The chips on the numbers of a window. */
  on(window: string | undefined): Bet[] {
    return this.list.filter((b) => b.window === window);
  }

  /** An outcome is on screen: chips of its window are won or lost. Undefined if there are none. */
  settle(outcome: Outcome): Settled | undefined {
    const settled: Settled = { won: 0, lost: 0 };
    for (const bet of this.on(outcome.window)) {
      if (bet.state !== "accepted") continue;
      bet.result = bet.pocket === outcome.pocket ? "won" : "lost";
      settled[bet.result]++;
    }
    return settled.won + settled.lost > 0 ? settled : undefined;
  }
}

/** A receipt in words. */
export function receiptInWords({ verdict, reason, order }: Receipt, pocket: number): string {
  if (verdict === "accepted") return `Chip on ${pocket} accepted, as action ${order}.`;
  return `Chip on ${pocket} rejected: ${REASONS[reason ?? ""] ?? reason ?? "the relay gave no reason"}.`;
}

const REASONS: Record<string, string> = {
  id_reused: "another action has its id",
  window_unknown: "the relay knows no such round",
  window_void: "the round was voided",
  window_closed: "the round was closed when it came",
  too_large: "it was too large",
  seen_missing: "it named no frame",
  window_not_open: "the round had not been shown to you yet",
  seen_before_open: "on the frame you saw, betting was not open yet",
  seen_after_close: "on the frame you saw, betting was over",
  seen_future: "it named a frame that you had not been sent yet",
  seen_not_sent: "it named a frame that you were not sent",
  seen_too_old: "the frame you saw was too old",
  limit_per_viewer: "you have placed all chips of this round",
  window_full: "the round is full",
  malformed: "the relay could not read it",
  overloaded: "the relay is overloaded; try again",
  journal_unavailable: "the relay cannot record it now; try again",
  not_owner: "another relay has this table now; try again",
  not_allowed: "watching does not allow betting here",
};
