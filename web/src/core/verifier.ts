import { fromHex, sameBytes, toHex, utf8 } from "./encoding.js";
import { isObject } from "./json.js";
import { Frontier, leafHash, rootFromProof, type Sha256 } from "./merkle.js";
import {
  formatKey, keyNamed, parseCheckpoint, parseVerifierKey, signedBy, type Checkpoint, type Ed25519Verify, type VerifierKey,
} from "./note.js";
import { SnapshotParts } from "./snapshotparts.js";
import { decodeMessage, decodeSnapshot, WireError, type EventProof, type FramelockEvent, type LogHead, type Message, type Snapshot } from "./wire.js";

/**
 * Trees of so many past sizes are kept: to compare with checkpoints, which are
 * signed a little later, and to cut back to what was durable. A relay reserves
 * seq numbers in blocks of 4,096, so it never loses more than that.
 */
const KEEP_TREES = 8192;

/** The notice by which a relay announces its next key. */
const KEY_NOTICE = "transcript_key";

/** How many messages may wait for the parts of a snapshot. */
const KEEP_BUFFERED = 4096;

/** The tools that a verifier works with. */
export interface VerifierTools {
  sha256: Sha256;
  /** Undefined where the browser has no Ed25519: hashes are compared, signatures are not checked. */
  ed25519: Ed25519Verify | undefined;
}

/**
 * - `unverified`: nothing contradicts, and nothing is proven yet; `reason` says why.
 * - `verified`: everything up to `checkpoint` is what the relay signed.
 * - `alarm`: what this viewer was shown and what the relay signed are not the same. Final.
 */
export type VerificationState = "unverified" | "verified" | "alarm";

/** What differed. */
export type VerificationFault =
  /** The root that was signed is not the root of the events that were received. */
  | "root"
  /** A checkpoint covers another number of events than came up to its seq. */
  | "size"
  /** A checkpoint bears no valid signature of the key that is trusted. */
  | "signature"
  /** A checkpoint is of another log. */
  | "origin"
  /** An event of the log was never sent, or its seq was used before. */
  | "order"
  /** The log of a new session does not continue the one that was verified. */
  | "history"
  /** Events that a signed checkpoint covers were taken back. */
  | "cut"
  /** A key, checkpoint or frontier is not what the protocol says. */
  | "malformed";

/** An alarm's details, for a regulator. */
export interface VerificationAlarm {
  code: VerificationFault;
  /** In words. */
  text: string;
  /** Seq of the event that it was noticed at. */
  seq: number;
  /** What the relay signed or said, where the two can be named. */
  expected?: string;
  /** What follows from the events that came here. */
  actual?: string;
  /** The signed note that is concerned. */
  note?: string;
}

/** A checkpoint that was found right. */
export interface VerifiedCheckpoint {
  size: number;
  /** Of its last event. */
  seq: number;
  /** In hexadecimal. */
  root: string;
  /** The signed note itself, for `relay transcript verify --checkpoint`. */
  note: string;
}

/** Where the verification stands. Plain data. */
export interface Verification {
  state: VerificationState;
  /** Why, in words. */
  reason: string;
  stream: string;
  log: string;
  /** The verifier key that is trusted: given by the page, or the first that was seen. */
  key: string;
  keyFrom: "page" | "first_use" | "";
  /** Events in the tree now, and the newest one's seq. */
  size: number;
  seq: number;
  /** The newest checkpoint that was found right. */
  checkpoint: VerifiedCheckpoint | undefined;
  alarm: VerificationAlarm | undefined;
}

/** Where verification stands before anything has come. */
export const NOTHING_VERIFIED: Verification = {
  state: "unverified", reason: "the relay has not been heard yet", stream: "", log: "", key: "", keyFrom: "", size: 0, seq: 0,
  checkpoint: undefined, alarm: undefined,
};

interface Tree {
  seq: number;
  frontier: Frontier;
}

/**
 * Follows a stream's log as one viewer is sent it, and compares its own tree with
 * every checkpoint that the relay signs (protocol, section 9). It reads the
 * ordered channel's messages as they came, by itself: what the page shows has
 * no influence on it. Calls must not overlap.
 */
export class Verifier {
  private at: Verification = NOTHING_VERIFIED;
  private pinned: VerifierKey | undefined; // the page's
  private key: VerifierKey | undefined; // that signs now
  private nextKeys: { key: VerifierKey; index: number }[] = []; // announced by the leaf at index, not in force
  private trees: Tree[] = []; // sizes rise by one
  private proven: Tree | undefined; // of the newest checkpoint
  private readonly parts = new SnapshotParts();
  private buffer: string[] | undefined = [];

  constructor(private readonly tools: VerifierTools) {}

  /** Where the verification stands: a new value whenever something changed. */
  get verification(): Verification {
    return this.at;
  }

  /**
   * A new session begins: messages wait until its snapshot has come. `key`, a
   * verifier key, is the one to trust from the start of a log; without one the
   * first that a snapshot of the log names is.
   */
  async begin(key: string | undefined): Promise<void> {
    this.parts.clear();
    this.buffer = [];
    if (!key || this.pinned) return;
    this.pinned = await parseVerifierKey(this.tools.sha256, key);
    if (!this.pinned) this.badKey("the page's key", key);
  }

  /** Takes a message of the ordered channel. What is no message at all is for others to say. */
  async receive(text: string): Promise<void> {
    let message: Message;
    let snapshot: Snapshot | undefined;
    try {
      message = decodeMessage(text);
      const whole = message.type === "part" ? this.parts.add(message.part, message.parts, message.body) : undefined;
      if (whole !== undefined) snapshot = decodeSnapshot(whole);
    } catch (e) {
      if (e instanceof WireError) return;
      throw e;
    }
    if (snapshot) return this.open(snapshot);
    if (message.type !== "event" && message.type !== "checkpoint") return;
    if (this.buffer) {
      this.buffer.push(text);
      if (this.buffer.length > KEEP_BUFFERED) this.buffer.shift();
      return;
    }
    if (message.type === "event") return this.event(message.event, text);
    if (message.handover) await this.succeed(message.handover);
    return this.checkpoint(message.note, message);
  }

  private async open(snapshot: Snapshot): Promise<void> {
    const { stream, log, seq, logHead: head } = snapshot;
    const another = log !== this.at.log && this.at.log !== "";
    if (log !== this.at.log) {
      this.trees = [];
      this.proven = undefined;
      this.key = undefined;
      this.nextKeys = [];
      this.set({ stream, log, seq: 0, size: 0, checkpoint: undefined });
    }
    if (head) await this.follow(head, seq, another);
    else {
      this.trees = [];
      this.set({ seq, size: 0 });
      this.doubt("this relay keeps no transcript of the stream");
    }
    const waiting = this.buffer ?? [];
    this.buffer = undefined;
    for (const text of waiting) {
      const message = decodeMessage(text);
      if (message.type !== "event" || message.event.seq > seq) await this.receive(text);
    }
  }

  /** Goes on from a snapshot's log head, which must not contradict what came before. */
  private async follow(head: LogHead, seq: number, anotherLog: boolean): Promise<void> {
    if (!this.key) await this.trust(head.key);
    for (const handover of head.handovers) await this.succeed(handover);
    const frontier = Frontier.of(head.size, head.frontier.map((h) => fromHex(h) ?? new Uint8Array(0)));
    if (!frontier) {
      this.trees = [];
      this.alarm({ code: "malformed", seq, text: `${head.frontier.length} hashes are not the frontier of ${head.size} events` });
      return;
    }
    const known = this.trees.findIndex((t) => t.seq === seq);
    this.compareHistory({ seq, frontier }, this.trees[known]);
    // Nothing new since the last session: what was compared then still holds.
    this.trees = known < 0 ? [{ seq, frontier }] : this.trees.slice(0, known + 1);
    this.set({ seq, size: head.size });
    if (known < 0) this.doubt(anotherLog ? "the relay has begun a new log; its next checkpoint decides" : "waiting for the next checkpoint");
    if (head.note) await this.checkpoint(head.note, undefined);
  }

  /** A new session's log must be the one that was followed before, only longer. */
  private compareHistory(now: Tree, then: Tree | undefined): void {
    const { seq, frontier } = now;
    const differs = (text: string, than: Tree): void =>
      this.alarm({ code: "history", seq, text, expected: fingerprint(than.frontier), actual: fingerprint(frontier) });
    if (this.proven && frontier.size < this.proven.frontier.size) {
      differs(`the log has ${frontier.size} events now, fewer than the ${this.proven.frontier.size} of a signed checkpoint`, this.proven);
    } else if (this.proven && !frontier.agrees(this.proven.frontier)) {
      differs(`the log's first ${this.proven.frontier.size} events are not those of a signed checkpoint any more`, this.proven);
    }
    if (then && (then.frontier.size !== frontier.size || !frontier.agrees(then.frontier))) {
      differs(`the log up to event ${seq} is not the one that was received before`, then);
    }
  }

  private async event(event: FramelockEvent, text: string): Promise<void> {
    if (event.log !== this.at.log) return; // the session cannot be followed: others say so
    if (event.kind === "recovered" && event.seq > this.at.seq) this.cut(event);
    else if (event.seq !== this.at.seq + 1) return this.misplaced(event.seq, `event ${event.seq} came after event ${this.at.seq}`);
    const tree = this.trees.at(-1);
    if (!tree) return this.set({ seq: event.seq });
    await this.learnKey(event, tree.frontier.size);
    const leaf = await leafHash(this.tools.sha256, utf8(text));
    const frontier = await tree.frontier.append(this.tools.sha256, leaf);
    this.trees.push({ seq: event.seq, frontier });
    if (this.trees.length > 2 * KEEP_TREES) this.trees.splice(0, KEEP_TREES);
    this.set({ seq: event.seq, size: frontier.size });
  }

  /** The relay lost what came after last_durable: it is no part of the log. */
  private cut(event: FramelockEvent): void {
    const durable = isObject(event.data) ? event.data.last_durable : undefined;
    if (typeof durable !== "number") {
      return this.alarm({ code: "malformed", seq: event.seq, text: "a recovered event does not say what was durable" });
    }
    if (this.proven && durable < this.proven.seq) {
      return this.alarm({
        code: "cut", seq: event.seq, note: this.at.checkpoint?.note,
        text: `the relay takes back what came after event ${durable}, but it signed a checkpoint up to event ${this.proven.seq}`,
      });
    }
    if (durable > this.at.seq) return this.misplaced(event.seq, `events ${this.at.seq + 1} to ${durable} are part of the log and never came`);
    let n = this.trees.length;
    while (n > 0 && this.trees[n - 1]!.seq > durable) n--;
    this.trees.length = n;
    const size = this.trees.at(-1)?.frontier.size ?? 0;
    this.nextKeys = this.nextKeys.filter(({ index }) => index < size);
    this.set({ size });
    if (n === 0) this.doubt("the relay lost events that this session began with: only a new session can be verified");
  }

  /** Notices a key's successor: it signs from the first checkpoint after the one that covers the notice. */
  private async learnKey(event: FramelockEvent, index: number): Promise<void> {
    const data = isObject(event.data) ? event.data : {};
    if (event.kind !== "notice" || data.notice !== KEY_NOTICE) return;
    const text = String(data.key);
    const key = await parseVerifierKey(this.tools.sha256, text);
    if (key) this.nextKeys.push({ key, index });
    else this.badKey(`the key that event ${event.seq} announces`, text);
  }

  /** Takes the proof that the key in force has announced its successor, for a page that was not there. */
  private async succeed(proof: EventProof): Promise<void> {
    const message = decodeMessage(proof.event);
    const data = message.type === "event" && message.event.kind === "notice" && isObject(message.event.data) ? message.event.data : {};
    if (!this.key || data.notice !== KEY_NOTICE || data.previous !== formatKey(this.key)) return; // of other keys
    const checkpoint = parseCheckpoint(proof.note);
    const hashes = proof.hashes.map((h) => fromHex(h) ?? new Uint8Array(0));
    const leaf = await leafHash(this.tools.sha256, utf8(proof.event));
    const root = await rootFromProof(this.tools.sha256, leaf, { index: proof.index, size: proof.size, hashes });
    const next = await parseVerifierKey(this.tools.sha256, String(data.key));
    const holds = checkpoint !== undefined && checkpoint.origin === this.key.name && checkpoint.size === proof.size &&
      root !== undefined && sameBytes(root, checkpoint.root) && (await this.signed(checkpoint));
    if (!holds || next?.name !== this.key.name) {
      return this.alarm({
        code: "signature", seq: this.at.seq, note: proof.note,
        text: `the relay says that the key ${formatKey(this.key)} has a successor, and its proof is not one`,
      });
    }
    this.nextKeys = [];
    this.use(next);
  }

  /** Compares a signed checkpoint with the tree. `told`, if it came by itself, is what the relay says around it. */
  private async checkpoint(note: string, told: { size: number; seq: number } | undefined): Promise<void> {
    const first = this.trees[0];
    if (!first || !this.key) return;
    const seq = told?.seq ?? this.at.seq;
    const checkpoint = parseCheckpoint(note);
    if (!checkpoint) return this.alarm({ code: "malformed", seq, note, text: "a checkpoint is not a signed note of a tree head" });
    const { origin, size } = checkpoint;
    const differs = (code: VerificationFault, text: string, expected: string, actual: string): void =>
      this.alarm({ code, seq, note, text, expected, actual });
    if (origin !== this.key.name) return differs("origin", "a checkpoint is of another log", origin, this.key.name);
    if (!(await this.signed(checkpoint))) {
      return this.alarm({ code: "signature", seq, note, text: `a checkpoint bears no valid signature of the trusted key ${formatKey(this.key)}` });
    }
    if (told && told.size !== size) return differs("size", "a checkpoint's note and its message name different sizes", `${size}`, `${told.size}`);
    if (told && this.proven && size < this.proven.frontier.size) {
      return differs("size", "a checkpoint covers fewer events than the one before it", `${size}`, `${this.proven.frontier.size}`);
    }
    if (size < first.frontier.size) return; // from before this session: there is nothing to compare it with
    const tree = this.trees[size - first.frontier.size];
    if (!tree) return differs("size", `a checkpoint covers ${size} events, but only ${this.at.size} have come`, `${size}`, `${this.at.size}`);
    const root = await tree.frontier.root(this.tools.sha256);
    if (!sameBytes(root, checkpoint.root)) {
      return differs("root", `the relay signed other events than it sent here, up to event ${tree.seq}`, toHex(checkpoint.root), toHex(root));
    }
    if (told && told.seq !== tree.seq) return differs("size", `the ${size} events of a checkpoint end with another one here`, `${told.seq}`, `${tree.seq}`);
    this.proven = tree;
    while (this.nextKeys[0] && this.nextKeys[0].index < size) this.use(this.nextKeys.shift()!.key);
    this.prove({ size, seq: tree.seq, root: toHex(root), note });
  }

  private async signed(checkpoint: Checkpoint): Promise<boolean> {
    const { ed25519 } = this.tools;
    return !ed25519 || signedBy(ed25519, checkpoint, this.key!); // without: said in the reason, see prove
  }

  private prove(checkpoint: VerifiedCheckpoint): void {
    this.set({ checkpoint });
    if (!this.tools.ed25519) return this.doubt("the hashes agree, but this browser cannot check Ed25519 signatures");
    if (this.at.state === "alarm") return;
    this.set({ state: "verified", reason: `all ${checkpoint.size} events up to number ${checkpoint.seq} are as the relay signed them` });
  }

  /** Settles which key signs a log: the page's if it named one, else the snapshot's. */
  private async trust(text: string): Promise<void> {
    const told = await parseVerifierKey(this.tools.sha256, text);
    if (!told) return this.badKey("the relay's key", text);
    // A page may name the key as it was for an earlier log: the name is the log's, the key is the relay's.
    this.use(this.pinned ? await keyNamed(this.tools.sha256, told.name, this.pinned.key) : told);
    this.set({ keyFrom: this.pinned ? "page" : "first_use" });
    if (!told.name.endsWith(`/${this.at.stream}/${this.at.log}`)) {
      this.alarm({ code: "origin", seq: this.at.seq, text: `the relay's key ${text} is not for log ${this.at.log} of ${this.at.stream}` });
    }
  }

  private use(key: VerifierKey): void {
    this.key = key;
    this.set({ key: formatKey(key) });
  }

  private badKey(whose: string, text: string): void {
    const shown = JSON.stringify(text.slice(0, 80));
    this.alarm({ code: "malformed", seq: this.at.seq, text: `${whose} ${shown} is not an Ed25519 verifier key (allowed: <name>+<hash>+<base64>)` });
  }

  private misplaced(seq: number, text: string): void {
    this.alarm({ code: "order", seq, text });
  }

  private doubt(reason: string): void {
    if (this.at.state !== "alarm") this.set({ state: "unverified", reason });
  }

  /** The first alarm stands: what follows from it says less. */
  private alarm(alarm: VerificationAlarm): void {
    if (this.at.state !== "alarm") this.set({ state: "alarm", reason: alarm.text, alarm });
  }

  private set(change: Partial<Verification>): void {
    this.at = { ...this.at, ...change };
  }
}

/** A tree in a few characters, for messages: its size and its largest subtree. */
function fingerprint(frontier: Frontier): string {
  const peak = frontier.peaks[0];
  return `${frontier.size} events, ${peak ? toHex(peak) : "empty"}`;
}
