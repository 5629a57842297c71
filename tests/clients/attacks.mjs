// Opens attacks.html in Chromium and prints as JSON what the page could read from a server of another origin.
//
//   node attacks.mjs PAGE_URL SERVER_URL
//
// Prints only the status of the page if it belongs to the server itself, under a name that resolves to its address.

import { TIMEOUT_MS, launch } from "./chromium.mjs";

const [address, server] = process.argv.slice(2);
if (!server) {
  console.error("usage: node attacks.mjs PAGE_URL SERVER_URL");
  process.exit(2);
}

const browser = await launch(["MAP rebound.example 127.0.0.1"]);
try {
  const page = await (await browser.newContext()).newPage();
  page.setDefaultTimeout(TIMEOUT_MS);
  const pending = new Set();
  let count = 0;
  page.on("request", (request) => pending.add(request) && (count += 1));
  page.on("requestfinished", (request) => pending.delete(request));
  page.on("requestfailed", (request) => pending.delete(request));
  const response = await page.goto(`${address}#${server}`);
  if (new URL(address).port === new URL(server).port) {
    console.log(response.status());
  } else {
    const read = await page.evaluate("attack()");
    // The page is not notified of the end of its beacons.
    const end = Date.now() + TIMEOUT_MS;
    while (pending.size > 0 && Date.now() < end) {
      await page.evaluate("new Promise(requestAnimationFrame)");
    }
    console.log(JSON.stringify({ read, requests: count, pending: [...pending].map((request) => request.url()) }));
  }
} finally {
  await browser.close();
}
