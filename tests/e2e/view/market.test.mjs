// The page's market and charts in Chromium: what is spoken at the cursor equals the book that `when` finds; keys, the address, no
// console error, no serious finding of axe-core. Expected: docs/view.md.
import assert from "node:assert/strict";
import path from "node:path";
import { after, before, describe } from "node:test";
import { checkAccess, launch, shown, skip, until } from "../support/browser.mjs";
import {
  eventually,
  json,
  listening,
  tapedeck,
  temporary,
  wholeFile,
} from "../support/harness.mjs";
import { test } from "../support/npm_packages.mjs";
import { feedArgs, Recorder } from "../support/recorders.mjs";

const file = wholeFile(after);
const BOOK = ["--feed", "v5-linear", "--topic", "orderbook.50", "--symbol", "BTCUSDT"];
let browser, archive;

/** The book after the frame of this receive time. */
const bookAfter = async (t, recv) =>
  (await json(t, ["when", "-a", archive, "topic=*", ...BOOK, "--from", recv, "--json"])).found.book;
const levels = (book) =>
  new Map([...book.bids, ...book.asks].map(({ price, size }) => [Number(price), Number(size)]));
/** The number after a word of a text. */
const number = (text, word) =>
  Number(
    new RegExp(`\\b${word} ([\\d,.]+)`).exec(text)?.[1].replaceAll(",", "").replace(/\.$/, "")
  );

describe("market", { skip }, () => {
  before(async () => {
    browser = await launch();
    const dir = temporary(file);
    archive = path.join(dir, "tape");
    const server = await listening(
      file,
      ["sim", "--families", "v5-linear", "--symbols", "1", "--rate", "200"],
      dir
    );
    const recorder = new Recorder(file, archive, [
      ...feedArgs(server, "v5-linear", ["publicTrade.BTCUSDT", "orderbook.50.BTCUSDT"]),
      "--commit-interval",
      "100ms",
    ]);
    await recorder.durableAfter(20);
    assert.equal((await recorder.kill("SIGTERM")).code, 0);
  });
  after(() => browser?.close());

  test("the value at the cursor is the book's; keys move time and price, and the charts follow", async (t) => {
    // A frame after which nothing changes for as long as possible, so that its column has no other one.
    const { stdout } = await tapedeck(t, ["cat", "-a", archive, ...BOOK, "--dir", "in", "--json"]);
    const times = [...stdout.matchAll(/"recv_ns":(\d+)/g)].map(([, ns]) => BigInt(ns)); // doubles would round them
    const space = (n) => Math.min(Number(times[n] - times[n - 1]), Number(times[n + 1] - times[n]));
    const at = [...times.keys()]
      .slice(2, -1)
      .reduce((best, n) => (space(n) > space(best) ? n : best));
    const [earlier, book] = [
      await bookAfter(t, String(times[at - 1])),
      await bookAfter(t, String(times[at])),
    ];
    const hash = `#from=${times[at] - 50_000_000n}&to=${times[at] + 50_000_000n}&cursor=${times[at]}&tab=book&price=${book.best_bid}`;
    const { page, faults } = await shown(t, browser, archive, { hash });
    await page.locator("#tab-book").focus();
    await page.keyboard.press("ArrowRight");
    await until(page, /price [\d,.]+; size [\d,.]+; .*bid [\d,.]+; ask/, "#panel-market .value");
    const value = () => page.locator("#panel-market .value").innerText();
    const text = await value();
    assert.equal(number(text, "bid"), Number(book.best_bid));
    assert.equal(number(text, "ask"), Number(book.best_ask));
    assert.equal(number(text, "price"), Number(book.best_bid));
    // The column has the book before the frame and the one after it.
    assert.equal(
      number(text, "size"),
      Math.max(levels(earlier).get(Number(book.best_bid)) ?? 0, Number(book.best_bid_size))
    );
    await page.locator("#panel-market canvas").focus();
    await page.keyboard.press("ArrowUp");
    await eventually(
      "a higher price is chosen",
      async () => number(await value(), "price") > Number(book.best_bid)
    );
    await page.keyboard.press("ArrowLeft");
    await eventually(
      "the cursor is earlier",
      () => Number(/cursor=(\d+)/.exec(page.url())[1]) < Number(times[at])
    );
    await page.keyboard.press("t");
    await eventually("the address hides trades", () =>
      /&market=v5-linear\/orderbook\.50\/BTCUSDT&price=[\d.]+&hide=trades/.test(page.url())
    );
    await page.locator("#tab-market").focus();
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("Tab");
    await page.locator("#panel-charts canvas").first().focus();
    await until(page, /\d\/(s|min)/, "#panel-charts .strip p >> nth=0");
    await page.keyboard.press("f");
    await page.keyboard.press("End");
    await until(page, /p50 .*s; p90/, "#panel-charts .strip p >> nth=1");
    await page.keyboard.press("Home"); // the last frame may be a trade
    await page.locator("#tab-market").click();
    await page.locator("#panel-market button").filter({ hasText: "Exact book" }).click();
    await until(page, /after the frame of/, "#panel-book");
    assert.deepEqual(faults, []);
  });

  test("the value at the cursor is of the last picture, however long a picture takes", async (t) => {
    const { page, faults } = await shown(t, browser, archive, {
      hash: "#tab=market",
      prepare: (context) =>
        context.addInitScript(() => {
          window.requestAnimationFrame = (run) => setTimeout(() => run(performance.now()), 400);
        }),
    });
    await until(page, /trade|book/, "#panel-market .value");
    assert.deepEqual(faults, []);
  });

  test("bids are blue, asks are orange", async (t) => {
    const { page, faults, isLoading } = await shown(t, browser, archive);
    await page.locator("#panel-market label").filter({ hasText: "trades" }).click();
    await page.locator("#panel-market label").filter({ hasText: "candles" }).click();
    await until(page, /bid [\d,.]+; ask/, "#panel-market .value");
    /** How much redder than blue the upper and the lower quarter of the map are. */
    const redness = () =>
      page.locator("#panel-market canvas").evaluate((canvas) => {
        const context = Object.assign(document.createElement("canvas"), {
          width: canvas.width,
          height: canvas.height,
        }).getContext("2d", { willReadFrequently: true });
        context.drawImage(canvas, 0, 0);
        const mean = (part) => {
          const { data } = context.getImageData(
            canvas.width / 2,
            Math.round(part * (canvas.height - 80)),
            200,
            Math.round((canvas.height - 80) / 4)
          );
          let sum = 0;
          for (let at = 0; at < data.length; at += 4) sum += data[at] - data[at + 2];
          return sum / (data.length / 4);
        };
        return [mean(0), mean(0.75)];
      });
    await eventually("both sides are drawn", async () => {
      const [upper, lower] = await redness();
      return !isLoading() && upper > 5 && lower < -5;
    });
    assert.deepEqual(faults, []);
  });

  test("in a wide window frames are beside the market, and the border moves by keys and pointer", async (t) => {
    const { page, faults } = await shown(t, browser, archive);
    const boxOf = (selector) => page.locator(selector).first().boundingBox();
    const border = page.getByRole("separator");
    const share = async () => Number(await border.getAttribute("aria-valuenow"));
    await until(page, /bid [\d,.]+; ask/, "#panel-market .value");
    await page.locator(".frame-row").first().waitFor();
    await page.getByRole("region", { name: "Frames at the cursor" }).waitFor();
    const [map, timeline, list] = [
      await boxOf("#panel-market canvas"),
      await boxOf("#canvas"),
      await boxOf(".frame-list"),
    ];
    assert.ok(map.x + map.width <= list.x && Math.abs(map.x + map.width - 926) < 30);
    assert.equal(map.x + map.width, timeline.x + timeline.width); // the same time is at the same place
    const first = await share();
    await border.focus();
    await page.keyboard.press("ArrowLeft");
    assert.equal(await share(), first + 2);
    assert.ok((await boxOf(".frame-list")).width > list.width + 20);
    const { x, y } = await boxOf("#split");
    await page.mouse.move(x + 4, y + 300);
    await page.mouse.down();
    await page.mouse.move(700, y + 300);
    await page.mouse.up();
    assert.equal(await share(), 50);
    await eventually("the address has the width", () => /&split=50/.test(page.url()));
    await checkAccess(page);
    const again = await page.context().newPage();
    await again.goto(page.url());
    await again.locator("#split[aria-valuenow='50']").waitFor();
    // The list follows the cursor of the market.
    const before = await page.locator(".frame-row").first().innerText();
    await page.locator("#panel-market canvas").focus();
    await page.keyboard.press("Home");
    await eventually(
      "the list is of the cursor's time",
      async () => (await page.locator(".frame-row").first().innerText()) !== before
    );
    await border.focus();
    await page.keyboard.press("Enter");
    assert.ok(!(await page.locator(".frame-list").isVisible()));
    assert.ok((await boxOf("#canvas")).width > timeline.width + 300);
    await page.keyboard.press("Enter");
    assert.ok(await page.locator(".frame-list").isVisible());
    await page.setViewportSize({ width: 890, height: 800 });
    await border.waitFor({ state: "hidden" });
    await page.locator(".frame-list").waitFor({ state: "hidden" });
    await page.locator("#tab-frames").click();
    await page.locator(".frame-list").waitFor();
    assert.deepEqual(faults, []);
  });

  test("a window of 400 px is one column: nothing is covered, and lists have a height", async (t) => {
    const { page, faults } = await shown(t, browser, archive, {
      viewport: { width: 400, height: 800 },
    });
    await until(page, /bid [\d,.]+; ask/, "#panel-market .value");
    const boxOf = (selector) => page.locator(selector).first().boundingBox();
    const [value, map, button] = [
      await boxOf("#panel-market .value"),
      await boxOf("#panel-market canvas"),
      await boxOf("#panel-market .beside button"),
    ];
    assert.ok(value.y + value.height <= map.y + 1 && map.y + map.height <= button.y + 1);
    assert.ok(map.height >= 300);
    assert.ok((await boxOf("#panel-market .depth")).height >= 200);
    await page.locator("#tab-frames").click();
    await page.locator(".frame-row").first().waitFor();
    assert.ok((await boxOf(".frame-list")).height >= 200);
    assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= 400);
    await checkAccess(page);
    assert.deepEqual(faults, []);
  });

  for (const colorScheme of ["light", "dark"])
    test(`axe-core has no serious finding, ${colorScheme}`, async (t) => {
      const { page, faults } = await shown(t, browser, archive, {
        colorScheme,
        hash: "#tab=market",
      });
      await page.locator("#panel-market canvas").focus();
      await page.keyboard.press("End");
      await until(page, /trade|book/, "#panel-market .value");
      await checkAccess(page);
      await page.locator("#tab-charts").click();
      await until(page, /\d|no frame|no book/, "#panel-charts .strip p >> nth=0");
      await checkAccess(page);
      assert.deepEqual(faults, []);
    });
});
