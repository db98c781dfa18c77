/** SHA-256 of bytes. */
export type Sha256 = (bytes: Uint8Array<ArrayBuffer>) => Promise<Uint8Array>;
/** The length of every hash, in bytes. */
export declare const HASH_BYTES = 32;
/** Hash of a leaf (RFC 6962, section 2.1). */
export declare function leafHash(sha256: Sha256, leaf: Uint8Array): Promise<Uint8Array>;
/**
 * What has to be kept of an RFC 6962 tree in order to append to it: the roots of
 * its complete subtrees, the largest (leftmost) first, one for each bit that is
 * set in its size. Immutable: earlier ones cost nothing to keep.
 */
export declare class Frontier {
    readonly size: number;
    readonly peaks: readonly Uint8Array[];
    private constructor();
    /** The tree without leaves. */
    static readonly empty: Frontier;
    /** Takes what a relay says; undefined if that many hashes do not make a tree of that size. */
    static of(size: number, peaks: readonly Uint8Array[]): Frontier | undefined;
    /** The tree with one leaf more, given by its hash. */
    append(sha256: Sha256, leaf: Uint8Array): Promise<Frontier>;
    /** The tree's root; that of the empty tree is the hash of nothing. */
    root(sha256: Sha256): Promise<Uint8Array>;
    /**
     * Compares the subtrees that two sizes of one tree share: those of the leading
     * bits that their sizes have in common. False if any differs, which no honest
     * log can explain; true says no more than that nothing contradicts.
     */
    agrees(other: Frontier): boolean;
}
/** Where a leaf is in a tree, and the hashes that lead from it to the root. */
export interface InclusionProof {
    index: number;
    size: number;
    hashes: readonly Uint8Array[];
}
/** The root that a proof leads to (RFC 9162, section 2.1.3.2); undefined if it is not a proof for that place. */
export declare function rootFromProof(sha256: Sha256, leaf: Uint8Array, proof: InclusionProof): Promise<Uint8Array | undefined>;
