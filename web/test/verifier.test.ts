import { describe, expect, it } from "vitest";
import { toHex } from "../src/core/encoding.js";
import { Verifier } from "../src/core/verifier.js";
import { snapshotBody, snapshotParts, T0 } from "./fixtures.js";
import { tools, vectors } from "./vectors.js";

interface Head {
  size: number;
  frontier: string[];
  key: string;
  note: string;
}

const trees = new Map(vectors.trees.map((t) => [t.size, t]));

/** A session whose snapshot has the head, up to seq. */
async function joins(verifier: Verifier, head: Head | undefined = vectors.head, seq = 1, key?: string, log = vectors.log): Promise<void> {
  await verifier.begin(key);
  const body = snapshotBody(seq, T0, {}, [], { log, stream: vectors.stream, ...(head && { log_head: head }) });
  for (const part of snapshotParts(body, 900)) await verifier.receive(part);
}

async function after(messages: number, key?: string): Promise<Verifier> {
  const verifier = new Verifier(tools);
  await joins(verifier, vectors.head, 1, key);
  for (const { message } of vectors.session.slice(0, messages)) await verifier.receive(message);
  return verifier;
}

describe("Verifier", () => {
  it("follows the vectors' session, across a recovery and a change of keys", async () => {
    const verifier = await after(0);
    expect(verifier.verification).toMatchObject({ state: "verified", size: 1, seq: 1, keyFrom: "first_use", log: vectors.log });
    for (const [i, { message, size, root }] of vectors.session.entries()) {
      await verifier.receive(message);
      const { verification: v } = verifier;
      expect([v.state, v.size], `message ${i + 1}: ${v.reason}`).toEqual(["verified", size]);
      const said = JSON.parse(message) as { type: string; size: number; seq: number; note: string };
      if (said.type !== "checkpoint") continue;
      expect(v.checkpoint).toMatchObject({ size: said.size, seq: said.seq, note: said.note });
      if (said.size === size) expect(v.checkpoint?.root).toBe(root);
    }
    expect(verifier.verification.key).toBe(vectors.keys[1]!.verifier);
  });

  it.each(vectors.session_refused)("alarms: $name", async ({ after: n, message }) => {
    const verifier = await after(n);
    expect(verifier.verification.state).toBe("verified");
    await verifier.receive(message);
    const { state, alarm, reason } = verifier.verification;
    expect(state).toBe("alarm");
    expect(alarm?.text).toBe(reason);
    const first = verifier.verification.alarm;
    for (const { message: more } of vectors.session.slice(n)) await verifier.receive(more);
    expect(verifier.verification).toMatchObject({ state: "alarm", alarm: first }); // for good
  });

  it("notices every event that was changed, dropped, invented or exchanged", async () => {
    const events = vectors.session.slice(0, 2).map((m) => m.message);
    const forged: [string, string[]][] = [
      ["changed", [events[0]!, events[1]!.replace('"pocket":17', '"pocket":18')]],
      ["dropped", [events[0]!]],
      ["invented", [...events, events[1]!.replace('"seq":3', '"seq":4')]],
      ["exchanged", [events[1]!.replace('"seq":3', '"seq":2'), events[0]!.replace('"seq":2', '"seq":3')]],
    ];
    for (const [name, messages] of forged) {
      const verifier = await after(0);
      for (const m of messages) await verifier.receive(m);
      expect(verifier.verification.state, name).toBe("verified"); // nothing was signed about them yet
      await verifier.receive(vectors.session[3]!.message);
      // An event more than was signed may be signed by the next checkpoint.
      expect(verifier.verification.state, name).toBe(name === "invented" ? "verified" : "alarm");
    }
  });

  it("says what differed, and where", async () => {
    const verifier = await after(1);
    await verifier.receive(vectors.session[1]!.message.replace('"pocket":17', '"pocket":18'));
    await verifier.receive(vectors.session[3]!.message);
    expect(verifier.verification.alarm).toMatchObject({ code: "root", seq: 3, expected: trees.get(3)!.root });
    expect(verifier.verification.alarm?.actual).toMatch(/^[0-9a-f]{64}$/);
    expect(verifier.verification.alarm?.note).toContain("\n3\n");
  });

  it("keeps what comes between the parts of a snapshot, and passes over what the snapshot covers", async () => {
    const verifier = new Verifier(tools);
    await verifier.begin(undefined);
    const parts = snapshotParts(snapshotBody(2, T0, {}, [], {
      log: vectors.log, stream: vectors.stream, log_head: { ...vectors.head, size: 2, frontier: trees.get(2)!.frontier },
    }));
    await verifier.receive(parts[0]!);
    for (const { message } of vectors.session.slice(0, 4)) await verifier.receive(message);
    for (const part of parts.slice(1)) await verifier.receive(part);
    expect(verifier.verification).toMatchObject({ state: "verified", size: 3, seq: 3, checkpoint: { size: 3 } });
  });

  it("waits for a checkpoint that covers what this session began with", async () => {
    const verifier = new Verifier(tools);
    await joins(verifier, { ...vectors.head, size: 3, frontier: trees.get(3)!.frontier }, 3); // its note covers 1
    expect(verifier.verification).toMatchObject({ state: "unverified", reason: "waiting for the next checkpoint" });
    await verifier.receive(vectors.session[2]!.message); // of 2: from before
    expect(verifier.verification.state).toBe("unverified");
    await verifier.receive(vectors.session[3]!.message);
    expect(verifier.verification).toMatchObject({ state: "verified", checkpoint: { size: 3 } });
  });

  it("goes on after a reconnect, and notices another history", async () => {
    const verifier = await after(6); // verified up to 3 of 5 events
    await joins(verifier, { ...vectors.head, size: 5, frontier: (await grown(6)).frontier }, 5);
    expect(verifier.verification).toMatchObject({ state: "verified", size: 5 }); // the very same
    await verifier.receive(vectors.session[6]!.message); // which can still be cut back
    expect(verifier.verification).toMatchObject({ state: "verified", size: 4 });

    const other = await after(6);
    await joins(other, { ...vectors.head, size: 5, frontier: trees.get(5)!.frontier }, 5);
    expect(other.verification.alarm).toMatchObject({ code: "history", seq: 5 });

    const longer = await after(4); // verified up to 3
    await joins(longer, { ...vectors.head, size: 7, frontier: trees.get(7)!.frontier }, 4100);
    expect(longer.verification).toMatchObject({ state: "unverified", alarm: undefined, checkpoint: { size: 3 } });

    const forged = await after(9); // verified up to 5, whose first 4 are a subtree of 7 too
    const [, ...rest] = trees.get(7)!.frontier;
    await joins(forged, { ...vectors.head, size: 7, frontier: [trees.get(8)!.root, ...rest] }, 4100);
    expect(forged.verification.alarm).toMatchObject({ code: "history" });

    const shorter = await after(4);
    await joins(shorter, { ...vectors.head, size: 2, frontier: trees.get(2)!.frontier }, 2);
    expect(shorter.verification.alarm).toMatchObject({ code: "history" });
  });

  it("keeps the first key across sessions of a log, and asks again for a new log", async () => {
    const verifier = await after(4);
    await joins(verifier, { ...vectors.head, size: 3, frontier: trees.get(3)!.frontier, key: vectors.keys[1]!.verifier }, 3);
    expect(verifier.verification.key).toBe(vectors.keys[0]!.verifier);
    const log = "00000000000000aa";
    await joins(verifier, { size: 0, frontier: [], note: "", key: await named(1, `relay.example.com/wheel/${log}`) }, 0, undefined, log);
    expect(verifier.verification).toMatchObject({ state: "unverified", log, checkpoint: undefined, keyFrom: "first_use" });
    expect(verifier.verification.reason).toContain("new log");
  });

  it("trusts the page's key before the snapshot's", async () => {
    const good = await after(3, vectors.keys[0]!.verifier);
    expect(good.verification).toMatchObject({ state: "verified", keyFrom: "page" });
    const bad = await after(3, vectors.keys[1]!.verifier);
    expect(bad.verification).toMatchObject({ state: "alarm", alarm: { code: "signature" } });
    const none = await after(3, "nonsense");
    expect(none.verification).toMatchObject({ state: "alarm", alarm: { code: "malformed" } });
  });

  it("says so where signatures cannot be checked, and compares hashes all the same", async () => {
    const verifier = new Verifier({ ...tools, ed25519: undefined });
    await joins(verifier);
    for (const { message } of vectors.session.slice(0, 3)) await verifier.receive(message);
    expect(verifier.verification).toMatchObject({ state: "unverified", checkpoint: { size: 2 } });
    expect(verifier.verification.reason).toContain("Ed25519");
    await verifier.receive(vectors.session_refused[0]!.message);
    expect(verifier.verification.alarm?.code).toBe("root");
  });

  it("has nothing to say about a relay without a transcript, and survives nonsense", async () => {
    const verifier = new Verifier(tools);
    await verifier.begin(undefined);
    for (const part of snapshotParts(snapshotBody(1, T0, {}, [], { log: vectors.log, stream: vectors.stream }))) await verifier.receive(part);
    for (const text of ["", "{", "[]", '{"type":"event"}', '{"type":"checkpoint","size":-1}', vectors.session[0]!.message, vectors.session[2]!.message]) {
      await verifier.receive(text);
    }
    expect(verifier.verification).toMatchObject({ state: "unverified", seq: 2, reason: "this relay keeps no transcript of the stream" });
    await joins(verifier, { ...vectors.head, frontier: [] });
    expect(verifier.verification.alarm?.code).toBe("malformed");
  });
});

/** The frontier after so many messages of the session, from a tree of the whole. */
async function grown(messages: number): Promise<{ frontier: string[] }> {
  const { Frontier, leafHash } = await import("../src/core/merkle.js");
  const { utf8 } = await import("../src/core/encoding.js");
  let tree = Frontier.empty;
  const events = [vectors.leaves[0]!.message, ...vectors.session.slice(0, messages).map((m) => m.message)].filter((m) => m.includes('"event"'));
  for (const e of events) tree = await tree.append(tools.sha256, await leafHash(tools.sha256, utf8(e)));
  return { frontier: tree.peaks.map(toHex) };
}

/** A key of the vectors under another log's name. */
async function named(n: number, name: string): Promise<string> {
  const { formatKey, keyNamed } = await import("../src/core/note.js");
  const { fromHex } = await import("../src/core/encoding.js");
  return formatKey(await keyNamed(tools.sha256, name, fromHex(vectors.keys[n]!.public)!));
}
