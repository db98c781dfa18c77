// Builds dist/ (or the folder given as the argument): the SDK (ESM and types),
// the element and their worker, the demo page and the self-test.
// The result depends on nothing but the sources and the pinned tools: it is
// committed, and the tests build it again and compare.
import { execFileSync } from "node:child_process";
import { cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const dist = process.argv[2] ?? here("dist");
const sdk = `${dist}/sdk`;

await rm(dist, { recursive: true, force: true });
await mkdir(sdk, { recursive: true });

const common = {
  bundle: true,
  format: "esm",
  target: ["es2022"],
  charset: "utf8",
  legalComments: "none",
  minify: true,
  logLevel: "warning",
  absWorkingDir: here("."),
};

await build({
  ...common,
  entryPoints: {
    framelock: "src/index.ts",
    "framelock-player": "src/element.ts",
    "framelock-verify": "src/verify.ts",
    "framelock-worker": "src/worker/transform.ts",
    demo: "demo/demo.ts",
    selftest: "selftest/selftest.ts",
  },
  outdir: sdk,
});
await build({ ...common, entryPoints: ["demo/demo.css", "selftest/selftest.css"], entryNames: "[name]", outdir: sdk });

execFileSync(process.execPath, [
  here("node_modules/typescript/lib/tsc.js"),
  "-p", here("tsconfig.types.json"), "--outDir", `${sdk}/types`,
], { stdio: "inherit" });
await writeFile(`${sdk}/framelock.d.ts`, 'export * from "./types/index.js";\n');
await writeFile(`${sdk}/framelock-player.d.ts`, 'export * from "./types/element.js";\n');

await cp(here("demo/index.html"), `${dist}/index.html`);
await cp(here("selftest/index.html"), `${dist}/selftest/index.html`);
await cp(here("demo/icon.svg"), `${sdk}/icon.svg`);

for (const name of (await readdir(sdk)).filter((n) => /\.(js|css)$/.test(n)).sort()) {
  const bytes = await readFile(`${sdk}/${name}`);
  const gzip = gzipSync(bytes, { level: 9 }).length;
  console.log(`${name.padEnd(22)} ${kib(bytes.length)}  gzip ${kib(gzip)}`);
}

function kib(n) {
  return `${(n / 1024).toFixed(1)} KiB`.padStart(9);
}
