import { createHash, webcrypto } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { VerifierTools } from "../src/core/verifier.js";

/** What testdata/vectors/transcript.json holds. */
export interface TranscriptVectors {
  origin: string;
  stream: string;
  log: string;
  keys: { verifier: string; public: string; id: string }[];
  leaves: { message: string; leaf: string }[];
  trees: { size: number; root: string; frontier: string[] }[];
  inclusion: { index: number; size: number; hashes: string[] }[];
  consistency: unknown[];
  checkpoints: { name: string; key: string; note: string; size: number; root: string }[];
  refused: { name: string; key: string; note: string }[];
  head: { size: number; frontier: string[]; key: string; note: string };
  session: { message: string; size: number; root: string }[];
  session_refused: { name: string; after: number; message: string }[];
}

export const vectors = JSON.parse(
  readFileSync(join(import.meta.dirname, "../../testdata/vectors/transcript.json"), "utf8"),
) as TranscriptVectors;

/** A verifier's tools as Node.js has them. */
export const tools: VerifierTools = {
  sha256: async (bytes) => new Uint8Array(createHash("sha256").update(bytes).digest()),
  ed25519: async (key, signature, message) => {
    const imported = await webcrypto.subtle.importKey("raw", key, "Ed25519", false, ["verify"]);
    return webcrypto.subtle.verify("Ed25519", imported, signature, message);
  },
};
