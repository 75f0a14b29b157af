// The file of report in Chromium, from a disk and without a network: it shows what view shows, and what it lacks as not saved. Expected:
// docs/view.md.
import assert from "node:assert/strict";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { after, before, describe } from "node:test";
import { launch, shown, skip, status, until } from "../support/browser.mjs";
import {
  eventually,
  FRAMES_MS,
  importFrames,
  tapedeck,
  temporary,
  wholeFile,
} from "../support/harness.mjs";
import { test } from "../support/npm_packages.mjs";

const file = wholeFile(after);
const FRAMES = 400;
const EVIL = "</script><script>alert('1')</script>";
let browser, archive, saved;

const trade = (symbol, n) =>
  JSON.stringify({
    topic: `publicTrade.${symbol}`,
    type: "snapshot",
    ts: FRAMES_MS + n,
    data: [
      {
        T: FRAMES_MS + n,
        s: symbol,
        S: "Buy",
        v: "1",
        p: "100.5",
        i: `id-${n}`,
        BT: false,
        seq: n,
      },
    ],
  });
const book = (type, u, b, a) =>
  JSON.stringify({
    topic: "orderbook.50.BTCUSDT",
    type,
    ts: FRAMES_MS + u,
    data: { s: "BTCUSDT", b, a, u, seq: u },
    cts: FRAMES_MS + u,
  });

/** The saved page in a window of its own without a network, and what went wrong on it so far. */
async function open(t, hash = "") {
  const context = await browser.newContext({
    viewport: { width: 1400, height: 900 },
    offline: true,
  });
  t.after(() => context.close());
  const page = await context.newPage();
  const faults = [];
  page.on(
    "console",
    (message) => ["error", "warning"].includes(message.type()) && faults.push(message.text())
  );
  page.on("pageerror", (error) => faults.push(error.message));
  page.on("dialog", (dialog) => (faults.push(`a dialog: ${dialog.message()}`), dialog.dismiss()));
  const own = pathToFileURL(saved).href;
  page.on(
    "request",
    (request) =>
      request.url().replace(/#.*/, "") === own ||
      /^(data|blob):/.test(request.url()) ||
      faults.push(`a request to ${request.url()}`)
  );
  await page.goto(own + hash);
  await page.locator("main:not([hidden])").waitFor();
  return { page, faults };
}

describe("saved page", { skip }, () => {
  before(async () => {
    browser = await launch();
    const dir = temporary(file);
    const frames = [
      book(
        "snapshot",
        1,
        [
          ["100", "2"],
          ["99.5", "8"],
        ],
        [["100.5", "3"]]
      ),
      ...Array.from({ length: FRAMES }, (_, n) =>
        n % 4 === 0
          ? trade(n % 8 === 0 ? "BTCUSDT" : EVIL, n)
          : book("delta", 2 + n - Math.ceil(n / 4), [["99.5", n % 8 === 1 ? "0" : "8"]], [])
      ),
    ];
    archive = await importFrames(file, dir, {
      family: "v5-linear",
      host: "/v5/public/linear",
      frames,
    });
    await tapedeck(file, ["note", "add", archive, "--from", "2026-11-20T06:00:01Z", "a note"]);
    saved = path.join(dir, "saved.html");
    await tapedeck(file, ["report", archive, "--html", saved, "--heat-map", "orderbook.50"]);
  });
  after(() => browser?.close());

  test("it shows at a place what the server's page shows there, also closer", async (t) => {
    const at = BigInt(FRAMES_MS + 2000) * 1_000_000n;
    for (const half of [3_000_000_000n, 400_000_000n]) {
      const hash = `#from=${at - half}&to=${at + half}&cursor=${at}&band=v5-linear/orderbook.50`;
      const live = await shown(t, browser, archive, { hash });
      await until(live.page, /received/);
      const { page, faults } = await open(t, hash);
      await until(page, /received/);
      await eventually(
        "both pages tell the same",
        async () => (await status(page)) === (await status(live.page))
      );
      assert.deepEqual(faults, []);
      assert.match(
        await page.locator("#recording").innerText(),
        /^saved \d{4}-\d\d-\d\d [\d:]+ UTC$/
      );
    }
  });

  test("days, notes, symbols and the market are in it", async (t) => {
    const { page, faults } = await open(t);
    await until(page, /a note/, "#panel-gaps");
    await page.locator("#tab-days").click();
    await until(page, /2026-11-20.*BTCUSDT/s, "#panel-days table");
    await page.locator("#label-list").getByText("publicTrade").first().dblclick();
    await page.locator("#tab-market").click();
    await until(page, /bid 100\.0; ask 100\.5/, "#panel-market .value");
    assert.deepEqual(faults, []);
  });

  test("what it lacks is shown as not saved", async (t) => {
    const year = 31_536_000_000_000_000n,
      at = BigInt(FRAMES_MS) * 1_000_000n - year;
    const { page, faults } = await open(
      t,
      `#from=${at}&to=${at + 1_000_000_000n}&cursor=${at + 1n}`
    );
    await until(page, /not saved/);
    await until(page, /not saved in this file/, "#recording");
    await until(page, /No gap in the saved part of the shown time/, "#panel-gaps");
    assert.equal(await page.locator("#unsaved-legend").isVisible(), true);
    await page.locator("#tab-frames").click();
    await until(page, /not saved in this file/, "#panel-frames .error");
    await page.locator("#tab-book").click();
    await until(page, /not saved in this file/, "#panel-book .error");
    assert.deepEqual(faults, []);
  });
});
