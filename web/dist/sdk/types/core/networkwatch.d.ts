/** What the browser says of the machine's network (Network Information API). */
export interface NetworkKind {
    /** `wifi`, `cellular`, …; undefined where the browser does not say. */
    type?: string | undefined;
}
/**
 * Tells whether the machine is on another network. The browser's `change` event
 * comes with every new estimate of speed as well, which is no reason to reconnect.
 */
export declare class NetworkWatch {
    private type;
    constructor(now: NetworkKind);
    /** The browser says that something changed. */
    changed(now: NetworkKind): boolean;
}
