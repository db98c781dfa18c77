/**
 * The verifier's worker: `framelock-verify.js`, beside the SDK. The SDK starts it
 * by itself; hashing and signatures do not hold up a page's frames.
 *
 * @packageDocumentation
 */
import { runVerifier, type VerifierInput, type VerifierOutput } from "./shell/verifierport.js";

const scope = globalThis as unknown as {
  postMessage(output: VerifierOutput): void;
  onmessage: ((m: MessageEvent<VerifierInput>) => void) | null;
};

const take = runVerifier((output) => scope.postMessage(output));
scope.onmessage = ({ data }) => take(data);
scope.postMessage({ type: "ready" });
