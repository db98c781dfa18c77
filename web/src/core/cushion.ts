/** What a connection has counted of its video so far, and how far away the relay is. */
export interface PathCounts {
  /** Packets that came, and how many of them only when they were sent again. */
  received: number;
  repaired: number;
  roundTripMs: number;
}

/** How far back losses are looked at. */
const WINDOW_MS = 5000;

/** Fewer repairs than this in the window are an accident. */
const FEW = 3;

/**
 * How often a lost packet is asked for until so few frames lack one that nobody
 * notices, by the share of packets that is lost: up to the share, so many times.
 */
const ROUNDS = [{ share: 0.02, rounds: 1 }, { share: 0.07, rounds: 2 }, { share: 1, rounds: 3 }];

/** Browsers that know no round trip ask again after this long. */
const ASKS_AGAIN_MS = 100;

/** To notice the loss, and to decode. */
const SLACK_MS = 30;

/** The most that pictures are held back. */
const MOST_MS = 500;

/** A path that lost packets is taken for a lossy one for this long. */
const MEMORY_MS = 30_000;

/** How fast the cushion goes away, in ms a second: no picture has to be left out for it. */
const FALL = 10;

/**
 * How long a browser has to hold pictures back so that those that lack packets are
 * whole in time: otherwise they come in a heap when the gap is filled, and only the
 * newest of it is shown. Nothing on a path that loses nothing.
 */
export class Cushion {
  private seen: (PathCounts & { at: number })[] = [];
  private held = 0;
  private neededAt = -Infinity; // when so much was last needed

  /** How long to hold pictures back, in ms; 0 leaves it to the browser. */
  get targetMs(): number {
    return Math.round(this.held);
  }

  /** A cushion for another connection on the same path. */
  copy(): Cushion {
    const copy = new Cushion();
    [copy.held, copy.neededAt] = [this.held, this.neededAt];
    return copy;
  }

  /** Another connection begins to count from 0; what is known of the path stays. */
  restart(): void {
    this.seen = [];
  }

  /** Takes what has been counted by `at` (ms). */
  sample(at: number, counts: PathCounts): void {
    const before = this.seen.at(-1);
    this.seen.push({ ...counts, at });
    while (this.seen[0]!.at < at - WINDOW_MS) this.seen.shift();
    const needed = this.needed();
    if (needed >= this.held) {
      this.held = needed;
      this.neededAt = at;
    } else if (before && at - this.neededAt > MEMORY_MS) {
      this.held = Math.max(needed, this.held - (FALL * (at - before.at)) / 1000);
    }
  }

  private needed(): number {
    const [first, last] = [this.seen[0]!, this.seen.at(-1)!];
    const repaired = last.repaired - first.repaired;
    if (repaired < FEW) return 0;
    const share = repaired / Math.max(1, last.received - first.received);
    const { rounds } = ROUNDS.find((r) => share <= r.share) ?? ROUNDS.at(-1)!;
    const again = Math.max(last.roundTripMs, ASKS_AGAIN_MS);
    return Math.min(last.roundTripMs + (rounds - 1) * again + SLACK_MS, MOST_MS);
  }
}
