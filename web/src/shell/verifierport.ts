import { NOTHING_VERIFIED, Verifier, type Verification } from "../core/verifier.js";
import { verifierTools } from "./webcrypto.js";

/** To the verifier: a session begins, or a message of the ordered channel as it came. */
export type VerifierInput = { type: "begin"; key: string | undefined } | { type: "message"; text: string };

/** From the verifier: it runs, or where it stands now. */
export type VerifierOutput = { type: "ready" } | { type: "verification"; verification: Verification };

/** Runs a verifier, in a worker or beside the page. Takes inputs in order, each after the one before. */
export function runVerifier(tell: (output: VerifierOutput) => void): (input: VerifierInput) => void {
  let told = NOTHING_VERIFIED;
  const say = (verification: Verification) => {
    if (verification === told) return;
    told = verification;
    tell({ type: "verification", verification });
  };
  let queue = verifierTools().then((tools) => new Verifier(tools));
  queue.catch(() => undefined); // said with the first input
  return (input) => {
    const before = queue;
    queue = before.then(async (verifier) => {
      if (input.type === "begin") await verifier.begin(input.key);
      else await verifier.receive(input.text);
      say(verifier.verification);
      return verifier;
    });
    queue.catch((e: unknown) => {
      // What was found stands; what comes from here on is not verified by anybody.
      if (!told.reason.startsWith(BROKEN)) say({ ...told, state: told.alarm ? "alarm" : "unverified", reason: `${BROKEN}: ${String(e)}` });
    });
  };
}

const BROKEN = "the verifier broke";
