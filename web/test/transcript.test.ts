import { describe, expect, it } from "vitest";
import { fromBase64, fromHex, toBase64, toHex, utf8 } from "../src/core/encoding.js";
import { Frontier, leafHash, rootFromProof } from "../src/core/merkle.js";
import { formatKey, parseCheckpoint, parseVerifierKey, signedBy } from "../src/core/note.js";
import { tools, vectors } from "./vectors.js";

const { sha256 } = tools;
const leaves = vectors.leaves.map((l) => fromHex(l.leaf)!);

describe("encodings", () => {
  it("are read strictly", () => {
    expect(fromHex("0aFf")).toEqual(Uint8Array.of(10, 255));
    for (const bad of ["0", "0g", " 00"]) expect(fromHex(bad)).toBeUndefined();
    for (const bytes of [[], [0], [255, 0], [1, 2, 3]]) expect(fromBase64(toBase64(Uint8Array.from(bytes)))).toEqual(Uint8Array.from(bytes));
    for (const bad of ["AA", "AA=", "AB==", "A===", "A_==", "AA==\n"]) expect(fromBase64(bad), bad).toBeUndefined();
  });
});

describe("Frontier", () => {
  it("has the vectors' leaves, roots and frontiers at every size", async () => {
    let tree = Frontier.empty;
    for (const want of vectors.trees) {
      expect(tree.size).toBe(want.size);
      expect(tree.peaks.map(toHex)).toEqual(want.frontier);
      expect(toHex(await tree.root(sha256))).toBe(want.root);
      const next = vectors.leaves[want.size];
      if (!next) break;
      const leaf = await leafHash(sha256, utf8(next.message));
      expect(toHex(leaf)).toBe(next.leaf);
      tree = await tree.append(sha256, leaf);
    }
  });

  it("is taken as a relay gives it, or not at all", () => {
    const { size, frontier } = vectors.trees[7]!;
    const peaks = frontier.map((h) => fromHex(h)!);
    expect(Frontier.of(size, peaks)?.size).toBe(7);
    expect(Frontier.of(size, peaks.slice(1))).toBeUndefined();
    expect(Frontier.of(size, [...peaks.slice(1), new Uint8Array(31)])).toBeUndefined();
    expect(Frontier.of(0, [])?.peaks).toEqual([]);
    // 2^52 + 1: beyond what bit operations on numbers can do
    expect(Frontier.of(2 ** 52 + 1, [peaks[0]!, peaks[1]!])).toBeDefined();
  });

  it("compares what two sizes of one tree share", async () => {
    const all: Frontier[] = [Frontier.empty];
    for (const leaf of leaves) all.push(await all.at(-1)!.append(sha256, leaf));
    for (const a of all) for (const b of all) expect(a.agrees(b), `${a.size} and ${b.size}`).toBe(true);
    const forged = await all[11]!.append(sha256, leaves[0]!); // another twelfth leaf
    expect(forged.agrees(all[11]!)).toBe(true);
    expect(forged.agrees(all[12]!)).toBe(false);
    expect(forged.agrees(all[13]!)).toBe(false);
    expect(all[14]!.agrees(forged)).toBe(false);
    expect(forged.agrees(all[16]!)).toBe(true); // nothing of the same width: says nothing
  });
});

describe("inclusion", () => {
  it("leads from every leaf of the vectors to the root", async () => {
    for (const { index, size, hashes } of vectors.inclusion) {
      const proof = { index, size, hashes: hashes.map((h) => fromHex(h)!) };
      const root = await rootFromProof(sha256, leaves[index]!, proof);
      expect(root && toHex(root), `${index} of ${size}`).toBe(vectors.trees[size]!.root);
      if (size === 1) continue;
      const other = await rootFromProof(sha256, leaves[(index + 1) % size]!, proof);
      expect(other && toHex(other)).not.toBe(vectors.trees[size]!.root);
      expect(await rootFromProof(sha256, leaves[index]!, { ...proof, hashes: proof.hashes.slice(1) })).toBeUndefined();
      expect(await rootFromProof(sha256, leaves[index]!, { ...proof, hashes: [...proof.hashes, leaves[0]!] })).toBeUndefined();
      expect(await rootFromProof(sha256, leaves[index]!, { ...proof, index: size })).toBeUndefined();
    }
  });
});

describe("signed notes", () => {
  async function opens(key: string, text: string) {
    const verifier = (await parseVerifierKey(sha256, key))!;
    const checkpoint = parseCheckpoint(text);
    if (!checkpoint || checkpoint.origin !== vectors.origin || verifier.name !== vectors.origin) return undefined;
    return (await signedBy(tools.ed25519!, checkpoint, verifier)) ? checkpoint : undefined;
  }

  it.each(vectors.checkpoints)("opens: $name", async ({ key, note, size, root }) => {
    const checkpoint = await opens(key, note);
    expect([checkpoint?.size, checkpoint && toHex(checkpoint.root)]).toEqual([size, root]);
  });

  it.each(vectors.refused)("refuses: $name", async ({ key, note }) => expect(await opens(key, note)).toBeUndefined());

  it("knows a key by its name and its hash", async () => {
    for (const { verifier, public: bytes, id } of vectors.keys) {
      const key = (await parseVerifierKey(sha256, verifier))!;
      expect([toHex(key.key), toHex(key.id), formatKey(key)]).toEqual([bytes, id, verifier]);
      for (const bad of [verifier.replace("wheel", "wheal"), verifier.slice(0, -4), `x${verifier.slice(1)}`, "", "a+b+c"]) {
        expect(await parseVerifierKey(sha256, bad), bad).toBeUndefined();
      }
    }
  });
});
