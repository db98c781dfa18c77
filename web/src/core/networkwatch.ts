/** What the browser says of the machine's network (Network Information API). */
export interface NetworkKind {
  /** `wifi`, `cellular`, …; undefined where the browser does not say. */
  type?: string | undefined;
}

/**
 * Tells whether the machine is on another network. The browser's `change` event
 * comes with every new estimate of speed as well, which is no reason to reconnect.
 */
export class NetworkWatch {
  private type: string | undefined;

  constructor(now: NetworkKind) {
    this.type = now.type;
  }

  /** The browser says that something changed. */
  changed(now: NetworkKind): boolean {
    const other = now.type !== undefined && now.type !== "none" && now.type !== this.type;
    this.type = now.type;
    return other;
  }
}
