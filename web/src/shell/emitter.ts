/** Stops a subscription. Calling it again does nothing. */
export type Unsubscribe = () => void;

/**
 * A small typed event emitter. A listener that throws is reported to the page
 * (`window.onerror`) and does not keep the frame from the others.
 */
export class Emitter<M extends object> {
  private readonly listeners = new Map<keyof M, Set<(value: never) => void>>();

  /** Calls `listener` with every value of that name from now on. */
  on<K extends keyof M>(name: K, listener: (value: M[K]) => void): Unsubscribe {
    let set = this.listeners.get(name);
    if (!set) this.listeners.set(name, (set = new Set()));
    set.add(listener as (value: never) => void);
    return () => set.delete(listener as (value: never) => void);
  }

  /** Calls the listeners of a name, in the order of their subscription. */
  emit<K extends keyof M>(name: K, value: M[K]): void {
    for (const listener of this.listeners.get(name) ?? []) {
      try {
        (listener as (value: M[K]) => void)(value);
      } catch (e) {
        reportError(e);
      }
    }
  }

  /** Drops all listeners. */
  clear(): void {
    this.listeners.clear();
  }
}
