// Uses the playground as people do, in Chromium: asks for products, follows their changes, reads the schema.
// The page has to do without any other host.
//
//   node browser.mjs http://127.0.0.1:8000 [SCREENSHOT.png]

import { setTimeout as sleep } from "node:timers/promises";
import { chromium } from "playwright-core";
import { restOf } from "./rest.mjs";

const [base, screenshot] = process.argv.slice(2);
if (!base) {
  console.error("usage: node browser.mjs URL [SCREENSHOT]");
  process.exit(2);
}

const rest = restOf(base);
const HOST = "127.0.0.1";
const QUERY = "{ products(first: 3) { totalCount nodes { id name price } } }";
const SUBSCRIPTION = "subscription { productChanged { kind id } }";
/** What a page with megabytes of scripts may take on a busy machine. */
const PATIENCE_MS = 60_000;

/** What must not happen, as it happens. */
const faults = [];
/** Products of ours, to be deleted at the end. */
const created = [];

const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    // What slips through the routes below finds nobody.
    `--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE ${HOST}`,
  ],
});
try {
  const page = await openPage();
  await asksForProducts(page);
  await followsChanges(page);
  await readsTheSchema(page);
  if (screenshot) {
    await page.screenshot({ path: screenshot });
  }
} catch (error) {
  faults.push(error.message);
  if (screenshot) {
    await browser.contexts()[0]?.pages()[0]?.screenshot({ path: screenshot }).catch(() => {});
  }
} finally {
  await browser.close();
  await Promise.all(created.map(remove));
}
faults.forEach((fault) => console.error(`FAULT ${fault}`));
process.exit(faults.length ? 1 : 0);

async function openPage() {
  const context = await browser.newContext({ viewport: { width: 1400, height: 900 }, serviceWorkers: "block" });
  context.setDefaultTimeout(PATIENCE_MS);
  await context.route("**/*", (route) => {
    const { protocol, hostname } = new URL(route.request().url());
    if (hostname === HOST || protocol === "data:" || protocol === "blob:") {
      return route.continue();
    }
    faults.push(`asks another host: ${route.request().url()}`);
    return route.abort();
  });
  const page = await context.newPage();
  page.on("websocket", (socket) => {
    if (new URL(socket.url()).hostname !== HOST) {
      faults.push(`opens a socket to another host: ${socket.url()}`);
    }
  });
  page.on("pageerror", (error) => faults.push(`throws ${error.message}`));
  page.on("console", (message) => {
    if (message.type() === "error") {
      faults.push(`complains: ${message.text()} ${message.location().url}`);
    }
  });
  page.on("response", (response) => {
    if (response.status() >= 400) {
      faults.push(`gets a ${response.status()}: ${response.url()}`);
    }
  });

  await page.goto(new URL("/graphql", base).href);
  await page.locator(".graphiql-query-editor .view-lines").waitFor();
  console.log("GraphiQL is there");
  return page;
}

/** Puts another document into the editor, and runs it. */
async function run(page, text) {
  const editor = page.locator(".graphiql-query-editor .monaco-editor").first();
  await editor.click();
  await page.keyboard.press("ControlOrMeta+a");
  await page.keyboard.press("Delete");
  // As one piece: an editor that closes brackets by itself would add some to single keys.
  await page.keyboard.insertText(text);
  // Monaco shows spaces as such that do not break.
  const shown = (await editor.locator(".view-lines").innerText()).replace(/\s+/g, " ").trim();
  if (shown !== text) {
    throw new Error(`the editor shows ${shown} instead of ${text}`);
  }
  // GraphiQL takes its time to see that it is another kind of operation, and would send it the old way.
  await sleep(1000);
  await page.getByRole("button", { name: "Execute query" }).click();
}

/** Waits until the response pane shows all these texts. Spaces don't count: long lines are broken anywhere. */
async function shows(page, ...texts) {
  const packed = (text) => text.replace(/\s+/g, "");
  // Long answers are drawn only as far as they are seen; ours are short.
  const response = page.locator(".graphiql-response .view-lines");
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    // Nothing is there before the first answer.
    const shown = (await response.count()) ? await response.innerText() : "";
    if (texts.every((text) => packed(shown).includes(packed(text)))) {
      return shown.replace(/\s+/g, " ");
    }
    if (Date.now() > end) {
      throw new Error(`the response shows ${shown} and not ${texts.join(", ")}`);
    }
    await sleep(50);
  }
}

async function asksForProducts(page) {
  const products = await rest("GET", "/products?limit=3");
  if (products.length === 0) {
    products.push(await create("Lamp of browser.mjs"));
  }
  await run(page, QUERY);
  const names = products.map(({ name }) => `"name": ${JSON.stringify(name)}`);
  console.log(`the query's result: ${await shows(page, '"totalCount":', ...names)}`);
}

async function followsChanges(page) {
  await run(page, SUBSCRIPTION);
  // The protocol does not tell when a subscription has begun.
  await sleep(1000);
  const { id } = await create("Desk of browser.mjs");
  console.log(`the subscription's event: ${await shows(page, '"kind": "CREATED"', `"id": "${id}"`)}`);
  await page.getByRole("button", { name: "Stop query" }).click();
  await page.getByRole("button", { name: "Execute query" }).waitFor();
}

async function readsTheSchema(page) {
  const open = page.getByRole("button", { name: "Show Documentation Explorer" });
  if (await open.isVisible()) {
    await open.click();
  }
  const docs = page.locator(".graphiql-doc-explorer");
  for (const type of ["Mutation", "Subscription", "Query"]) {
    await docs.getByText(type, { exact: true }).first().waitFor();
  }
  await docs.getByText("Query", { exact: true }).first().click();
  await docs.locator(".graphiql-doc-explorer-field-name", { hasText: /^products$/ }).waitFor();
  console.log(`the documentation: ${(await docs.innerText()).replace(/\s+/g, " ")}`);
}

async function create(name) {
  const product = await rest("POST", "/products", { name, price: 12.5, amount: 3 });
  created.push(product);
  return product;
}

async function remove({ id }) {
  await rest("DELETE", `/products/${id}`);
}
