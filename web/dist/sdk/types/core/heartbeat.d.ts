/**
 * Without a sign of life for this long, the relay is taken for dead. It sends a clock every
 * second, and two while there are no pictures.
 */
export declare const DEAD_AFTER_MS = 2000;
/**
 * Notices a dead relay by its silence: neither pictures nor clocks. ICE needs 6 to 7
 * seconds for the same. A page that was suspended gets a grace period, as what came
 * meanwhile has not been read yet.
 */
export declare class Heartbeat {
    private heard;
    private checked;
    /** A clock message came, or a new picture was shown. */
    beat(now: number): void;
    /** Whether the relay has fallen silent. To be asked a few times a second. */
    silent(now: number): boolean;
    /** A new session: nothing is expected before its first sign of life. */
    begin(): void;
}
