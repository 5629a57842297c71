// Tests the API reference in Chromium: authorizes with a token, and executes a request.
// The page must load without any violation of its policy.
//
//   node docs.mjs http://127.0.0.1:8000 TOKEN

import { launch, openPage } from "./chromium.mjs";

const [base, token] = process.argv.slice(2);
if (!token) {
  console.error("usage: node docs.mjs URL TOKEN");
  process.exit(2);
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

  const operation = page.locator("#operations-products-createProducts");
  await operation.getByRole("button").first().click();
  await operation.getByRole("button", { name: "Try it out" }).click();
  await operation.locator("textarea").fill(JSON.stringify({ id: 7, name: "Lamp of docs.mjs", price: 1, amount: 1 }));
  await operation.getByRole("button", { name: "Execute" }).click();
  await operation.locator(".live-responses-table .response-col_status", { hasText: /^20[01]/ }).waitFor();
  const body = await operation.locator(".live-responses-table td.response-col_description pre").first().innerText();
  if (!body.includes("Lamp of docs.mjs")) {
    errors.push(`the response shows ${body}`);
  }
} catch (error) {
  errors.push(error.message);
} finally {
  await browser.close();
}
errors.forEach((error) => console.error(`ERROR ${error}`));
process.exit(errors.length ? 1 : 0);
