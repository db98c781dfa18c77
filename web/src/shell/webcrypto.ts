import { fromHex } from "../core/encoding.js";
import type { Sha256 } from "../core/merkle.js";
import type { Ed25519Verify } from "../core/note.js";
import type { VerifierTools } from "../core/verifier.js";

/** What a page without a secure context cannot do, in words. */
export const NEEDS_SECURE_CONTEXT = "cannot verify: needs HTTPS or localhost";

/** SHA-256 of the browser; throws where there is none. */
export const sha256: Sha256 = async (bytes) => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));

const ed25519: Ed25519Verify = async (key, signature, message) => {
  const imported = await crypto.subtle.importKey("raw", key, "Ed25519", false, ["verify"]);
  return crypto.subtle.verify("Ed25519", imported, signature, message);
};

// RFC 8032, section 7.1, test 1: the signature of the empty message.
const KNOWN_KEY = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
const KNOWN_SIGNATURE =
  "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b";

/** Whether hashes can be had: only in a secure context. */
export function canHash(): boolean {
  return typeof crypto === "object" && crypto.subtle !== undefined;
}

/** What this browser has to verify with. Ed25519 is tried on a known signature. */
export async function verifierTools(): Promise<VerifierTools> {
  let works = false;
  try {
    works = await ed25519(fromHex(KNOWN_KEY)!, fromHex(KNOWN_SIGNATURE)!, new Uint8Array(0));
  } catch {
    // An older browser: hashes are compared all the same.
  }
  return { sha256, ed25519: works ? ed25519 : undefined };
}
