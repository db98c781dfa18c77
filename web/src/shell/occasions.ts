import { NetworkWatch, type NetworkKind } from "../core/networkwatch.js";

/** What happens around a page that matters to its connection. */
export interface OccasionHandlers {
  /** The machine is on another network, or on one again. */
  network(reason: string): void;
  /** The page was frozen or put away, and is back. */
  resumed(): void;
}

// The Network Information API is in few DOM libraries, as it is in few browsers.
type Connection = EventTarget & NetworkKind;

/** Listens for occasions until the signal is aborted. */
export function watchOccasions(handlers: OccasionHandlers, signal: AbortSignal): void {
  addEventListener("online", () => handlers.network("the machine is online again"), { signal });
  // From the back/forward cache: the session was ended as the page was hidden.
  addEventListener("pageshow", (e) => e.persisted && handlers.resumed(), { signal });
  document.addEventListener("resume", () => handlers.resumed(), { signal });
  const { connection } = navigator as { connection?: Connection };
  if (!connection?.addEventListener) return;
  const watch = new NetworkWatch(connection);
  connection.addEventListener("change", () => watch.changed(connection) && handlers.network("the machine is on another network"), { signal });
}
