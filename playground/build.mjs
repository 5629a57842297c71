// Bundles and compresses the playground into dist/. The server embeds these files at compile time.
import { build } from "esbuild";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

// GraphiQL requires Monaco 0.52.2, whose files contain DOMPurify 3.1.7 with its vulnerabilities. This plugin bundles the
// package `dompurify` instead.
let replaced = false;
const currentDompurify = {
  name: "current-dompurify",
  setup({ onLoad }) {
    onLoad({ filter: /monaco-editor.*dompurify\.js$/ }, () => {
      replaced = true;
      const contents = `import DOMPurify from "dompurify"; export const { sanitize, addHook, removeHook } = DOMPurify;`;
      return { contents, resolveDir: process.cwd() };
    });
  },
};

const { outputFiles } = await build({
  entryPoints: {
    main: "main.jsx",
    "editor.worker": "monaco-editor/esm/vs/editor/editor.worker.js",
    "json.worker": "monaco-editor/esm/vs/language/json/json.worker.js",
    "graphql.worker": "monaco-graphql/esm/graphql.worker.js",
  },
  plugins: [currentDompurify],
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2022",
  jsx: "automatic",
  define: { "process.env.NODE_ENV": '"production"' },
  // Embeds fonts and licences, so that no further files are needed.
  loader: { ".ttf": "dataurl", ".woff2": "dataurl" },
  legalComments: "eof",
  outdir: "dist",
  write: false,
});

if (!replaced) {
  throw new Error("Monaco no longer contains dompurify.js: remove the plugin");
}

rmSync("dist", { recursive: true, force: true });
mkdirSync("dist");
for (const { path, contents } of outputFiles) {
  writeFileSync(`${path}.gz`, gzipSync(contents, { level: 9 }));
}
