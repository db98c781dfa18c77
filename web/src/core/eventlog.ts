import type { FramelockEvent, Snapshot } from "./wire.js";
import { isObject, type Json } from "./json.js";

/** How many events keep their bytes, to notice a second version of one. */
const KEEP_BYTES = 8192;

/** How many live events may wait for a snapshot. */
const KEEP_BUFFERED = 4096;

/** What became of received bytes. Duplicates become nothing. */
export type LogResult =
  /** First sight of an event in this session. */
  | { type: "accepted"; event: FramelockEvent; reliable: boolean }
  /** Two different events under one seq: somebody rewrote the log. Neither is to be trusted. */
  | { type: "equivocation"; seq: number; first: string; second: string }
  /** The ordered channel skipped from..to: this client can no longer know the state. */
  | { type: "gap"; from: number; to: number }
  /** The relay lost from..to in a crash before they were durable: they never happened. */
  | { type: "void"; from: number; to: number }
  /** An event of another log than the snapshot's. */
  | { type: "foreign"; log: string; seq: number };

interface Entry {
  text: string;
  /** From a snapshot, so not the exact bytes: compare as JSON. */
  parsed: boolean;
}

interface Buffered {
  text: string;
  event: FramelockEvent;
  reliable: boolean;
}

/**
 * The log as one viewer receives it: a snapshot, then events on an ordered and
 * on a fast channel, in any interleaving. Gives every event of the log once per
 * session, keyed by (log, seq), and says where the log contradicts itself.
 */
export class EventLog {
  private name: string | undefined;
  private base = 0;
  private accepted = new Set<number>();
  private entries = new Map<number, Entry>();
  private forgotten = 0;
  private voids: { from: number; to: number }[] = [];
  private buffer: Buffered[] | undefined = [];
  private last = 0;

  /** The log's name, undefined before the first snapshot. */
  get log(): string | undefined {
    return this.name;
  }

  /** The newest seq up to which everything has come (or was reported missing). */
  get contiguous(): number {
    return this.last;
  }

  /** A new session begins: events wait until its snapshot has come. */
  begin(): void {
    this.buffer = [];
  }

  /** Takes a snapshot: its pending events first, then what has been waiting for it. */
  open(snapshot: Snapshot): LogResult[] {
    if (snapshot.log !== this.name) {
      this.entries.clear();
      this.voids = [];
      this.forgotten = 0;
    }
    this.name = snapshot.log;
    this.base = snapshot.seq;
    this.last = snapshot.seq;
    this.accepted.clear();
    const out: LogResult[] = [];
    for (const event of snapshot.pending) {
      if (!this.remember(event.seq, { text: JSON.stringify(event), parsed: true }, out)) continue;
      this.accepted.add(event.seq);
      out.push({ type: "accepted", event, reliable: true });
    }
    const waiting = this.buffer ?? [];
    this.buffer = undefined;
    for (const b of waiting) out.push(...this.receive(b.text, b.event, b.reliable));
    return out;
  }

  /** Takes an event's bytes from the ordered (reliable) or the fast channel. */
  receive(text: string, event: FramelockEvent, reliable: boolean): LogResult[] {
    if (this.buffer) {
      this.buffer.push({ text, event, reliable });
      // The oldest are the likeliest to be part of the snapshot that is on its way.
      if (this.buffer.length > KEEP_BUFFERED) this.buffer.shift();
      return [];
    }
    if (event.log !== this.name) return [{ type: "foreign", log: event.log, seq: event.seq }];
    const out: LogResult[] = [];
    if (!this.remember(event.seq, { text, parsed: false }, out)) return out;
    if (event.kind === "recovered") {
      // It cuts the log, which only means something in the log's own order.
      if (reliable) this.cut(event, out);
    }
    if (reliable) this.step(event.seq, out);
    if (this.isNew(event.seq) && (reliable || event.kind !== "recovered")) {
      this.accepted.add(event.seq);
      out.push({ type: "accepted", event, reliable });
    }
    return out;
  }

  private isNew(seq: number): boolean {
    if (this.accepted.has(seq) || seq <= this.base || seq <= this.forgotten) return false;
    return !this.voids.some((v) => v.from <= seq && seq <= v.to);
  }

  /** Keeps the bytes of a seq; false if they contradict the ones already kept. */
  private remember(seq: number, entry: Entry, out: LogResult[]): boolean {
    const first = this.entries.get(seq);
    if (!first) {
      if (seq > this.forgotten) this.entries.set(seq, entry);
      if (this.entries.size > KEEP_BYTES) this.forgetOne();
      return true;
    }
    if (!same(first, entry)) {
      out.push({ type: "equivocation", seq, first: first.text, second: entry.text });
      return false;
    }
    if (first.parsed && !entry.parsed) this.entries.set(seq, entry);
    return true;
  }

  private forgetOne(): void {
    const seq = this.entries.keys().next().value as number;
    this.entries.delete(seq);
    this.accepted.delete(seq);
    this.forgotten = Math.max(this.forgotten, seq);
  }

  /** Follows the ordered channel to seq; a seq it skipped and nobody delivered is a gap. */
  private step(seq: number, out: LogResult[]): void {
    this.advance();
    if (seq > this.last + 1) out.push({ type: "gap", from: this.last + 1, to: seq - 1 });
    this.last = Math.max(this.last, seq);
    this.advance();
  }

  private advance(): void {
    while (this.accepted.has(this.last + 1)) this.last++;
  }

  private cut(event: FramelockEvent, out: LogResult[]): void {
    const durable = isObject(event.data) ? event.data.last_durable : undefined;
    if (typeof durable !== "number" || durable + 1 >= event.seq) return;
    const range = { from: durable + 1, to: event.seq - 1 };
    if (range.to < this.base) return; // the snapshot was made after the cut
    this.voids.push(range);
    if (this.voids.length > 16) this.voids.shift();
    this.last = Math.max(this.last, range.to);
    out.push({ type: "void", ...range });
  }
}

function same(a: Entry, b: Entry): boolean {
  if (a.text === b.text) return true;
  if (!a.parsed && !b.parsed) return false;
  return normal(a.text) === normal(b.text);
}

/** An event as JSON with sorted keys: for the one comparison where the exact bytes are not to be had. */
function normal(text: string): string {
  return JSON.stringify(JSON.parse(text), (_key, value: Json) =>
    isObject(value) ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))) : value,
  );
}
