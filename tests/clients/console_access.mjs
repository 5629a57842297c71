// Tests the console in Chromium on a server that needs a token.
//
//   node console_access.mjs http://127.0.0.1:8000 READ_TOKEN WRITE_TOKEN

import assert from "node:assert/strict";
import { checkAccessibility } from "./axe.mjs";
import { launch, openPage } from "./chromium.mjs";

const [base, readToken, writeToken] = process.argv.slice(2);
if (!writeToken) {
  console.error("usage: node console_access.mjs URL READ_TOKEN WRITE_TOKEN");
  process.exit(2);
}

const errors = [];
const browser = await launch();
try {
  const page = await openPage(browser, errors, { expected: [401, 403, 404] });
  await page.goto(base);
  const dialog = page.getByRole("dialog");
  const enter = async (token) => {
    await dialog.getByLabel("API token").fill(token);
    await dialog.getByRole("button", { name: "Use the token" }).click();
  };
  const state = (text) => page.locator("#changes-state", { hasText: text }).waitFor();
  await dialog.getByText("The server needs a token.").waitFor();
  await checkAccessibility(page, "token", errors);
  await enter("stk_unknown");
  await dialog.getByText("The token is unknown or has ended.").waitFor();
  await enter(readToken);
  await state("live");
  await page.locator("#rate p", { hasText: "The token lacks the scope “metrics”." }).waitFor();

  const add = async (name) => {
    await page.getByRole("button", { name: "Add product…" }).click();
    await dialog.getByLabel("Name").fill(name);
    await dialog.getByLabel("Price").fill("1");
    await dialog.getByLabel("Stock").fill("1");
    await dialog.getByRole("button", { name: "Save" }).click();
  };
  await add("Lamp");
  await dialog.getByText("The token lacks the scope “write”.").waitFor();
  await dialog.getByRole("button", { name: "Cancel" }).click();

  await page.getByRole("button", { name: "Token in use…" }).click();
  await enter(writeToken);
  await add("Lamp");
  await page.locator("#products tbody tr", { hasText: "Lamp" }).waitFor();
  await page.locator("#changes li", { hasText: "Lamp" }).waitFor();
  const started = page.waitForEvent("download");
  await page.getByRole("link", { name: "Export CSV" }).click();
  assert.equal((await started).suggestedFilename(), "products.csv");

  // The token is in the page's memory only.
  assert.equal(await page.evaluate(() => localStorage.length + sessionStorage.length + document.cookie.length), 0);
  await page.reload();
  await dialog.getByText("The server needs a token.").waitFor();
  await dialog.getByRole("button", { name: "Cancel" }).click();
  await page.getByRole("alert").filter({ hasText: "The server needs a token." }).waitFor();
  await state("The server needs a token.");
} catch (error) {
  errors.push(error.stack);
} finally {
  await browser.close();
}
errors.forEach((error) => console.error(`ERROR ${error}`));
process.exit(errors.length ? 1 : 0);
