import { isObject, type Json } from "../src/core/json.js";
import { pocketColour, type Outcome } from "./outcome.js";
import type { Tally, Verdict } from "./verdict.js";

/** How many proofs the page shows. */
const PROOFS = 12;

/** The element with this id; the page cannot do without any of them. */
export function byId<T extends HTMLElement>(id: string): T {
  const element = document.getElementById(id);
  if (!element) throw new Error(`the page has no #${id}`);
  return element as T;
}

/** Writes text into an element, if it changed. */
export function write(id: string, text: string): void {
  const element = byId(id);
  if (element.textContent !== text) element.textContent = text;
}

/** Shows the state of the table: round, phase and the last results. */
export function showState(state: Json | undefined): void {
  const s = isObject(state) ? state : {};
  write("round", typeof s.round === "number" ? String(s.round) : "–");
  const phase = typeof s.phase === "string" ? s.phase : "";
  write("phase", PHASES[phase] ?? (phase || "waiting"));
  byId("phase").dataset.phase = phase;
  const results = (Array.isArray(s.results) ? s.results : Array.isArray(s.last) ? s.last : [])
    .filter((n) => typeof n === "number");
  byId("results").replaceChildren(...results.slice(0, 8).map((n) => chip("li", n)));
}

const PHASES: Record<string, string> = { betting: "Place your bets", spinning: "No more bets", result: "Result" };

function chip(tag: string, pocket: number): HTMLElement {
  const element = document.createElement(tag);
  element.className = `chip ${pocketColour(pocket)}`;
  element.textContent = String(pocket);
  return element;
}

/** Shows what has been counted; `distance` is the naive overlay's last one, negative for early. */
export function showTallies(exact: Tally, naive: Tally, distance: number | undefined): void {
  write("exact-error", String(exact.worst));
  write("exact-wrong", String(exact.wrong));
  write("exact-right", String(exact.exact));
  write("exact-skipped", String(exact.skipped));
  write("exact-late", String(exact.late));
  byId("exact-stats").dataset.good = String(exact.wrong === 0);
  write("naive-error", distance === undefined ? "–" : String(Math.abs(distance)));
  write("naive-error-label", distance !== undefined && distance > 0 ? "frames late" : "frames early");
  write("naive-wrong", String(naive.wrong));
  write("naive-right", String(naive.exact));
}

const VERDICTS: Record<Verdict, string> = {
  exact: "exact",
  skipped: "skipped: first later",
  late: "late",
  wrong: "wrong frame",
  unreadable: "bar code unreadable",
};

/** Adds an outcome with its proof: the canvas as it was drawn, and the number in its pixels. */
export function addProof(outcome: Outcome, canvas: HTMLCanvasElement, bar: number | undefined, verdict: Verdict): void {
  const item = document.createElement("li");
  item.className = "proof";
  item.dataset.verdict = verdict;
  item.dataset.id = outcome.id;
  const picture = document.createElement("canvas");
  picture.width = 320;
  picture.height = Math.round((320 * canvas.height) / canvas.width);
  picture.setAttribute("role", "img");
  picture.setAttribute("aria-label", `The frame on which ${outcome.pocket} was shown`);
  picture.getContext("2d", { alpha: false })?.drawImage(canvas, 0, 0, picture.width, picture.height);
  const line = document.createElement("div");
  line.className = "proof-line";
  line.append(chip("span", outcome.pocket), numbers(outcome.frame, bar));
  const mark = document.createElement("span");
  mark.className = "mark";
  mark.textContent = VERDICTS[verdict];
  item.append(picture, line, mark);
  const list = byId("proofs");
  list.prepend(item);
  while (list.children.length > PROOFS) list.lastElementChild?.remove();
  byId("no-proofs").hidden = true;
}

/** Marks an outcome as taken back. */
export function voidProof(id: string): void {
  for (const item of byId("proofs").children) {
    if (!(item instanceof HTMLElement) || item.dataset.id !== id) continue;
    item.dataset.verdict = "void";
    const mark = item.querySelector(".mark");
    if (mark) mark.textContent = "void";
  }
}

function numbers(frame: number, bar: number | undefined): HTMLElement {
  const list = document.createElement("dl");
  for (const [name, value] of [["event", String(frame)], ["pixels", bar === undefined ? "–" : String(bar)]] as const) {
    const term = document.createElement("dt");
    const text = document.createElement("dd");
    term.textContent = name;
    text.textContent = value;
    list.append(term, text);
  }
  return list;
}

/** Says something in the page's own log line. */
export function say(text: string, grave = false): void {
  const line = byId("message");
  line.textContent = text;
  line.dataset.grave = String(grave);
}
