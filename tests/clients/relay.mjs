// Lets relay-compiler hold the documents in relay/src against schema.graphql: a schema that Relay can't work with,
// for example connections without cursors, does not pass.
//
//   node relay.mjs

import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import compiler from "relay-compiler";

const project = fileURLToPath(new URL("relay", import.meta.url));
const artifacts = `${project}/__generated__`;
// With nothing to start from, everything has to be compiled; `--validate` would call that out of date.
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
// A compiler that found no documents has nothing to complain of.
const compiled = readdirSync(artifacts).map((file) => file.replace(".graphql.js", ""));
const wanted = ["productsPaginationQuery", "products_list", "productsCreateMutation", "productsSubscription"];
const missing = wanted.filter((name) => !compiled.includes(name));
if (missing.length) {
  console.error(`relay-compiler made nothing of ${missing.join(", ")}`);
  process.exit(1);
}
