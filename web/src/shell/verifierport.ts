import { Verifier, type Verification } from "../core/verifier.js";
import { verifierTools } from "./webcrypto.js";

/** To the verifier: a session begins, or a message of the ordered channel as it came. */
export type VerifierInput = { type: "begin"; key: string | undefined } | { type: "message"; text: string };

/** From the verifier: it runs, or where it stands now. */
export type VerifierOutput = { type: "ready" } | { type: "verification"; verification: Verification };

/** Runs a verifier, in a worker or beside the page. Takes inputs in order, each after the one before. */
export function runVerifier(tell: (output: VerifierOutput) => void): (input: VerifierInput) => void {
  let told: Verification | undefined;
  let queue = verifierTools().then((tools) => new Verifier(tools));
  return (input) => {
    queue = queue.then(async (verifier) => {
      if (input.type === "begin") await verifier.begin(input.key);
      else await verifier.receive(input.text);
      if (verifier.verification !== told) {
        told = verifier.verification;
        tell({ type: "verification", verification: told });
      }
      return verifier;
    });
  };
}
