// Tests the playground in Chromium: queries products, reads a description, follows changes, and reads the schema.
// The page must not contact any other host.
//
//   node browser.mjs http://127.0.0.1:8000 [SCREENSHOT.png]

import { setTimeout as sleep } from "node:timers/promises";
import { TIMEOUT_MS, launch, openPage } from "./chromium.mjs";
import { createRestClient } from "./rest.mjs";

const [base, screenshot] = process.argv.slice(2);
if (!base) {
  console.error("usage: node browser.mjs URL [SCREENSHOT]");
  process.exit(2);
}

const rest = createRestClient(base);
const QUERY = "{ products(first: 3) { totalCount nodes { id name price } } }";
const SUBSCRIPTION = "subscription { productChanged { kind id } }";

/** Errors found so far. */
const errors = [];
/** Products to delete at the end. */
const created = [];

const browser = await launch();
try {
  const page = await openPlayground();
  await queryProducts(page);
  await hoverField(page);
  await followChanges(page);
  await readSchema(page);
  await openLink();
  if (screenshot) {
    await page.screenshot({ path: screenshot });
  }
} catch (error) {
  errors.push(error.message);
  if (screenshot) {
    await browser.contexts()[0]?.pages()[0]?.screenshot({ path: screenshot }).catch(() => {});
  }
} finally {
  await browser.close();
  await Promise.all(created.map(remove));
}
errors.forEach((error) => console.error(`ERROR ${error}`));
process.exit(errors.length ? 1 : 0);

async function openPlayground() {
  const page = await openPage(browser, errors);
  await page.goto(new URL("/graphql", base).href);
  await page.locator(".graphiql-query-editor .view-lines").waitFor();
  console.log("GraphiQL is loaded");
  return page;
}

/** Replaces the document in the editor and runs it. */
async function run(page, text) {
  const editor = page.locator(".graphiql-query-editor .monaco-editor").first();
  await editor.click();
  await page.keyboard.press("ControlOrMeta+a");
  await page.keyboard.press("Delete");
  // Inserted at once, because the editor adds closing brackets after single keys.
  await page.keyboard.insertText(text);
  // Monaco displays spaces as non-breaking spaces.
  const shown = (await editor.locator(".view-lines").innerText()).replace(/\s+/g, " ").trim();
  if (shown !== text) {
    throw new Error(`the editor shows ${shown} instead of ${text}`);
  }
  // GraphiQL detects the new operation type after a delay, and until then uses the transport of the old one.
  await sleep(1000);
  await page.getByRole("button", { name: "Execute query" }).click();
}

/** Waits until the response pane contains all texts. Spaces are ignored, because long lines wrap anywhere. */
async function waitForResponse(page, ...texts) {
  const withoutSpaces = (text) => text.replace(/\s+/g, "");
  // Monaco renders only the visible lines; these responses are short enough.
  const response = page.locator(".graphiql-response .view-lines");
  const end = Date.now() + TIMEOUT_MS;
  for (;;) {
    // The pane is empty before the first response.
    const shown = (await response.count()) ? await response.innerText() : "";
    if (texts.every((text) => withoutSpaces(shown).includes(withoutSpaces(text)))) {
      return shown.replace(/\s+/g, " ");
    }
    if (Date.now() > end) {
      throw new Error(`the response shows ${shown} instead of ${texts.join(", ")}`);
    }
    await sleep(50);
  }
}

async function queryProducts(page) {
  const products = await rest("GET", "/products?limit=3");
  if (products.length === 0) {
    products.push(await create("Lamp of browser.mjs"));
  }
  await run(page, QUERY);
  const names = products.map(({ name }) => `"name": ${JSON.stringify(name)}`);
  console.log(`the query's result: ${await waitForResponse(page, '"totalCount":', ...names)}`);
}

/** Reads a field's description, which the editor sanitizes with the package that replaces Monaco's own. */
async function hoverField(page) {
  await page.locator(".graphiql-query-editor .view-lines span", { hasText: /^totalCount$/ }).last().hover();
  const hover = page.locator(".monaco-hover-content", { hasText: "Number of products" }).first();
  console.log(`the field's description: ${(await hover.innerText()).replace(/\s+/g, " ")}`);
}

async function followChanges(page) {
  await run(page, SUBSCRIPTION);
  // The protocol does not confirm the start of a subscription.
  await sleep(1000);
  const { id } = await create("Desk of browser.mjs");
  console.log(`the subscription's event: ${await waitForResponse(page, '"kind": "CREATED"', `"id": "${id}"`)}`);
  await page.getByRole("button", { name: "Stop query" }).click();
  await page.getByRole("button", { name: "Execute query" }).waitFor();
}

async function readSchema(page) {
  const openButton = page.getByRole("button", { name: "Show Documentation Explorer" });
  if (await openButton.isVisible()) {
    await openButton.click();
  }
  const docs = page.locator(".graphiql-doc-explorer");
  for (const type of ["Mutation", "Subscription", "Query"]) {
    await docs.getByText(type, { exact: true }).first().waitFor();
  }
  await docs.getByText("Query", { exact: true }).first().click();
  await docs.locator(".graphiql-doc-explorer-field-name", { hasText: /^products$/ }).waitFor();
  console.log(`the documentation: ${(await docs.innerText()).replace(/\s+/g, " ")}`);
}

/** Opens a link with a document and variables, and runs it. */
async function openLink() {
  const page = await openPage(browser, errors);
  const link = new URL("/graphql", base);
  link.searchParams.set("query", "query Linked($first: Int!) { linked: products(first: $first) { nodes { id } } }");
  link.searchParams.set("variables", '{ "first": 1 }');
  await page.goto(link.href);
  await page.locator(".graphiql-query-editor .view-lines", { hasText: "Linked" }).waitFor();
  await page.getByRole("button", { name: "Execute query" }).click();
  console.log(`the result of the link: ${await waitForResponse(page, '"linked":', '"id":')}`);
}

async function create(name) {
  const product = await rest("POST", "/products", { name, price: 12.5, amount: 3 });
  created.push(product);
  return product;
}

async function remove({ id }) {
  await rest("DELETE", `/products/${id}`);
}
