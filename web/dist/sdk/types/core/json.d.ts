/** A JSON value. */
export type Json = null | boolean | number | string | Json[] | {
    [key: string]: Json;
};
/** Whether a value is a JSON object, the only thing that a merge patch descends into. */
export declare function isObject(value: unknown): value is {
    [key: string]: Json;
};
/**
 * Applies an RFC 7396 merge patch and returns the result; the target is left as
 * it was, and whatever the patch does not touch is shared with it.
 */
export declare function mergePatch(target: Json | undefined, patch: Json): Json;
