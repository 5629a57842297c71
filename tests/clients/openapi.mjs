// Lints the OpenAPI document of a server (Redocly), generates types from it (openapi-typescript), checks openapi-client.mjs
// against them (TypeScript), and runs it.
//
//   node openapi.mjs http://127.0.0.1:8000

import { mkdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { createConfig, lintFromString } from "@redocly/openapi-core";
import openapiTypescript, { astToString } from "openapi-typescript";
import ts from "typescript";

import { useProducts } from "./openapi-client.mjs";

const [base] = process.argv.slice(2);
if (!base) {
  console.error("usage: node openapi.mjs URL");
  process.exit(2);
}

const source = await (await fetch(new URL("/openapi.json", base))).text();

// Operations without parameters have no client errors.
const config = await createConfig({ extends: ["recommended"], rules: { "operation-4xx-response": "off" } });
const problems = await lintFromString({ source, absoluteRef: "openapi.json", config });
for (const { ruleId, message, location } of problems) {
  console.error(`${ruleId} at ${location[0]?.pointer}: ${message}`);
}

const generated = fileURLToPath(new URL("__generated__", import.meta.url));
mkdirSync(generated, { recursive: true });
writeFileSync(`${generated}/openapi.d.ts`, astToString(await openapiTypescript(source)));
const client = fileURLToPath(new URL("openapi-client.mjs", import.meta.url));
const program = ts.createProgram([client], {
  allowJs: true,
  checkJs: true,
  noEmit: true,
  strict: true,
  types: [],
  lib: ["lib.es2023.d.ts", "lib.dom.d.ts", "lib.dom.iterable.d.ts"],
  module: ts.ModuleKind.NodeNext,
  target: ts.ScriptTarget.ES2022,
});
const errors = ts.getPreEmitDiagnostics(program);
const host = { getCanonicalFileName: (name) => name, getCurrentDirectory: ts.sys.getCurrentDirectory, getNewLine: () => "\n" };
console.error(ts.formatDiagnostics(errors, host));
if (problems.length || errors.length) {
  process.exit(1);
}
await useProducts(base);
