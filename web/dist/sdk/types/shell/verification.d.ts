import { type Verification } from "../core/verifier.js";
/**
 * A verifier in a worker; beside the page where a worker is refused (by a
 * Content-Security-Policy, or because the SDK is of another origin). The worker
 * is a file of the SDK, so that no policy needs to allow `blob:`.
 */
export declare class Verifying {
    private readonly tell;
    private worker;
    private send;
    private early;
    private at;
    constructor(tell: (verification: Verification) => void);
    /** Where the verification stands. */
    get verification(): Verification;
    /** A new session begins; `key` is the verifier key that the page trusts, if it names one. */
    begin(key: string | undefined): void;
    /** A message of the ordered channel, as it came. */
    message(text: string): void;
    /** Ends the verifier; what it found stays. */
    close(): void;
    private take;
    private start;
    private heard;
    /** The worker was refused, or broke: what it has not seen goes to a verifier beside the page. */
    private failed;
    private beside;
    private become;
}
