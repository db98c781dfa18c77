import { type Sha256 } from "./merkle.js";
/** Checks an Ed25519 signature. */
export type Ed25519Verify = (key: Uint8Array<ArrayBuffer>, signature: Uint8Array<ArrayBuffer>, message: Uint8Array<ArrayBuffer>) => Promise<boolean>;
/** A note's signer, as `<name>+<hash>+<base64>` names it (C2SP signed-note, verifier keys). */
export interface VerifierKey {
    name: string;
    /** First 4 bytes of SHA-256(name || 0x0A || algorithm || key). */
    id: Uint8Array;
    key: Uint8Array<ArrayBuffer>;
}
/** Reads a verifier key; undefined if it is not an Ed25519 one, or its own hash says otherwise. */
export declare function parseVerifierKey(sha256: Sha256, text: string): Promise<VerifierKey | undefined>;
/** A key under a name: in checkpoints a key bears the name of the log that it signs. */
export declare function keyNamed(sha256: Sha256, name: string, key: Uint8Array<ArrayBuffer>): Promise<VerifierKey>;
/** The key as `<name>+<hash>+<base64>`. */
export declare function formatKey({ name, id, key }: VerifierKey): string;
/** A log's signed tree head (C2SP tlog-checkpoint). */
export interface Checkpoint {
    /** The log's name: `<origin>/<stream>/<log id>`. */
    origin: string;
    size: number;
    root: Uint8Array;
    /** The bytes that were signed. */
    text: Uint8Array<ArrayBuffer>;
    signatures: readonly {
        name: string;
        id: Uint8Array;
        signature: Uint8Array<ArrayBuffer>;
    }[];
}
/** Reads a checkpoint, undefined if the note is not one. Says nothing about its signatures. */
export declare function parseCheckpoint(note: string): Checkpoint | undefined;
/**
 * Whether one of a checkpoint's signatures is the key's, and right. Other signers, such as
 * witnesses, are passed over.
 */
export declare function signedBy(verify: Ed25519Verify, checkpoint: Checkpoint, key: VerifierKey): Promise<boolean>;
