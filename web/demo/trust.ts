import type { ProofResult } from "../src/core/actionproof.js";
import type { Verification } from "../src/core/verifier.js";
import { byId, write } from "./page.js";

const LABELS = { unverified: "not verified", verified: "verified", alarm: "alarm" } as const;

/** Shows where the verification of the log stands: a badge, and what is wrong if anything is. */
export function showVerification(v: Verification): void {
  const badge = byId("verified");
  badge.dataset.verified = v.state;
  badge.title = v.reason;
  write("verified", LABELS[v.state]);
  write("trust", trustInWords(v));
  byId<HTMLButtonElement>("save-checkpoint").disabled = !v.checkpoint;
  const alarm = byId("alarm");
  alarm.hidden = !v.alarm;
  if (v.alarm) alarm.textContent = alarmInWords(v);
}

/** What the verified log amounts to, in words. */
export function trustInWords(v: Verification): string {
  if (!v.checkpoint) return `Log: ${v.reason}.`;
  const key = { page: "the key that this page names", first_use: "a key trusted on first use", "": "no key" }[v.keyFrom];
  const whose = v.key ? ` (${v.key.split("+")[1]})` : "";
  return `Log ${v.log}: ${v.checkpoint.size} events checked against the checkpoint that ${key}${whose} signed, ${v.size - v.checkpoint.size} more await the next.`;
}

/** What is wrong, in words. */
export function alarmInWords({ alarm }: Verification): string {
  if (!alarm) return "";
  const differs = alarm.expected === undefined ? "" : ` Signed: ${alarm.expected}. Here: ${alarm.actual}.`;
  return `This stream's log is not what the relay signed. At event ${alarm.seq}: ${alarm.text}.${differs} Save the checkpoint and the receipts, and show them to an auditor.`;
}

/** Shows what was checked of an action, and how to check the same without this page. `key` is the verifier key trusted here. */
export function showProof(results: ProofResult[], stream: string, key: string): void {
  byId("proof").hidden = false;
  byId("proof-steps").replaceChildren(...results.map(({ result, text }) => {
    const item = document.createElement("li");
    item.dataset.result = result;
    item.textContent = text;
    return item;
  }));
  write("proof-command", offlineCommand(stream, key));
}

/** The command lines that check a whole transcript against what was saved here. */
export function offlineCommand(stream: string, key: string): string {
  const lines = ["--checkpoint checkpoint.txt --receipt receipts.jsonl"];
  if (key) lines.unshift(`--key '${key}'`);
  return [`relay transcript export ${stream} --out ${stream}.ndjson`, [`relay transcript verify ${stream}.ndjson`, ...lines].join(" \\\n  ")].join("\n");
}
