// Drives one Chromium for the test program: a JSON request on each line of
// standard input, a JSON answer on each line of standard output. It decides
// nothing; the test program does.
//
// Usage: node driver.mjs WEB_DIR (where playwright-core is installed)
import { createRequire } from "node:module";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { createInterface } from "node:readline";

const { chromium } = createRequire(join(process.argv[2], "package.json"))("playwright-core");

const CHROMIUM_ARGS = [
  "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync",
  "--autoplay-policy=no-user-gesture-required",
];
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".mjs": "text/javascript" };

let context, page, profile, devtools;
const messages = []; // of the page's console, and its uncaught errors

const operations = {
  async launch({ executable, width, height }) {
    profile = await mkdtemp(join(tmpdir(), "chromium-"));
    context = await chromium.launchPersistentContext(profile, {
      executablePath: executable, headless: false, args: CHROMIUM_ARGS, viewport: { width, height },
    });
    page = context.pages()[0] ?? await context.newPage();
    page.on("console", (m) => messages.push(`${m.type()}: ${m.text()}`));
    page.on("pageerror", (e) => messages.push(`uncaught: ${e.stack ?? e}`));
    return context.browser()?.version() ?? "";
  },
  // Runs a script in every page before the page's own.
  async init({ file }) {
    await context.addInitScript({ path: file });
  },
  // Answers what is below /e2e/ on whichever host from a folder, so that a page
  // of the tests has the origin of the relay that it plays from.
  async serve({ folder }) {
    await context.route("**/e2e/**", async (route) => {
      const name = new URL(route.request().url()).pathname.replace(/^\/e2e\//, "");
      const body = await readFile(join(folder, name)).catch(() => undefined);
      await route.fulfill(body === undefined
        ? { status: 404 }
        : { status: 200, contentType: TYPES[extname(name)] ?? "application/octet-stream", body });
    });
  },
  async goto({ url }) {
    await page.goto(url, { waitUntil: "load" });
  },
  // Puts the window away, or back: the page is then really hidden.
  async show({ visible }) {
    if (!devtools) {
      devtools = await context.newCDPSession(page);
      // Playwright keeps every page visible by emulating focus in a session of its
      // own, and has no option not to.
      const own = page._connection.toImpl(page).delegate._mainFrameSession._client;
      await own.send("Emulation.setFocusEmulationEnabled", { enabled: false });
    }
    const { windowId } = await devtools.send("Browser.getWindowForTarget");
    await devtools.send("Browser.setWindowBounds", { windowId, bounds: { windowState: visible ? "normal" : "minimized" } });
  },
  // The ids of the processes that run pages.
  async renderers() {
    const session = await context.browser().newBrowserCDPSession();
    const { processInfo } = await session.send("SystemInfo.getProcessInfo");
    await session.detach();
    return processInfo.filter((p) => p.type === "renderer").map((p) => p.id);
  },
  async evaluate({ expression }) {
    return await page.evaluate(expression);
  },
  async wait({ expression, timeoutMs }) {
    // Not waitForFunction: it evaluates inside the page, where the relay's content
    // security policy forbids it.
    for (const until = Date.now() + timeoutMs; !(await page.evaluate(expression));) {
      if (Date.now() > until) throw new Error(`not true within ${timeoutMs} ms: ${expression}`);
      await new Promise((done) => setTimeout(done, 50));
    }
  },
  // Has the page run at 1/rate of the processor's speed.
  async throttle({ rate }) {
    devtools ??= await context.newCDPSession(page);
    await devtools.send("Emulation.setCPUThrottlingRate", { rate });
  },
  async screenshot({ path }) {
    await page.screenshot({ path });
  },
  async console() {
    return messages;
  },
  async close() {
    await context?.close();
    if (profile) await rm(profile, { recursive: true, force: true });
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { op, ...args } = JSON.parse(line);
  let answer;
  try {
    answer = { result: (await operations[op](args)) ?? null };
  } catch (e) {
    answer = { error: String(e?.message ?? e) };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
  if (op === "close") break;
}
process.exit(0);
