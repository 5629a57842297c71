// Tests the API reference in Chromium: authorizes with a token, and executes operations as the page fills them in.
// The page must load without any violation of its policy, and every response must be a success.
//
//   node docs.mjs http://127.0.0.1:8000 TOKEN

import { launch, openPage } from "./chromium.mjs";

const [base, token] = process.argv.slice(2);
if (!token) {
  console.error("usage: node docs.mjs URL TOKEN");
  process.exit(2);
}

/** Operations for which the page fills in nothing, a query, a path, an object, and an array. */
const OPERATIONS = ["listProducts", "deleteProducts", "changeProduct", "createProducts", "replaceProducts"];

/** Creates the product with the id of the examples, unless it exists. */
async function createProduct() {
  const headers = { "Content-Type": "application/json", "If-None-Match": "*", Authorization: `Bearer ${token}` };
  const body = JSON.stringify({ name: "Lamp of docs.mjs", price: 1, amount: 1 });
  const { status } = await fetch(new URL("/products/1", base), { method: "PUT", headers, body });
  if (![201, 412].includes(status)) {
    throw new Error(`cannot create product 1: status ${status}`);
  }
}

const errors = [];
const browser = await launch();
try {
  const page = await openPage(browser, errors);
  await page.goto(new URL("/docs/", base).href);
  await page.getByRole("button", { name: "Authorize" }).click();
  const dialog = page.locator(".dialog-ux");
  await dialog.locator("input").fill(token);
  await dialog.locator("button[type=submit]").click();
  await dialog.getByRole("button", { name: "Close" }).click();

  for (const id of OPERATIONS) {
    await createProduct();
    const operation = page.locator(`#operations-products-${id}`);
    await operation.getByRole("button").first().click();
    await operation.getByRole("button", { name: "Try it out" }).click();
    const execute = operation.locator(".execute").click();
    // `openPage` reports every response that is an error.
    const [response] = await Promise.all([page.waitForResponse(() => true), execute]);
    const shown = operation.locator(".live-responses-table .response-col_status");
    await shown.filter({ hasText: String(response.status()) }).waitFor();
  }
} catch (error) {
  errors.push(error.message);
} finally {
  await browser.close();
}
errors.forEach((error) => console.error(`ERROR ${error}`));
process.exit(errors.length ? 1 : 0);
