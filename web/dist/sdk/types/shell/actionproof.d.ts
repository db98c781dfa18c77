import { type ProofResult } from "../core/actionproof.js";
import type { Framelock } from "./framelock.js";
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
export declare function verifyAction(framelock: Framelock, id: string, api: RelayApi): Promise<ProofResult[]>;
