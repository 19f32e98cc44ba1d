// Bundles the page into dist/, which any static file server can serve.

import { cp, mkdir, rm } from "node:fs/promises";
import { basename } from "node:path";
import { build } from "esbuild";

const folder = (path) => new URL(path, import.meta.url).pathname;

await rm(folder("dist"), { recursive: true, force: true });
await mkdir(folder("dist"));
await build({
    absWorkingDir: folder("."),
    entryPoints: {
        app: "src/main.js",
        "element-call": "src/element-call/main.js",
        "recorder-worklet": "src/shared/recorder-worklet.js",
    },
    outdir: "dist",
    bundle: true,
    minify: true,
    sourcemap: true,
    format: "esm",
    // Each kind of call is loaded by itself.
    splitting: true,
    chunkNames: "[name]-[hash]",
    target: "chrome120",
    // The SDK uses it only where encryption is set up, which this page never does.
    alias: { "@matrix-org/matrix-sdk-crypto-wasm": "./src/no-encryption.cjs" },
    logLevel: "warning",
});
for (const file of ["index.html", "element-call.html", "style.css", "shared/base.css"]) {
    await cp(folder(`src/${file}`), folder(`dist/${basename(file)}`));
}
// Element Call as it is published, for the frame of its page.
await cp(folder("node_modules/@element-hq/element-call-embedded/dist"), folder("dist/element-call"), {
    recursive: true,
    filter: (path) => !path.endsWith(".map"),
});
