/** Exponential backoff with jitter: delays between reconnections. */
export class Backoff {
  private failures = 0;

  constructor(
    private readonly firstMs = 250,
    private readonly capMs = 15_000,
  ) {}

  /**
   * The delay in ms before the next try: between half and the whole of
   * min(cap, first * 2^failures). `random` is in [0, 1).
   */
  next(random: number): number {
    const whole = Math.min(this.capMs, this.firstMs * 2 ** Math.min(this.failures, 30));
    this.failures++;
    return whole * (0.5 + random / 2);
  }

  /** A session came up: start over. */
  reset(): void {
    this.failures = 0;
  }
}
