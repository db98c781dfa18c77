/** How long a notice of something that has happened is shown. */
export declare const BANNER_MS = 3000;
/** What a viewer is told of the relay's notices: the newest that still holds. Time is an argument. */
export declare class Banner {
    private lasting;
    private passing;
    /** A notice has come. Codes that mean nothing to a viewer change nothing. */
    notice(code: string, now: number): void;
    /** A new session: it says again what holds. */
    begin(): void;
    /** What to show now, empty for nothing. */
    text(now: number): string;
}
