import { isExact } from "../src/shell/frames.js";
import type { SelftestResult } from "./measure.js";

/** How good a finding is. */
export type Mark = "good" | "fair" | "bad" | "none";

/** One finding in plain words. */
export interface Finding {
  mark: Mark;
  title: string;
  text: string;
}

const ROUTES: Record<SelftestResult["route"], string> = {
  exact: "exact: this browser says of every picture which frame it is.",
  decoded: "exact: this page decodes the pictures itself, so it knows which frame each one is.",
  approximate: "approximate: about one picture in a thousand may be the next one. A newer browser, or HTTPS, would help.",
  clock: "estimated: this browser does not say which frame it shows. Events are a few frames off.",
};

/** The result as sentences, the verdict first. */
export function findings(r: SelftestResult): Finding[] {
  const { pictures: p, events: e, hashes: h, latency_ms: l, skew_ms: s, network: n } = r;
  const list: Finding[] = [verdict(r), { mark: isExact(r.route) ? "good" : "fair", title: "Route", text: ROUTES[r.route] }];
  const add = (mark: Mark, title: string, text: string) => list.push({ mark, title, text });
  if (p.unreadable < p.drawn) {
    add(p.wrong === 0 ? "good" : "bad", "Frame error",
      p.wrong === 0 ? `none: ${p.drawn - p.unreadable} pictures carried the number that their timestamp says.`
        : `${p.wrong} of ${p.drawn} pictures were of another frame than their timestamp says.`);
  } else {
    add("none", "Frame error", "this stream has no numbers in its pictures, so pixels could not be compared.");
  }
  add(e.wrong > 0 ? "bad" : e.late > 0 ? "fair" : "good", "Events",
    `${e.exact} on their own frame, ${e.wrong} on a wrong one, ${e.late} late, ${e.skipped} on the next because theirs was not shown.`);
  const share = p.skipped / Math.max(1, p.drawn + p.skipped);
  add(share < 0.01 ? "good" : "fair", "Left out", `${p.skipped} of ${p.drawn + p.skipped} pictures (${(100 * share).toFixed(1)} %).`);
  add(l && l.p95 < 250 ? "good" : "fair", "Latency",
    l ? `from camera to screen ${l.p50} ms, 95 of 100 pictures within ${l.p95} ms.` : "unknown: the relay's clock was not heard.");
  if (s) add(s.p95 <= 45 ? "good" : "fair", "Sound", `sound and picture ${s.p50} ms apart, at most ${s.p95} ms for 95 of 100.`);
  else add("none", "Sound", "not measured: it is off, or this browser does not tell when it is heard.");
  add("none", "Network", `jitter ${known(n.jitter_ms, " ms")}, ${known(n.lost, "")} packets lost, round trip ${known(n.rtt_ms, " ms")}.`);
  if (h.match + h.mismatch + h.unseen > 0) {
    add(h.mismatch > 0 ? "bad" : "good", "Coded bytes", `${h.match} marked frames arrived as the relay sent them, ${h.mismatch} did not, ${h.unseen} could not be compared.`);
  }
  if (r.alarms.length > 0) add("bad", "Alarms", [...new Set(r.alarms)].join(", "));
  if (r.reconnects > 0) add("fair", "Connection", `lost ${r.reconnects} times during the test.`);
  if (r.hidden) add("fair", "Page", "it was out of view for a while, when browsers draw nothing: test again.");
  return list;
}

function verdict(r: SelftestResult): Finding {
  const { pictures: p, events: e } = r;
  if (p.drawn === 0) return { mark: "bad", title: "", text: "No picture arrived" };
  if (p.wrong > 0 && isExact(r.route) || e.wrong > 0 && isExact(r.route) || r.alarms.length > 0) {
    return { mark: "bad", title: "", text: "Something is wrong on this device: please send the result" };
  }
  if (!isExact(r.route)) return { mark: "fair", title: "", text: "This device shows events close to their frame, not always on it" };
  return { mark: "good", title: "", text: "This device shows events on their exact frame" };
}

function known(value: number | null, unit: string): string {
  return value === null ? "unknown" : `${value}${unit}`;
}
