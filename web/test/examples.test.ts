// @vitest-environment happy-dom
import { build } from "esbuild";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { act, createElement, StrictMode, type ReactElement } from "react";
import { createRoot } from "react-dom/client";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { FramelockVideo } from "../examples/react/FramelockVideo.js";
import type { FramelockPlayer } from "../src/index.js";
import { fakeBrowser } from "./browser.js";

const examples = join(import.meta.dirname, "../examples");

describe("pages", () => {
  it.each(["plain", "react"])("%s runs under a strict Content-Security-Policy", (name) => {
    const html = readFileSync(join(examples, name, "index.html"), "utf8");
    const policy = /http-equiv="Content-Security-Policy" content="([^"]+)"/.exec(html)![1]!;
    expect(policy).toMatch(/^default-src 'none'; script-src 'self'; style-src 'self'; worker-src 'self';/);
    expect(policy).not.toMatch(/unsafe|blob:|data:|\*/);
    expect(html).not.toMatch(/<style|\sstyle=|\son[a-z]+=|javascript:/i);
    expect([...html.matchAll(/<script\b[^>]*>([^<]*)/g)].map((m) => m[1])).toEqual([""]);
  });

  it.each([["plain", "main.js"], ["react", "main.tsx"]])("%s builds", async (name, entry) => {
    const { outputFiles, metafile } = await build({
      entryPoints: [join(examples, name, entry)], bundle: true, format: "esm", write: false, metafile: true, logLevel: "silent",
      jsx: "automatic", alias: { "@framelock/player": join(examples, "../dist/sdk/framelock.js") },
      external: ["./sdk/*"], absWorkingDir: join(examples, ".."), define: { "process.env.NODE_ENV": '"production"' },
    });
    expect(outputFiles[0]!.text.length).toBeGreaterThan(500);
    const used = Object.keys(metafile.inputs);
    expect(used.some((f) => f === "dist/sdk/framelock.js")).toBe(name === "react"); // the plain one has it from its own folder
  });
});

describe("FramelockVideo", () => {
  beforeEach(() => {
    fakeBrowser();
    vi.stubGlobal("IS_REACT_ACT_ENVIRONMENT", true);
    vi.stubGlobal("fetch", vi.fn(async () => new Response("answer", { status: 201, headers: { Location: "/whep/wheel/1" } })));
    vi.spyOn(HTMLCanvasElement.prototype, "getContext").mockReturnValue({ drawImage: vi.fn() } as never);
  });
  afterEach(() => vi.unstubAllGlobals());

  it("starts one player for a stream, and stops it; strict mode as well", async () => {
    const players: (FramelockPlayer | undefined)[] = [];
    const onPlayer = (p: unknown) => void players.push(p as FramelockPlayer | undefined);
    const statuses: string[] = [];
    const page = document.createElement("div");
    const root = createRoot(page);
    const render = (e: ReactElement) => act(async () => root.render(createElement(StrictMode, null, e)));
    const video = (src: string) => createElement(FramelockVideo, { src, onPlayer: onPlayer as never, onStatus: (s) => statuses.push(s.status) });
    await render(video("http://relay.test/whep/a"));
    const running = () => players.filter((p) => p && p.status !== "idle");
    expect([page.querySelectorAll("canvas").length, running().length]).toEqual([1, 1]);
    await render(video("http://relay.test/whep/a"));
    expect(players.length).toBe(3); // strict mode: there, gone, there
    await render(video("http://relay.test/whep/b"));
    expect(running()).toEqual([players.at(-1)]);
    expect(fetch).toHaveBeenLastCalledWith("http://relay.test/whep/b", expect.objectContaining({ method: "POST" }));
    await act(async () => root.unmount());
    expect([running().length, players.at(-1), statuses.at(-1)]).toEqual([0, undefined, "idle"]);
  });
});
