import { byId, say, write } from "./page.js";

/** What the demo's relay says about itself. */
export interface DemoInfo {
  stream: string;
  fps: number;
  codec: string;
}

/** Asks whether the relay is a demo; undefined if it is not. */
export async function demoInfo(): Promise<DemoInfo | undefined> {
  try {
    const response = await fetch("demo/info", { headers: { Accept: "application/json" } });
    return response.ok ? ((await response.json()) as DemoInfo) : undefined;
  } catch {
    return undefined;
  }
}

/** Shows the buttons that only a demo has. */
export function showControls(drop: () => void): void {
  byId("controls").hidden = false;
  byId("restart").addEventListener("click", () => void restart());
  byId("pause").addEventListener("click", () => void pause());
  byId("drop").addEventListener("click", () => {
    say("You dropped your connection. The picture stays until the next session has one.");
    drop();
  });
}

async function restart(): Promise<void> {
  const answer = await post("demo/studio/restart");
  if (!answer) return;
  showPaused(false); // a new studio is not paused
  say("The studio starts anew: other SSRC, other timestamps. The line goes on.");
}

async function pause(): Promise<void> {
  const answer = await post("demo/studio/pause");
  if (!answer) return;
  const { paused } = (await answer.json()) as { paused: boolean };
  showPaused(paused);
}

function showPaused(paused: boolean): void {
  write("pause", paused ? "Resume studio" : "Pause studio");
}

async function post(url: string): Promise<Response | undefined> {
  try {
    const response = await fetch(url, { method: "POST" });
    if (response.ok) return response;
    say(`The relay answered ${response.status} to ${url}.`, true);
  } catch {
    say(`No answer to ${url}.`, true);
  }
  return undefined;
}
