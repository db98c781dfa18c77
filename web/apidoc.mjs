// Writes the API section of docs/player.md from the declarations that build.mjs
// has made: `npm run docs`. A test compares the two.
import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

const TYPES = new URL("dist/sdk/types/", import.meta.url);
const PAGE = new URL("../docs/player.md", import.meta.url);
const BEGIN = "<!-- Written by `npm run docs` in web/ from the SDK's types; do not edit. -->";
const END = "<!-- The end of what is written by `npm run docs`. -->";

/** What the section shows, in this order: a heading, and the declarations of a file below it. */
const CONTENTS = [
  ["The player", "shell/player.d.ts", ["FramelockPlayer", "PlayerSource", "PlayerOptions", "PlayerEvents", "PlayerStatus", "StatusChange", "Switched", "AudioTrack"]],
  ["The element", "element.d.ts", ["FramelockPlayerElement", "FramelockPlayerEventMap"]],
  ["Your own connection", "shell/framelock.d.ts", ["attach", "Framelock", "FramelockOptions", "FramelockEvents", "Frame", "Latency", "HashAlarm", "StandbyHandlers"]],
  ["", "core/display.d.ts", ["Firing"]],
  ["", "shell/emitter.d.ts", ["Emitter"]],
  ["Pictures", "shell/frames.d.ts", ["Route"]],
  ["", "shell/pictures.d.ts", ["PictureOptions", "HashCheck", "Pacing"]],
  ["", "shell/compositor.d.ts", ["Compositor", "Overlay", "Drawn"]],
  ["", "shell/proofs.d.ts", ["ProofFrame"]],
  ["Acting", "shell/acting.d.ts", ["ActOptions"]],
  ["", "core/actions.d.ts", ["ActionError", "ActionFault", "ReceiptRecord"]],
  ["", "core/windows.d.ts", ["WindowState", "WindowPhase", "WindowRules", "WindowResult"]],
];

/** The text of a declaration with its doc comment, without what is private. Throws if there is none of that name. */
export function declaration(source, name) {
  const lines = source.split("\n");
  const start = new RegExp(`^export (?:declare )?(?:abstract )?(?:class|interface|type|function|const) ${name}\\b`);
  const first = lines.findIndex((line) => start.test(line));
  if (first < 0) throw new Error(`there is no exported declaration of ${name}`);
  const block = /\b(?:class|interface)\b/.test(lines[first]);
  let last = first;
  while (!(block ? /^\}|\{ *\}$/ : /;$/).test(lines[last])) last++;
  let comment = first;
  if (lines[first - 1]?.trimEnd().endsWith("*/")) {
    comment = first - 1;
    while (!lines[comment].startsWith("/**")) comment--;
  }
  return withoutPrivate(lines.slice(comment, last + 1)).join("\n")
    .replace(/^export (?:declare )?/m, "");
}

/** Leaves out private members and the comments above them. */
function withoutPrivate(lines) {
  const out = [];
  let comment; // where the comment above the present member begins
  for (const line of lines) {
    if (/^ {4}\/\*\*/.test(line)) comment = out.length;
    if (/^ {4}private /.test(line)) {
      if (comment !== undefined) out.length = comment;
      comment = undefined;
      continue;
    }
    out.push(line);
    if (/^ {4}\S/.test(line) && !/^ {4}\/\*\*/.test(line)) comment = undefined;
  }
  return out;
}

/** The section, between its marks. */
export async function section() {
  const parts = [BEGIN];
  for (const [heading, file, names] of CONTENTS) {
    const source = await readFile(new URL(file, TYPES), "utf8");
    if (heading) parts.push(`### ${heading}`);
    for (const name of names) parts.push("```ts\n" + declaration(source, name) + "\n```");
  }
  return [...parts, END].join("\n\n");
}

/** The page with the section as it should be. Throws if the page has no place for it. */
export async function page() {
  const text = await readFile(PAGE, "utf8");
  const [from, to] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (from < 0 || to < from) throw new Error(`docs/player.md needs the lines ${BEGIN} and ${END}`);
  return { text, wanted: text.slice(0, from) + (await section()) + text.slice(to + END.length) };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await writeFile(PAGE, (await page()).wanted);
