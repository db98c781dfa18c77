import { concat, fromBase64, fromHex, sameBytes, toBase64, toHex, utf8 } from "./encoding.js";
import { HASH_BYTES, type Sha256 } from "./merkle.js";

/** Checks an Ed25519 signature. */
export type Ed25519Verify = (
  key: Uint8Array<ArrayBuffer>, signature: Uint8Array<ArrayBuffer>, message: Uint8Array<ArrayBuffer>,
) => Promise<boolean>;

const ED25519 = 1; // algorithm byte of C2SP signed-note
const KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;

/** A note's signer, as `<name>+<hash>+<base64>` names it (C2SP signed-note, verifier keys). */
export interface VerifierKey {
  name: string;
  /** First 4 bytes of SHA-256(name || 0x0A || algorithm || key). */
  id: Uint8Array;
  key: Uint8Array<ArrayBuffer>;
}

/** Reads a verifier key; undefined if it is not an Ed25519 one, or its own hash says otherwise. */
export async function parseVerifierKey(sha256: Sha256, text: string): Promise<VerifierKey | undefined> {
  const m = /^([^\s+]+)\+([0-9a-f]{8})\+(.+)$/.exec(text);
  const id = m && fromHex(m[2]!);
  const typed = m && fromBase64(m[3]!);
  if (!id || !typed || typed.length !== KEY_BYTES + 1 || typed[0] !== ED25519) return undefined;
  const key = await keyNamed(sha256, m[1]!, typed.slice(1));
  return sameBytes(key.id, id) ? key : undefined;
}

/** A key under a name: in checkpoints a key bears the name of the log that it signs. */
export async function keyNamed(sha256: Sha256, name: string, key: Uint8Array<ArrayBuffer>): Promise<VerifierKey> {
  const hash = await sha256(concat(utf8(`${name}\n`), Uint8Array.of(ED25519), key));
  return { name, id: hash.slice(0, 4), key };
}

/** The key as `<name>+<hash>+<base64>`. */
export function formatKey({ name, id, key }: VerifierKey): string {
  return `${name}+${toHex(id)}+${toBase64(concat(Uint8Array.of(ED25519), key))}`;
}

/** A log's signed tree head (C2SP tlog-checkpoint). */
export interface Checkpoint {
  /** The log's name: `<origin>/<stream>/<log id>`. */
  origin: string;
  size: number;
  root: Uint8Array;
  /** The bytes that were signed. */
  text: Uint8Array<ArrayBuffer>;
  signatures: readonly { name: string; id: Uint8Array; signature: Uint8Array<ArrayBuffer> }[];
}

/** Reads a checkpoint, undefined if the note is not one. Says nothing about its signatures. */
export function parseCheckpoint(note: string): Checkpoint | undefined {
  const split = note.lastIndexOf("\n\n");
  if (split < 0 || !note.endsWith("\n")) return undefined;
  const text = note.slice(0, split + 1);
  // Extension lines are not taken: no relay writes any, and nobody could check them.
  const [origin, size, root, end, ...more] = text.split("\n");
  if (!origin || /[\s+]/.test(origin) || end !== "" || more.length > 0) return undefined;
  if (!size || !/^(0|[1-9]\d*)$/.test(size) || !Number.isSafeInteger(Number(size))) return undefined;
  const rootHash = fromBase64(root ?? "");
  if (rootHash?.length !== HASH_BYTES) return undefined;
  const signatures = [];
  for (const line of note.slice(split + 2, -1).split("\n")) {
    const m = /^— (\S+) (\S+)$/.exec(line);
    const bytes = m && fromBase64(m[2]!);
    if (!bytes || bytes.length < 5) return undefined;
    signatures.push({ name: m[1]!, id: bytes.slice(0, 4), signature: bytes.slice(4) });
  }
  return { origin, size: Number(size), root: rootHash, text: utf8(text), signatures };
}

/**
 * Whether one of a checkpoint's signatures is the key's, and right. Other signers, such as
 * witnesses, are passed over.
 */
export async function signedBy(verify: Ed25519Verify, checkpoint: Checkpoint, key: VerifierKey): Promise<boolean> {
  for (const { name, id, signature } of checkpoint.signatures) {
    if (name !== key.name || !sameBytes(id, key.id)) continue;
    return signature.length === SIGNATURE_BYTES && verify(key.key, signature, checkpoint.text);
  }
  return false;
}
