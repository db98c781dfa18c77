import { proveAction, type ProofResult } from "../core/actionproof.js";
import type { Json } from "../core/json.js";
import type { Framelock } from "./framelock.js";
import { VIEWER_HEADER } from "./whep.js";
import { NEEDS_SECURE_CONTEXT, canHash, sha256 } from "./webcrypto.js";

/** Where a relay's HTTP interface is. */
export interface RelayApi {
  /** Base URL, such as `https://relay.example/`. */
  url: string;
  stream: string;
  /** Bearer token, if the relay asks for one. */
  token?: string;
  /** The viewer's secret, as `FramelockPlayer.viewer` has it. */
  viewer?: string;
}

/**
 * Asks the relay for the record of an action of this viewer, and checks it against
 * what this viewer was sent itself. Throws an Error that says why, where the relay
 * does not answer or the page cannot hash.
 */
export async function verifyAction(framelock: Framelock, id: string, api: RelayApi): Promise<ProofResult[]> {
  if (!canHash()) throw new Error(NEEDS_SECURE_CONTEXT);
  const record = framelock.receipts.find((r) => r.receipt.id === id);
  if (!record) throw new Error(`there is no receipt for an action ${JSON.stringify(id)} here`);
  const { window } = record.action;
  const path = `v1/streams/${encodeURIComponent(api.stream)}/windows/${encodeURIComponent(window)}/receipts/${encodeURIComponent(id)}`;
  const response = await fetch(new URL(path, api.url), {
    headers: {
      Accept: "application/json",
      ...(api.token && { Authorization: `Bearer ${api.token}` }),
      ...(api.viewer && { [VIEWER_HEADER]: api.viewer }),
    },
  });
  if (!response.ok) throw new Error(`the relay answered ${response.status} when asked for the record of the action`);
  const answer = (await response.json()) as Json;
  return proveAction(sha256, { record, answer, window: framelock.window(window), verification: framelock.verification });
}
