import { createHash, generateKeyPairSync, sign, type KeyObject } from "node:crypto";
import { describe, expect, it } from "vitest";
import { concat, toBase64, toHex, utf8 } from "../src/core/encoding.js";
import { formatKey, keyNamed, type VerifierKey } from "../src/core/note.js";
import { Verifier } from "../src/core/verifier.js";
import { snapshotBody, snapshotParts, T0 } from "./fixtures.js";
import { tools, vectors } from "./vectors.js";

const NAME = `relay.example.com/${vectors.stream}/${vectors.log}`;

interface Signer {
  key: VerifierKey;
  text: string;
  secret: KeyObject;
}

async function signer(): Promise<Signer> {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const raw = Uint8Array.from(publicKey.export({ format: "der", type: "spki" }).subarray(-32));
  const key = await keyNamed(tools.sha256, NAME, raw);
  return { key, text: formatKey(key), secret: privateKey };
}

const sha256 = (...parts: Uint8Array[]): Uint8Array<ArrayBuffer> => Uint8Array.from(createHash("sha256").update(concat(...parts)).digest());
const leaf = (text: string): Uint8Array<ArrayBuffer> => sha256(Uint8Array.of(0), utf8(text));
const node = (a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> => sha256(Uint8Array.of(1), a, b);

function note(by: Signer, size: number, root: Uint8Array<ArrayBuffer>): string {
  const text = `${NAME}\n${size}\n${toBase64(root)}\n`;
  const signature = Uint8Array.from(sign(null, utf8(text), by.secret));
  return `${text}\n— ${NAME} ${toBase64(concat(by.key.id, signature))}\n`;
}

function event(seq: number, kind: string, data: object = {}): string {
  return JSON.stringify({
    v: 1, type: "event", log: vectors.log, stream: vectors.stream, track: "v0", epoch: 1, seq, kind, id: `e${seq}`, ts: T0 + seq, frame: seq, data,
  });
}

/** A log of a notice, which the first key signs, and a marker behind it. */
async function log(first: Signer, next: Signer, notary = first) {
  const notice = event(1, "notice", { notice: "transcript_key", key: next.text, previous: first.text });
  const marker = event(2, "marker");
  const proof = { event: notice, index: 0, size: 1, hashes: [], note: note(notary, 1, leaf(notice)) };
  return { proof, marker, frontier: [toHex(leaf(notice))], root: node(leaf(notice), leaf(marker)) };
}

async function joins(verifier: Verifier, head: object, key?: string): Promise<void> {
  await verifier.begin(key);
  const body = snapshotBody(1, T0, {}, [], { log: vectors.log, stream: vectors.stream, log_head: head });
  for (const part of snapshotParts(body, 900)) await verifier.receive(part);
}

describe("a key that took over", () => {
  it.each(["in the snapshot", "with its first checkpoint"])("is taken by who was away, from its proof %s", async (where) => {
    const [a, b] = [await signer(), await signer()];
    const { proof, marker, frontier, root } = await log(a, b);
    const inSnapshot = where === "in the snapshot";
    const verifier = new Verifier(tools);
    await joins(verifier, { size: 1, frontier, key: inSnapshot ? b.text : a.text, note: "", ...(inSnapshot && { handovers: [proof] }) }, a.text);
    await verifier.receive(marker);
    const checkpoint = { type: "checkpoint", size: 2, seq: 2, note: note(b, 2, root), ...(!inSnapshot && { handover: proof }) };
    await verifier.receive(JSON.stringify(checkpoint));
    expect(verifier.verification).toMatchObject({ state: "verified", key: b.text, keyFrom: "page" });
  });

  it("is not taken without a proof", async () => {
    const [a, b] = [await signer(), await signer()];
    const { marker, frontier, root } = await log(a, b);
    const verifier = new Verifier(tools);
    await joins(verifier, { size: 1, frontier, key: b.text, note: "" }, a.text);
    await verifier.receive(marker);
    await verifier.receive(JSON.stringify({ type: "checkpoint", size: 2, seq: 2, note: note(b, 2, root) }));
    expect(verifier.verification.alarm).toMatchObject({ code: "signature" });
  });

  it("is not taken from a proof that others signed", async () => {
    const [a, b] = [await signer(), await signer()];
    const { proof, frontier } = await log(a, b, b);
    const verifier = new Verifier(tools);
    await joins(verifier, { size: 1, frontier, key: b.text, note: "", handovers: [proof] }, a.text);
    expect(verifier.verification.alarm).toMatchObject({ code: "signature", note: proof.note });
  });

  it("is passed over by who has it already", async () => {
    const [a, b] = [await signer(), await signer()];
    const { proof, frontier } = await log(a, b);
    const verifier = new Verifier(tools);
    await joins(verifier, { size: 1, frontier, key: b.text, note: "", handovers: [proof] });
    expect(verifier.verification).toMatchObject({ state: "unverified", key: b.text, keyFrom: "first_use", alarm: undefined });
  });
});
