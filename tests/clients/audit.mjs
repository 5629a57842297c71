// Runs the audits of graphql-http against a server, to check it against the GraphQL-over-HTTP specification.
//
//   node audit.mjs http://127.0.0.1:8000/graphql

import { serverAudits } from "graphql-http";

const [url] = process.argv.slice(2);
if (!url) {
  console.error("usage: node audit.mjs URL");
  process.exit(2);
}

const count = { ok: 0, notice: 0, warn: 0, error: 0 };
for (const audit of serverAudits({ url })) {
  const result = await run(audit);
  count[result.status] += 1;
  if (result.status !== "ok") {
    // The name begins with its requirement level: "MUST accept application/json ...".
    console.log(`${result.id} ${result.name}: ${result.reason}`);
  }
}

const audits = Object.values(count).reduce((sum, n) => sum + n);
// Notices report optional behaviour (MAY).
const notices = count.notice ? `, ${count.notice} notices` : "";
console.log(`${audits} audits: ${count.ok} ok, ${count.warn} warnings, ${count.error} errors${notices}`);
// Response bodies that the audits did not read would keep the process alive.
process.exit(count.warn || count.error ? 1 : 0);

async function run(audit) {
  try {
    return await audit.fn();
  } catch (error) {
    // No response, or a response that is not JSON.
    const cause = error.cause ? ` (${error.cause.message})` : "";
    return { id: audit.id, name: audit.name, status: "error", reason: `${error.message}${cause}` };
  }
}
