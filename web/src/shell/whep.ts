/** A WHEP request that the relay refused, or that never reached it. */
export class WhepError extends Error {
  override name = "WhepError";

  constructor(
    message: string,
    /** HTTP status; 0 if there was no answer. */
    readonly status: number,
    /** What the relay asked to wait before the next try, in ms. */
    readonly retryAfterMs: number | undefined,
  ) {
    super(message);
  }

  /** Whether the same request cannot succeed: the token or the offer is not accepted. */
  get final(): boolean {
    return this.status >= 400 && this.status < 500 && this.status !== 404 && this.status !== 408 && this.status !== 429;
  }
}

/** A session that a relay has answered. */
export interface WhepSession {
  /** The SDP answer. */
  answer: string;
  /** The session's own URL; DELETE ends it. Undefined if the relay named none. */
  resource: string | undefined;
}

/** The request header by which a relay knows a viewer again who has no token of their own. */
export const VIEWER_HEADER = "Framelock-Viewer";

function authorization(token: string | undefined): Record<string, string> {
  return token ? { Authorization: `Bearer ${token}` } : {};
}

/** Who asks: their token, if the relay wants one, and the secret that they are known again by. */
export interface Caller {
  token: string | undefined;
  viewer: string;
}

/** Offers a session (WHEP, POST of application/sdp). Throws WhepError. */
export async function offerSession(
  url: string, { token, viewer }: Caller, offer: string, signal: AbortSignal,
): Promise<WhepSession> {
  let response: Response;
  try {
    response = await fetch(url, {
      method: "POST",
      headers: { "Content-Type": "application/sdp", [VIEWER_HEADER]: viewer, ...authorization(token) },
      body: offer,
      signal,
    });
  } catch (e) {
    signal.throwIfAborted();
    throw new WhepError(`no answer from ${url}: ${e instanceof Error ? e.message : String(e)}`, 0, undefined);
  }
  if (response.status !== 201) throw await refusal(response);
  const location = response.headers.get("Location");
  return {
    answer: await response.text(),
    resource: location ? new URL(location, response.url || url).href : undefined,
  };
}

/** Ends a session. A page that goes away still gets it sent; failure is of no consequence, the relay times out. */
export function endSession(resource: string, token: string | undefined): void {
  fetch(resource, { method: "DELETE", headers: authorization(token), keepalive: true }).catch(() => undefined);
}

/** The relay's own words (RFC 9457) where it has any. */
async function refusal(response: Response): Promise<WhepError> {
  let detail = "";
  try {
    const problem = (await response.json()) as { title?: string; detail?: string };
    detail = problem.detail ?? problem.title ?? "";
  } catch {
    // Not problem+json: the status has to do.
  }
  const seconds = Number(response.headers.get("Retry-After") ?? NaN);
  return new WhepError(
    `the relay answered ${response.status}${detail ? `: ${detail}` : ""}`,
    response.status,
    Number.isFinite(seconds) ? seconds * 1000 : undefined,
  );
}
