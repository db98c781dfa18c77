import type { Sha256 } from "../core/merkle.js";
import type { VerifierTools } from "../core/verifier.js";
/** What a page without a secure context cannot do, in words. */
export declare const NEEDS_SECURE_CONTEXT = "cannot verify: needs HTTPS or localhost";
/** SHA-256 of the browser; throws where there is none. */
export declare const sha256: Sha256;
/** Whether hashes can be had: only in a secure context. */
export declare function canHash(): boolean;
/** What this browser has to verify with. Ed25519 is tried on a known signature. */
export declare function verifierTools(): Promise<VerifierTools>;
