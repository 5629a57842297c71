// Compiles the documents in relay/src against schema.graphql with relay-compiler. It rejects schemas that Relay does
// not support, for example connections without cursors.
//
//   node relay.mjs

import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import compiler from "relay-compiler";

const project = fileURLToPath(new URL("relay", import.meta.url));
const artifacts = `${project}/__generated__`;
// An empty folder forces a complete compilation. `--validate` would report missing artifacts as out of date.
rmSync(artifacts, { recursive: true, force: true });
mkdirSync(artifacts);

const options = ["--noWatchman", "relay.config.json"];
const { status, error } = spawnSync(compiler, options, { cwd: project, stdio: "inherit" });
if (error) {
  throw error;
}
if (status !== 0) {
  console.error(`relay-compiler exited with ${status}`);
  process.exit(1);
}
// The compiler also succeeds if it finds no documents.
const compiled = readdirSync(artifacts).map((file) => file.replace(".graphql.js", ""));
const wanted = ["productsPaginationQuery", "products_list", "productsCreateMutation", "productsSubscription"];
const missing = wanted.filter((name) => !compiled.includes(name));
if (missing.length) {
  console.error(`relay-compiler produced no artifact for ${missing.join(", ")}`);
  process.exit(1);
}
