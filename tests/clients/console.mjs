// Tests the console in Chromium, with another client that writes at the same time.
//
//   node console.mjs http://127.0.0.1:8000 [SCREENSHOT_FOLDER]
//
// The server must have no products.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { checkAccessibility } from "./axe.mjs";
import { launch, openPage } from "./chromium.mjs";
import { createRestClient } from "./rest.mjs";

const [base, screenshots] = process.argv.slice(2);
if (!base) {
  console.error("usage: node console.mjs URL [SCREENSHOT_FOLDER]");
  process.exit(2);
}

const rest = createRestClient(base);
/** More digits than a JavaScript number has. */
const PRICE = "9999999999.9999";
const SCRIPT = "<img src=x onerror=\"document.title='executed'\">";
const WIDE = { id: 999, name: "W".repeat(255), price: 1, amount: 2147483647 };

const rows = (page) => page.locator("#products tbody tr");
const row = (page, text) => rows(page).filter({ hasText: text });
const button = (scope, name) => scope.getByRole("button", { name, exact: true });
const message = (page, text) => page.locator("#message", { hasText: text }).waitFor();
const change = (id, fields) => rest("PATCH", `/products/${id}`, fields);

const errors = [];
const browser = await launch();
try {
  await rest("POST", "/products", Array.from({ length: 60 }, (_, i) => ({ id: i + 1, name: `Lamp ${i + 1}`, price: i + 1, amount: 5 })));
  await rest("POST", "/products", { id: 1000, name: SCRIPT, price: 0, amount: 0 });
  await fetch(new URL("/products", base), {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: `{"id":1001,"name":"Vault","price":${PRICE},"amount":1}`,
  });
  const page = await openConsole({ colorScheme: "light" });
  for (const step of [list, search, sort, add, edit, editConflict, adjustStock, follow, remove, importFiles, exportFile, plot]) {
    await step(page);
    console.log(`${step.name} works`);
  }
  await checkAccessibility(page, "light", errors);
  await photograph(page, "light");
  const dark = await openConsole({ colorScheme: "dark" });
  await checkAccessibility(dark, "dark", errors);
  await photograph(dark, "dark");
  await usePhone();
} catch (error) {
  errors.push(error.stack);
  await photograph(browser.contexts()[0]?.pages()[0], "failure");
} finally {
  await browser.close();
}
errors.forEach((error) => console.error(`ERROR ${error}`));
process.exit(errors.length ? 1 : 0);

async function photograph(page, name) {
  if (screenshots && page) {
    await page.screenshot({ path: `${screenshots}/${name}.png` });
  }
}

async function openConsole(options) {
  // Conflicts, missing products, too little stock and invalid values.
  const page = await openPage(browser, errors, { expected: [404, 409, 412, 422], ...options });
  await page.goto(base);
  await page.locator("#changes-state", { hasText: "live" }).waitFor();
  return page;
}

async function list(page) {
  await page.locator("#total", { hasText: "62" }).waitFor();
  assert.equal(await rows(page).count(), 50);
  await button(page, "Next").click();
  await row(page, "Vault").waitFor();
  assert.equal(await rows(page).count(), 12);
  assert.deepEqual(await row(page, "Vault").locator("td.number").allInnerTexts(), ["1001", PRICE, "1"]);
  // Names are text, whatever they contain.
  await row(page, SCRIPT).waitFor();
  assert.equal(await page.title(), "Stockmeter");
  await button(page, "Previous").click();
  await row(page, "Lamp 50").waitFor();
}

async function search(page) {
  await page.getByLabel("Name contains").fill("lamp 1");
  await page.locator("#matches", { hasText: "11 of 62 products match" }).waitFor();
  assert.equal(await rows(page).count(), 11);
  await page.getByLabel("Name contains").fill("no such name");
  await page.getByText("No product has this text").waitFor();
  await page.getByLabel("Name contains").fill("");
  await row(page, "Lamp 50").waitFor();
}

async function sort(page) {
  await button(page, "Price").click();
  await page.locator("th[aria-sort=ascending]", { hasText: "Price" }).waitFor();
  await rows(page).first().filter({ hasText: SCRIPT }).waitFor();
  await button(page, "Price").click();
  await rows(page).first().filter({ hasText: PRICE }).waitFor();
}

async function add(page) {
  await button(page, "Add product…").click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name").fill("Scale");
  await dialog.getByLabel("Price").fill("1,5");
  await dialog.getByLabel("Stock").fill("7");
  await page.keyboard.press("Enter");
  await dialog.locator("#price-error", { hasText: "Must be a number." }).waitFor();
  assert.equal(await dialog.getByLabel("Price").getAttribute("aria-invalid"), "true");
  await checkAccessibility(page, "invalid field", errors);
  await dialog.getByLabel("Price").fill("9999999999.9998");
  await page.keyboard.press("Enter");
  await message(page, "Added “Scale”");
  await row(page, "Scale").filter({ hasText: "9999999999.9998" }).waitFor();
  await page.locator("#total", { hasText: "63" }).waitFor();
  // The user's own change leaves the list up to date.
  await page.locator("#changes", { hasText: "Scale" }).waitFor();
  assert.equal(await page.locator("#stale").isHidden(), true);
}

async function edit(page) {
  const opener = button(page, "Edit Scale");
  await opener.press("Enter");
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name").fill("Balance");
  await button(dialog, "Save").click();
  // The price was not edited, and keeps its digits.
  await row(page, "Balance").filter({ hasText: "9999999999.9998" }).waitFor();
  await dialog.waitFor({ state: "hidden" });
  assert.equal(await row(page, "Balance").getByRole("button", { name: "Edit" }).evaluate((it) => it === document.activeElement), true);
}

async function editConflict(page) {
  const { id } = await rest("GET", "/products?name=eq.Vault").then(([vault]) => vault);
  const dialog = page.getByRole("dialog");
  await button(page, "Edit Vault").click();
  await dialog.getByLabel("Stock").fill("3");
  await change(id, { amount: 9, name: "Safe" });
  await button(dialog, "Save").click();
  await dialog.getByText("Another client has changed this product.").waitFor();
  assert.deepEqual(await dialog.locator("#conflict tbody td").allInnerTexts(), ["Vault", "Safe", "1", "9"]);
  await checkAccessibility(page, "conflict", errors);
  await photograph(page, "conflict");
  await button(dialog, "Reload the stored values").click();
  assert.equal(await dialog.getByLabel("Stock").inputValue(), "9");

  await dialog.getByLabel("Stock").fill("4");
  await change(id, { amount: 10 });
  await button(dialog, "Save").click();
  await button(dialog, "Overwrite with the above").click();
  await message(page, "Saved “Safe”");
  assert.deepEqual(await rest("GET", `/products/${id}`), { id, name: "Safe", price: Number(PRICE), amount: 4 });
}

async function adjustStock(page) {
  const amount = row(page, "Safe").locator("td").nth(2);
  await button(page, "Increase the stock of Safe").click();
  await amount.filter({ hasText: /^5$/ }).waitFor();
  await page.getByLabel("Stock step").fill("3");
  await button(page, "Reduce the stock of Safe").click();
  await amount.filter({ hasText: /^2$/ }).waitFor();
  await button(page, "Reduce the stock of Safe").click();
  await page.getByRole("alert").filter({ hasText: "2" }).waitFor();
  assert.equal((await rest("GET", "/products/1001")).amount, 2);
}

/** Another client's changes appear, also those that happen while the page is paused. */
async function follow(page) {
  await change(1001, { amount: 77 });
  await row(page, "Safe").filter({ hasText: "77" }).waitFor();
  await page.locator("#changes li").first().filter({ hasText: /stock 1001 .* 77 in stock/ }).waitFor();
  await button(page, "Pause updates").click();
  await page.locator("#changes-state", { hasText: "paused" }).waitFor();
  await rest("POST", "/products/1001/stock", { delta: 1 });
  await rest("POST", "/products", { id: 2000, name: "Missed", price: 1, amount: 1 });
  await button(page, "Pause updates").click();
  await row(page, "Safe").filter({ hasText: "78" }).waitFor();
  await page.getByText("The list has changed.").waitFor();
  await page.locator("#total", { hasText: "64" }).waitFor();
  await button(page, "Reload").click();
  await page.getByText("The list has changed.").waitFor({ state: "hidden" });
}

async function remove(page) {
  const dialog = page.getByRole("dialog");
  await button(page, "Delete Safe").click();
  await dialog.getByText("Product 1001, “Safe”").waitFor();
  await checkAccessibility(page, "deletion", errors);
  await change(1001, { amount: 6 });
  await button(dialog, "Delete").click();
  await dialog.getByText("Delete it anyway?").waitFor();
  await dialog.getByText("6 in stock").waitFor();
  await button(dialog, "Delete").click();
  await message(page, "Deleted “Safe”");
  await row(page, "Safe").waitFor({ state: "detached" });
  assert.deepEqual(await rest("GET", "/products?id=eq.1001"), []);
}

async function importFiles(page) {
  const dialog = page.getByRole("dialog");
  const file = (text) => ({ name: "products.csv", mimeType: "text/csv", buffer: Buffer.from(text) });
  await button(page, "Import CSV…").click();
  await dialog.getByLabel("File", { exact: true }).setInputFiles(file("name,price,amount\nRack,-1,2\n,x,1\n"));
  await button(dialog, "Import").click();
  await dialog.getByText("Line 2: price must be from 0").waitFor();
  await dialog.getByText("Line 3: name must not be empty").waitFor();
  await checkAccessibility(page, "import", errors);
  await photograph(page, "import");
  await dialog.getByLabel("File", { exact: true }).setInputFiles(file("name,price,amount\nRack,1.25,2\n"));
  await button(dialog, "Import").click();
  await message(page, "Products imported: 1.");

  const dropped = await page.evaluateHandle(() => {
    const transfer = new DataTransfer();
    transfer.items.add(new File(["id,name,price,amount\n1,Dropped,2,3\n"], "dropped.csv"));
    return transfer;
  });
  await page.dispatchEvent("body", "drop", { dataTransfer: dropped });
  await dialog.getByLabel("Replace products").check();
  await button(dialog, "Import").click();
  await dialog.waitFor({ state: "hidden" });
  assert.equal((await rest("GET", "/products/1")).name, "Dropped");
}

async function exportFile(page) {
  await page.getByLabel("Name contains").fill("rack");
  await page.locator("#matches", { hasText: "1 of 64" }).waitFor();
  const started = page.waitForEvent("download");
  await page.getByRole("link", { name: "Export CSV" }).click();
  const text = await readFile(await (await started).path(), "utf8");
  assert.match(text, /^id,name,price,amount\r?\n\d+,Rack,1\.25,2\r?\n$/);
  await page.getByLabel("Name contains").fill("");
}

async function plot(page) {
  for (const id of ["rate", "latency"]) {
    await page.locator(`#${id} p`, { hasText: /at most [1-9.]+/ }).waitFor();
    assert.match(await page.locator(`#${id} path`).getAttribute("d"), /^M[\d.]+,[\d.]+h0/);
  }
  await page.locator("#health", { hasText: "Healthy" }).waitFor();
}

/** Nothing is wider than a small phone, even with the longest values. */
async function usePhone() {
  await rest("POST", "/products", WIDE);
  await rest("POST", "/products", { id: 998, name: "x ".repeat(120), price: 1e9, amount: 2147483647 });
  const page = await openConsole({ viewport: { width: 360, height: 740 }, isMobile: true });
  await page.getByLabel("Name contains").fill("w");
  await row(page, WIDE.name).waitFor();
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 360);
  await checkAccessibility(page, "phone", errors);
  await photograph(page, "phone");
  await button(page, `Edit ${WIDE.name}`).click();
  await page.getByRole("dialog").getByLabel("Stock").fill("3");
  await change(WIDE.id, { price: 2 });
  await button(page.getByRole("dialog"), "Save").click();
  await page.getByText("Another client has changed this product.").waitFor();
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 360);
  await checkAccessibility(page, "conflict on a phone", errors);
  await photograph(page, "phone-conflict");
}
