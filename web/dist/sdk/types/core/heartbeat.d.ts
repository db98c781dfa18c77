/** Without a clock message for this long, the relay is taken for dead (it sends four a second). */
export declare const DEAD_AFTER_MS = 2000;
/**
 * Notices a dead relay by the silence of its clock; ICE needs 6 to 7 seconds for
 * the same. A page that was suspended gets a grace period, as what came
 * meanwhile has not been read yet.
 */
export declare class Heartbeat {
    private heard;
    private checked;
    /** A clock message came. */
    beat(now: number): void;
    /** Whether the relay has fallen silent. To be asked a few times a second. */
    silent(now: number): boolean;
    /** A new session: nothing is expected before its first clock. */
    begin(): void;
}
