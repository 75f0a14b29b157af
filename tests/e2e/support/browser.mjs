// The page of `view` in Debian's Chromium.
import assert from "node:assert/strict";
import fs from "node:fs";
import { listening, temporary } from "./harness.mjs";
import { npm, withoutPackages } from "./npm_packages.mjs";

const CHROMIUM = "/usr/bin/chromium";
const PATIENCE_MS = 120_000; // other tests may run at the same time
/** Reason to skip a test of the page, or false. */
export const skip = fs.existsSync(CHROMIUM) ? withoutPackages : `needs ${CHROMIUM}`;

/** A browser, or undefined where it is missing. */
export async function launch() {
  return skip
    ? undefined
    : npm("playwright-core").chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
}

/** Show an archive, or run `view` with a list of arguments: the page in a window of its own, and what went wrong on it so far. prepare: called
 *  with the browser's context before the page is loaded. */
export async function shown(t, browser, archive, { hash = "", prepare, ...options } = {}) {
  const { program, url } = await listening(
    t,
    ["view", ...(Array.isArray(archive) ? archive : ["-a", archive])],
    temporary(t)
  );
  const context = await browser.newContext({ viewport: { width: 1400, height: 900 }, ...options });
  t.after(() => context.close());
  await prepare?.(context);
  const page = await context.newPage();
  const faults = [];
  // A busy server refuses a request, and the page asks again (docs/view.md, "Who can see it").
  const isFault = (message) =>
    ["error", "warning"].includes(message.type()) &&
    !/the server responded with a status of 503/.test(message.text());
  page.on("console", (message) => isFault(message) && faults.push(message.text()));
  page.on("pageerror", (error) => faults.push(error.message));
  page.on("dialog", (dialog) => (faults.push(`a dialog: ${dialog.message()}`), dialog.dismiss()));
  page.on(
    "request",
    (request) =>
      new RegExp(`^(${url}|data:|blob:)`).test(request.url()) ||
      faults.push(`a request to ${request.url()}`)
  );
  const running = new Set();
  page.on("request", (request) => running.add(request));
  for (const ends of ["requestfinished", "requestfailed"])
    page.on(ends, (request) => running.delete(request));
  await page.goto(url + hash);
  await page.locator("main:not([hidden]), #message:not([hidden])").first().waitFor();
  return { page, program, url, faults, isLoading: () => running.size > 0 };
}

export const status = (page) => page.locator("#status").innerText();

/** Wait for a text. A failure tells which text was there, and what the page says of itself. */
export async function until(page, pattern, selector = "#status") {
  try {
    await page.locator(selector).filter({ hasText: pattern }).waitFor({ timeout: PATIENCE_MS });
  } catch (error) {
    const texts = await Promise.all(
      [selector, "#status", "#recording", ".error"].map((one) => page.locator(one).allInnerTexts())
    );
    throw new Error(`${error.message}\nthe page shows ${JSON.stringify(texts)} at ${page.url()}`);
  }
}

/** axe-core has no serious finding on the page as it is. */
export async function checkAccess(page) {
  await page.evaluate(npm("axe-core").source); // the page's own policy forbids to add it as an element
  const { violations } = await page.evaluate(() => window.axe.run());
  assert.deepEqual(
    violations
      .filter(({ impact }) => ["serious", "critical"].includes(impact))
      .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`),
    []
  );
}
