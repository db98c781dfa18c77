/** Stops a subscription. Calling it again does nothing. */
export type Unsubscribe = () => void;
/**
 * A small typed event emitter. A listener that throws is reported to the page
 * (`window.onerror`) and does not keep the frame from the others.
 */
export declare class Emitter<M extends object> {
    private readonly listeners;
    /** Calls `listener` with every value of that name from now on. */
    on<K extends keyof M>(name: K, listener: (value: M[K]) => void): Unsubscribe;
    /** Calls the listeners of a name, in the order of their subscription. */
    emit<K extends keyof M>(name: K, value: M[K]): void;
    /** Drops all listeners. */
    clear(): void;
}
