import { type Verification } from "../core/verifier.js";
/** To the verifier: a session begins, or a message of the ordered channel as it came. */
export type VerifierInput = {
    type: "begin";
    key: string | undefined;
} | {
    type: "message";
    text: string;
};
/** From the verifier: it runs, or where it stands now. */
export type VerifierOutput = {
    type: "ready";
} | {
    type: "verification";
    verification: Verification;
};
/** Runs a verifier, in a worker or beside the page. Takes inputs in order, each after the one before. */
export declare function runVerifier(tell: (output: VerifierOutput) => void): (input: VerifierInput) => void;
