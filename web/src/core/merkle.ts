import { concat, sameBytes } from "./encoding.js";

/** SHA-256 of bytes. */
export type Sha256 = (bytes: Uint8Array<ArrayBuffer>) => Promise<Uint8Array>;

const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);

/** The length of every hash, in bytes. */
export const HASH_BYTES = 32;

/** Hash of a leaf (RFC 6962, section 2.1). */
export function leafHash(sha256: Sha256, leaf: Uint8Array): Promise<Uint8Array> {
  return sha256(concat(LEAF, leaf));
}

function nodeHash(sha256: Sha256, left: Uint8Array, right: Uint8Array): Promise<Uint8Array> {
  return sha256(concat(NODE, left, right));
}

/** How many complete subtrees a tree of that size is made of. */
function peakCount(size: number): number {
  let n = 0;
  for (; size > 0; size = Math.floor(size / 2)) n += size % 2;
  return n;
}

/** Leaves of the largest complete subtree of a tree of that size, 1 or more. */
function largestSubtree(size: number): number {
  let width = 1;
  while (2 * width <= size) width *= 2; // sizes go beyond what bit operations and logarithms tell apart
  return width;
}

/**
 * What has to be kept of an RFC 6962 tree in order to append to it: the roots of
 * its complete subtrees, the largest (leftmost) first, one for each bit that is
 * set in its size. Immutable: earlier ones cost nothing to keep.
 */
export class Frontier {
  private constructor(readonly size: number, readonly peaks: readonly Uint8Array[]) {}

  /** The tree without leaves. */
  static readonly empty = new Frontier(0, []);

  /** Takes what a relay says; undefined if that many hashes do not make a tree of that size. */
  static of(size: number, peaks: readonly Uint8Array[]): Frontier | undefined {
    if (peaks.length !== peakCount(size) || peaks.some((p) => p.length !== HASH_BYTES)) return undefined;
    return new Frontier(size, peaks);
  }

  /** The tree with one leaf more, given by its hash. */
  async append(sha256: Sha256, leaf: Uint8Array): Promise<Frontier> {
    const peaks = this.peaks.slice();
    let last = leaf;
    for (let n = this.size; n % 2 === 1; n = Math.floor(n / 2)) last = await nodeHash(sha256, peaks.pop()!, last);
    return new Frontier(this.size + 1, [...peaks, last]);
  }

  /** The tree's root; that of the empty tree is the hash of nothing. */
  async root(sha256: Sha256): Promise<Uint8Array> {
    let root = this.peaks.at(-1);
    if (!root) return sha256(new Uint8Array(0));
    for (let i = this.peaks.length - 2; i >= 0; i--) root = await nodeHash(sha256, this.peaks[i]!, root);
    return root;
  }

  /**
   * Compares the subtrees that two sizes of one tree share: those of the leading
   * bits that their sizes have in common. False if any differs, which no honest
   * log can explain; true says no more than that nothing contradicts.
   */
  agrees(other: Frontier): boolean {
    let mine = this.size;
    let theirs = other.size;
    for (let i = 0; mine > 0 && theirs > 0; i++) {
      const width = largestSubtree(mine);
      if (width !== largestSubtree(theirs)) return true;
      if (!sameBytes(this.peaks[i]!, other.peaks[i]!)) return false;
      mine -= width;
      theirs -= width;
    }
    return true;
  }
}

/** Where a leaf is in a tree, and the hashes that lead from it to the root. */
export interface InclusionProof {
  index: number;
  size: number;
  hashes: readonly Uint8Array[];
}

/** The root that a proof leads to (RFC 9162, section 2.1.3.2); undefined if it is not a proof for that place. */
export async function rootFromProof(sha256: Sha256, leaf: Uint8Array, proof: InclusionProof): Promise<Uint8Array | undefined> {
  const { index, size, hashes } = proof;
  if (!(index >= 0 && index < size)) return undefined;
  let root = leaf;
  let at = index;
  let last = size - 1;
  for (const hash of hashes) {
    if (last === 0) return undefined;
    if (at % 2 === 1 || at === last) {
      root = await nodeHash(sha256, hash, root);
      while (at % 2 === 0 && at !== 0) {
        at = Math.floor(at / 2);
        last = Math.floor(last / 2);
      }
    } else {
      root = await nodeHash(sha256, root, hash);
    }
    at = Math.floor(at / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 ? root : undefined;
}
