/** What is shown of a notice as long as it lasts, with the notice that ends it. */
const LASTING: Record<string, { text: string; until: string }> = {
  paused: { text: "The studio is paused", until: "resumed" },
  congested: { text: "Your network is too slow for the picture", until: "clear" },
};

/** What is shown of a notice for a moment. */
const PASSING: Record<string, string> = {
  source_restarted: "The studio's picture has begun anew",
  input_switched: "The studio's other encoder has taken over",
  draining: "Moving to another relay",
};

/** How long a notice of something that has happened is shown. */
export const BANNER_MS = 3000;

/** What a viewer is told of the relay's notices: the newest that still holds. Time is an argument. */
export class Banner {
  private lasting: string[] = []; // codes, oldest first
  private passing: { text: string; until: number } | undefined;

  /** A notice has come. Codes that mean nothing to a viewer change nothing. */
  notice(code: string, now: number): void {
    this.lasting = this.lasting.filter((c) => c !== code && LASTING[c]!.until !== code);
    if (LASTING[code]) this.lasting.push(code);
    const text = PASSING[code];
    if (text !== undefined) this.passing = { text, until: now + BANNER_MS };
  }

  /** A new session: it says again what holds. */
  begin(): void {
    this.lasting = [];
  }

  /** What to show now, empty for nothing. */
  text(now: number): string {
    if (this.passing && now < this.passing.until) return this.passing.text;
    return LASTING[this.lasting.at(-1) ?? ""]?.text ?? "";
  }
}
