/**
 * Puts the parts of a snapshot together. They come in order on an ordered
 * channel; part 1 starts over, anything else out of turn is an error.
 */
export declare class SnapshotParts {
    private bodies;
    private parts;
    /** Takes a part. Returns the whole body with the last one, undefined before. */
    add(part: number, parts: number, body: string): string | undefined;
    /** Forgets what has come of an unfinished snapshot. */
    clear(): void;
}
