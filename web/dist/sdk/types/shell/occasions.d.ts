/** What happens around a page that matters to its connection. */
export interface OccasionHandlers {
    /** The machine is on another network, or on one again. */
    network(reason: string): void;
    /** The page was frozen or put away, and is back. */
    resumed(): void;
}
/** Listens for occasions until the signal is aborted. */
export declare function watchOccasions(handlers: OccasionHandlers, signal: AbortSignal): void;
