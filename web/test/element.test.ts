// @vitest-environment happy-dom
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { fakeBrowser } from "./browser.js";

beforeEach(() => {
  fakeBrowser();
  vi.stubGlobal("fetch", vi.fn(async () => new Response("answer", { status: 201, headers: { Location: "/whep/wheel/1" } })));
  vi.spyOn(HTMLCanvasElement.prototype, "getContext").mockReturnValue({ drawImage: vi.fn() } as never);
});

afterEach(async () => {
  document.body.replaceChildren();
  await new Promise((resolve) => setTimeout(resolve, 5)); // sessions end
  vi.unstubAllGlobals();
});

async function player(attributes: Record<string, string>) {
  await import("../src/element.js");
  const element = document.createElement("framelock-player");
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  document.body.append(element);
  await new Promise((resolve) => setTimeout(resolve, 5));
  return element;
}

it("plays its src once it is in the page, with one session for several attributes", async () => {
  const element = await player({ src: "http://relay.test/whep/wheel", token: "t" });
  expect(fetch).toHaveBeenCalledTimes(1);
  expect(fetch).toHaveBeenCalledWith("http://relay.test/whep/wheel", expect.objectContaining({ method: "POST" }));
  element.remove();
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect(element.player.status).toBe("idle");
});

it("stays idle without a src", async () => {
  const element = await player({});
  expect(fetch).not.toHaveBeenCalled();
  expect(element.player.status).toBe("idle");
});

it("starts muted, with a button that appears with sound", async () => {
  const element = await player({});
  const button = element.shadowRoot!.querySelector("button")!;
  expect([element.muted, button.hidden, button.textContent]).toEqual([true, true, "Unmute"]);
  const seen: string[] = [];
  element.addEventListener("framelock-snapshot", (e) => seen.push(e.detail.stream));
  element.player.framelock.events.emit("snapshot", {
    stream: "wheel", tracks: [{ track: "a0", kind: "audio", codec: "opus", mid: "1", rate: 48000 }],
  } as never);
  expect(button.hidden).toBe(false);
  expect(seen).toEqual(["wheel"]);
  vi.spyOn(element.video, "play").mockResolvedValue();
  button.click();
  expect([element.muted, button.textContent, button.getAttribute("aria-pressed")]).toEqual([false, "Mute", "true"]);
});

it("says what the relay says, while it plays", async () => {
  vi.useFakeTimers({ now: 0, toFake: ["setTimeout", "clearTimeout", "performance"] });
  try {
    await import("../src/element.js");
    const element = document.createElement("framelock-player");
    const label = element.shadowRoot!.querySelector(".label")!;
    const { events } = element.player.framelock;
    events.emit("notice", { code: "paused", text: "" });
    expect(label.textContent).toBe(""); // it does not play
    vi.spyOn(element.player, "status", "get").mockReturnValue("live");
    events.emit("notice", { code: "input_switched", text: "" });
    expect(label.textContent).toBe("The studio's other encoder has taken over");
    vi.advanceTimersByTime(3000);
    expect(label.textContent).toBe("The studio is paused");
    events.emit("snapshot", { tracks: [] } as never);
    expect(label.textContent).toBe("");
  } finally {
    vi.useRealTimers();
  }
});

it("draws picture and overlay in one, and says so", async () => {
  const element = await player({});
  const order: string[] = [];
  vi.spyOn(HTMLCanvasElement.prototype, "getContext");
  const context = element.canvas.getContext("2d") as unknown as { drawImage: () => void; save: () => void; restore: () => void };
  context.drawImage = () => order.push("picture");
  context.save = () => undefined;
  context.restore = () => undefined;
  element.overlay = () => order.push("overlay");
  element.addEventListener("framelock-drawn", () => order.push("drawn"));
  const frame = { width: 640, height: 360, image: element.canvas, overlay: true, fired: [] };
  element.player.framelock.events.emit("frame", frame as never);
  element.player.framelock.events.emit("frame", { ...frame, overlay: false } as never);
  expect(order).toEqual(["picture", "overlay", "drawn", "picture", "drawn"]);
});

it("has no inline style", async () => {
  const element = await player({});
  const all = [element, ...element.shadowRoot!.querySelectorAll("*")];
  expect(all.filter((e) => e.hasAttribute("style"))).toEqual([]);
  expect(element.shadowRoot!.querySelectorAll("style, script")).toHaveLength(0);
  expect(element.shadowRoot!.adoptedStyleSheets).toHaveLength(1);
});
