// The page's strip of orders and its list of drift. Expected: the frames that the test writes, and docs/view.md.
import assert from "node:assert/strict";
import { after, before, describe } from "node:test";
import { checkAccess, launch, shown, skip, until } from "../support/browser.mjs";
import { importFrames, temporary } from "../support/harness.mjs";
import { test } from "../support/npm_packages.mjs";
import { answer, imported, request, update } from "../support/order_entry.mjs";

const START = 1_795_000_000_000_000_000n; // of imported()
let browser;

describe("orders and drift", { skip }, () => {
  before(async () => {
    browser = await launch();
  });
  after(() => browser?.close());

  test("the strip of orders has each request with the time of its answer and of its update", async (t) => {
    const archive = await imported(t, temporary(t), [
      request(100, "create", { symbol: "BTCUSDT", orderLinkId: "a" }, "r1"),
      answer(112, "create", { orderId: "A", orderLinkId: "a" }, "r1"),
      update(120, { orderId: "A", orderLinkId: "a", orderStatus: "New" }),
      request(500, "create", { symbol: "ETHUSDT", orderLinkId: "b" }, "r2"),
      answer(503, "create", {}, "r2", 110007),
      request(800, "cancel", { symbol: "BTCUSDT", orderLinkId: "a" }, "r3"), // the answer comes after the shown time
      answer(1100, "cancel", { orderId: "A", orderLinkId: "a" }, "r3"),
    ]);
    const at = (ms) => START + BigInt(ms) * 1_000_000n;
    const hash = (ms) => `#from=${at(0)}&to=${at(1000)}&cursor=${at(ms)}&tab=charts`;
    const { page, url, faults } = await shown(t, browser, archive, { hash: hash(100) });
    await page.getByRole("button", { name: "Show orders" }).click();
    await until(page, /^3 orders of /, "#panel-charts [role=status]");
    const text = "#panel-charts .strip p";
    await until(
      page,
      /^order\.create BTCUSDT; answer after 12 ms; update after 20 ms; sent .*40\.100000 UTC$/,
      text
    );
    for (const [ms, expected] of [
      [500, /^order\.create ETHUSDT; refused with 110007; answer after 3 ms; no update/],
      [800, /^order\.cancel BTCUSDT; answer after 300 ms; no update/],
      [300, /^no order; /],
    ]) {
      await page.goto(url + hash(ms));
      await until(page, expected, text);
    }
    await checkAccess(page);
    await page.goto(`${url}#from=${at(0)}&to=${at(4000)}&cursor=${at(3000)}&tab=charts`);
    await until(page, /^not loaded; /, text);
    assert.deepEqual(faults, []);
  });

  test("drift of the shown time is listed and marked, and a finding leads to its first frame", async (t) => {
    const trade = (more) =>
      JSON.stringify({
        topic: "publicTrade.BTCUSDT",
        type: "snapshot",
        ts: 1_795_154_400_000,
        data: [
          {
            T: 1_795_154_400_000,
            s: "BTCUSDT",
            S: "Buy",
            v: "1",
            p: "100",
            L: "PlusTick",
            i: "1",
            BT: false,
            ...more,
          },
        ],
      });
    const archive = await importFrames(t, temporary(t), {
      family: "v5-linear",
      host: "/v5/public/linear",
      frames: [trade({}), trade({ XX: 1 }), trade({ XX: 2 })],
    });
    const { page, faults } = await shown(t, browser, archive, { hash: "#tab=ask" });
    await page.getByRole("button", { name: "Find drift in the shown time" }).click();
    await until(page, "1 finding in 3 frames.", "#panel-ask");
    const row = page.locator("#panel-ask tbody tr");
    assert.deepEqual((await row.locator("td").allInnerTexts()).slice(1), [
      "v5-linear / publicTrade",
      "new field",
      "data.XX",
      "",
      "2",
    ]);
    await until(page, /; 1 mark$/);
    await row.locator("button").or(row).first().click();
    await until(page, /^Cursor: .*00\.0200*/);
    await checkAccess(page);
    await page.getByRole("button", { name: "Clear the findings and their marks" }).click();
    await until(page, /^(?!.*mark)/);
    assert.deepEqual(faults, []);
  });
});
