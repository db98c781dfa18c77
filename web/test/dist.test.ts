import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const root = join(import.meta.dirname, "..");
const dist = join(root, "dist");

function files(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? files(path) : [path];
  }).sort();
}

const scripts = files(dist).filter((f) => f.endsWith(".js"));
const pages = ["index.html", "selftest/index.html"];
const read = (path: string) => readFileSync(path, "utf8");

describe("built files", () => {
  let built = "";
  beforeAll(() => {
    built = mkdtempSync(join(tmpdir(), "framelock-web-"));
    execFileSync(process.execPath, [join(root, "build.mjs"), join(built, "dist")], { stdio: "pipe" });
  }, 60_000);
  afterAll(() => rmSync(built, { recursive: true, force: true }));

  it("are what the sources build", () => {
    const fresh = join(built, "dist");
    const names = files(dist).map((f) => relative(dist, f));
    expect(names).toEqual(files(fresh).map((f) => relative(fresh, f)));
    for (const name of names) expect(read(join(fresh, name)) === read(join(dist, name)), `${name} differs: npm run build`).toBe(true);
  });

  it("run under a strict Content-Security-Policy", () => {
    expect(scripts.length).toBe(6);
    for (const script of scripts) {
      const code = read(script);
      for (const bad of [/\beval\s*\(/, /new Function\b/, /\.innerHTML\b/, /\.outerHTML\b/, /insertAdjacentHTML/, /document\.write/,
        /setAttribute\(\s*["'`]style/, /\.cssText\b/, /createElement\(\s*["'`]style/, /set(?:Timeout|Interval)\(\s*["'`]/, /https?:\/\//]) {
        expect(bad.test(code), `${bad} in ${relative(dist, script)}`).toBe(false);
      }
    }
    for (const page of pages) {
      const html = read(join(dist, page));
      expect(html).not.toMatch(/<style|\sstyle=|\son[a-z]+=|javascript:|https?:\/\//i);
      expect([...html.matchAll(/<script\b[^>]*>([^<]*)/g)].map((m) => m[1])).toEqual([""]);
    }
    for (const sheet of ["demo", "selftest"]) expect(read(join(dist, `sdk/${sheet}.css`))).not.toMatch(/@import|url\(/);
  });

  it("name only files that are there", () => {
    for (const script of scripts) {
      for (const [, path] of read(script).matchAll(/new URL\("([^"]+)",import\.meta\.url\)/g)) {
        expect(statSync(join(dist, "sdk", path!)).isFile(), path).toBe(true);
      }
    }
    for (const page of pages) {
      for (const [, path] of read(join(dist, page)).matchAll(/(?:src|href)="([^"]+)"/g)) {
        expect(statSync(join(dist, dirname(page), path!)).isFile(), path).toBe(true);
      }
    }
    expect(read(join(dist, "sdk/framelock.js"))).toContain("framelock-worker.js");
  });

  it("need nothing at run time", () => {
    const manifest = JSON.parse(read(join(root, "package.json"))) as { dependencies?: object; devDependencies: Record<string, string> };
    expect(manifest.dependencies).toBeUndefined();
    for (const [name, version] of Object.entries(manifest.devDependencies)) expect(version, name).toMatch(/^\d+\.\d+\.\d+$/);
    for (const script of scripts) expect(read(script)).not.toMatch(/\bimport\s*[{*"'(]|\brequire\(/);
  });
});
