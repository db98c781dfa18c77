import { NOTHING_VERIFIED, type Verification } from "../core/verifier.js";
import { runVerifier, type VerifierInput, type VerifierOutput } from "./verifierport.js";
import { canHash, NEEDS_SECURE_CONTEXT } from "./webcrypto.js";

/**
 * A verifier in a worker; beside the page where a worker is refused (by a
 * Content-Security-Policy, or because the SDK is of another origin). The worker
 * is a file of the SDK, so that no policy needs to allow `blob:`.
 */
export class Verifying {
  private worker: Worker | undefined;
  private send: ((input: VerifierInput) => void) | undefined;
  private early: VerifierInput[] | undefined; // kept until the worker has answered
  private at: Verification = NOTHING_VERIFIED;

  constructor(private readonly tell: (verification: Verification) => void) {}

  /** Where the verification stands. */
  get verification(): Verification {
    return this.at;
  }

  /** A new session begins; `key` is the verifier key that the page trusts, if it names one. */
  begin(key: string | undefined): void {
    if (!canHash()) {
      if (this.at.reason !== NEEDS_SECURE_CONTEXT) this.become({ ...NOTHING_VERIFIED, reason: NEEDS_SECURE_CONTEXT });
      return;
    }
    if (!this.send) this.start();
    this.take({ type: "begin", key });
  }

  /** A message of the ordered channel, as it came. */
  message(text: string): void {
    if (this.send) this.take({ type: "message", text });
  }

  /** Ends the verifier; what it found stays. */
  close(): void {
    this.worker?.terminate();
    this.worker = undefined;
    this.send = undefined;
    this.early = undefined;
  }

  private take(input: VerifierInput): void {
    this.early?.push(input);
    this.send!(input);
  }

  private start(): void {
    try {
      const worker = new Worker(new URL("./framelock-verify.js", import.meta.url), { type: "module", name: "framelock-verify" });
      this.worker = worker;
      this.early = [];
      this.send = (input) => worker.postMessage(input);
      worker.onmessage = ({ data }: MessageEvent<VerifierOutput>) => this.heard(data);
      worker.onerror = (e) => {
        e.preventDefault();
        this.failed(worker);
      };
    } catch {
      this.beside([]);
    }
  }

  private heard(output: VerifierOutput): void {
    if (output.type === "ready") this.early = undefined;
    else this.become(output.verification);
  }

  /** The worker was refused, or broke: what it has not seen goes to a verifier beside the page. */
  private failed(worker: Worker): void {
    if (worker !== this.worker) return;
    worker.terminate();
    this.worker = undefined;
    const unseen = this.early;
    this.early = undefined;
    if (unseen) return this.beside(unseen);
    this.send = undefined;
    this.become({ ...this.at, state: this.at.state === "alarm" ? "alarm" : "unverified", reason: "the verifier broke; the next session begins another" });
  }

  private beside(inputs: VerifierInput[]): void {
    const send = runVerifier((output) => {
      if (this.send === send) this.heard(output);
    });
    this.send = send;
    for (const input of inputs) send(input);
  }

  private become(verification: Verification): void {
    this.at = verification;
    this.tell(verification);
  }
}
