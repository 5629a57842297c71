// Chromium without access to any host but this machine.

import { chromium } from "playwright-core";

/** Maximum time for each step in milliseconds. The pages load megabytes of scripts. */
export const TIMEOUT_MS = 60_000;
const HOSTS = ["127.0.0.1", "localhost"];

/** Starts Chromium. `rules` resolve further names. */
export function launch(rules = []) {
  const excluded = HOSTS.map((host) => `EXCLUDE ${host}`);
  return chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      // Requests that bypass a route handler resolve to no host.
      `--host-resolver-rules=${[...rules, "MAP * ~NOTFOUND", ...excluded].join(", ")}`,
    ],
  });
}

/**
 * Opens a page that collects its errors: other hosts, exceptions, error messages and failed requests. `expected` has the statuses
 * of the errors that the test provokes, and `options` has those of the browser's context.
 */
export async function openPage(browser, errors, { expected = [], ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1400, height: 900 }, serviceWorkers: "block", ...options });
  context.setDefaultTimeout(TIMEOUT_MS);
  await context.route("**/*", (route) => {
    const { protocol, hostname } = new URL(route.request().url());
    if (HOSTS.includes(hostname) || protocol === "data:" || protocol === "blob:") {
      return route.continue();
    }
    errors.push(`request to another host: ${route.request().url()}`);
    return route.abort();
  });
  const page = await context.newPage();
  page.on("websocket", (socket) => {
    if (!HOSTS.includes(new URL(socket.url()).hostname)) {
      errors.push(`socket to another host: ${socket.url()}`);
    }
  });
  page.on("pageerror", (error) => errors.push(`uncaught exception: ${error.message}`));
  page.on("console", (message) => {
    // The listener of responses handles their statuses.
    if (message.type() === "error" && !message.text().includes("the server responded with a status of")) {
      errors.push(`console error: ${message.text()} ${message.location().url}`);
    }
  });
  page.on("response", (response) => {
    if (response.status() >= 400 && !expected.includes(response.status())) {
      errors.push(`status ${response.status()}: ${response.url()}`);
    }
  });
  return page;
}
