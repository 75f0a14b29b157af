// The page of `view` in Debian's Chromium.
import fs from "node:fs";
import { listening, temporary } from "./harness.mjs";
import { npm, withoutPackages } from "./npm_packages.mjs";

const CHROMIUM = "/usr/bin/chromium";

/** Reason to skip a test that needs the browser, or false. */
export const withoutBrowser = fs.existsSync(CHROMIUM) ? withoutPackages : `needs ${CHROMIUM}`;

/** The browser; undefined if it is missing. */
export async function launched() {
  return withoutBrowser ? undefined : npm("playwright-core").chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
}

/** Run `view` with these arguments: the page in a window of its own, and what went wrong on it so far. */
export async function shownIn(browser, t, args, { hash = "", ...options } = {}) {
  const { program, url } = await listening(t, ["view", ...args], temporary(t));
  const context = await browser.newContext({ viewport: { width: 1400, height: 900 }, ...options });
  t.after(() => context.close());
  const page = await context.newPage();
  const faults = [];
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && faults.push(message.text()));
  page.on("pageerror", (error) => faults.push(error.message));
  page.on("dialog", (dialog) => (faults.push(`a dialog: ${dialog.message()}`), dialog.dismiss()));
  page.on("request", (request) => new RegExp(`^(${url}|data:|blob:)`).test(request.url()) || faults.push(`a request to ${request.url()}`));
  await page.goto(url + hash);
  await page.locator("main:not([hidden]), #message:not([hidden])").first().waitFor();
  return { page, program, url, faults };
}

export const status = (page) => page.locator("#status").innerText();
export const until = (page, pattern, selector = "#status") => page.locator(selector).filter({ hasText: pattern }).waitFor();
