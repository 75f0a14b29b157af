// The page in Debian's Chromium: what it shows, its keys, no console error, no request to elsewhere, no serious finding of
// axe-core. Expected: docs/view.md.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { after, before, describe } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { checkAccess, launch, shown, skip, status, until } from "../support/browser.mjs";
import {
  capture,
  eventually,
  FRAMES_MS,
  importFrames,
  json,
  listening,
  tapedeck,
  temporary,
  wholeFile,
  withoutCapture,
} from "../support/harness.mjs";
import { test } from "../support/npm_packages.mjs";
import { feedArgs, Recorder } from "../support/recorders.mjs";

const EVIL = "<script>alert(1)</script>";
const file = wholeFile(after);
let browser;

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
        p: "0.123456789012345678",
        i: `id-${n}`,
        BT: false,
        seq: n,
      },
    ],
  });

describe("page", () => {
  before(async () => {
    browser = await launch();
  });
  after(() => browser?.close());

  test(
    "topics open into symbols, keys move and zoom, and panels show gaps and frames",
    { skip: skip || withoutCapture("v5-2026-08-09.jsonl.gz") },
    async (t) => {
      const dir = temporary(t),
        archive = path.join(dir, "tape");
      for (const name of ["v5-linear-2025-06-13.jsonl.gz", "v5-2026-08-09.jsonl.gz"].filter(
        (name) => !withoutCapture(name)
      ))
        await tapedeck(t, ["import", "-q", "-a", archive, capture(name)]);
      const hash = "#band=v5-linear/kline.1&tab=gaps";
      const { page, faults } = await shown(t, browser, archive, { hash });
      const labels = page.locator("#label-list button");
      await labels.filter({ hasText: "orderbook.200" }).first().waitFor();
      // By keys alone: to the picture, choose a row, open it, go to the last frame, zoom in, show everything.
      await page.locator("#canvas").focus();
      await page.keyboard.press("Home");
      await until(page, /2025-06-13 16:51/);
      for (let i = 0; !/orderbook\.200/.test(await status(page)); i++) {
        assert.ok(i < 20);
        const before = await status(page);
        await page.keyboard.press("ArrowDown");
        await eventually("another row is chosen", async () => (await status(page)) !== before);
      }
      const rows = await labels.count();
      await page.keyboard.press("Enter");
      await labels.nth(rows).waitFor();
      await page.keyboard.press("End");
      await until(page, /2026-08-09 21:27/);
      for (let i = 0; i < 30; i++) await page.keyboard.press("+");
      assert.match(await page.locator("#range").innerText(), /2026-08-09/);
      await page.locator("#tab-frames").click();
      await until(page, /orderbook\.200|publicTrade|tickers/, "#panel-frames");
      await page.locator("#panel-frames summary").click();
      await until(page, /"type": "/, "#panel-frames details");
      // The book is the one that `when` finds.
      await page.locator("#canvas").focus();
      await page.keyboard.press("Home");
      await page.locator("#tab-book").click();
      await until(page, /after the frame of/, "#panel-book");
      const command = await page.locator("#panel-book code").innerText();
      const from = /--from=(\d{4}-\S+Z)/.exec(command)[1];
      const { found } = await json(t, [
        "when",
        "-a",
        archive,
        "topic=*",
        "--feed",
        "v5-linear",
        "--topic",
        "orderbook.200",
        "--from",
        from,
        "--json",
      ]);
      assert.deepEqual(
        await page.locator("#panel-book tbody tr:first-child td.number").allInnerTexts(),
        [
          found.book.best_bid,
          found.book.best_bid_size,
          found.book.best_ask,
          found.book.best_ask_size,
        ]
      );
      await page.locator("#canvas").focus();
      await page.keyboard.press("f");
      await page.keyboard.press("f");
      assert.match(await page.locator("#range").innerText(), /2025.*2026/);
      await page.locator("#tab-gaps").click();
      await until(page, /restart/, "#panel-gaps");
      // The address holds the view, soon after it has changed.
      const again = await page.context().newPage();
      const shownBy = async (one) => [
        await one.locator("#range").innerText(),
        await one.locator("[role=tab][aria-selected=true]").innerText(),
      ];
      for (
        let copy = [];
        !isDeepStrictEqual(copy, await shownBy(page));
        copy = await shownBy(again)
      ) {
        await again.goto("about:blank");
        await again.goto(page.url());
        await again.locator("main:not([hidden])").waitFor();
      }
      // A changed address is read, also where the page writes its view in the same moment.
      await page.evaluate(() => {
        location.hash = location.hash.replace("tab=gaps", "tab=commands");
        dispatchEvent(new Event("pagehide"));
      });
      await page.locator("#tab-commands[aria-selected=true]").waitFor();
      assert.deepEqual(faults, []);
    }
  );

  test(
    "names from the exchange are text, prices have all their digits, and one frame is enough",
    { skip },
    async (t) => {
      const archive = await importFrames(t, temporary(t), {
        family: "v5-linear",
        host: "/v5/public/linear",
        frames: [trade(EVIL, 1)],
      });
      const { page, faults } = await shown(t, browser, archive);
      await page.locator("#label-list button").filter({ hasText: "publicTrade" }).first().waitFor();
      await page.locator("#canvas").focus();
      await page.keyboard.press("Enter");
      await page.locator("#label-list").filter({ hasText: EVIL }).waitFor();
      await page.keyboard.press("Home");
      await page.locator("#tab-frames").click();
      await until(page, /publicTrade/, "#panel-frames");
      await page.locator("#panel-frames").getByText("publicTrade").first().click();
      await until(page, /0\.123456789012345678/, "#panel-frames");
      await until(page, "Buy 1 @ 0.123456789012345678", ".frame-row");
      assert.equal(await page.locator("script:not([src])").count(), 0);
      assert.deepEqual(faults, []);
    }
  );

  test(
    "closer than a chunk the timeline shows frames, and silences between them",
    { skip },
    async (t) => {
      const archive = await importFrames(t, temporary(t), {
        family: "v5-linear",
        host: "/v5/public/linear",
        frames: [1, 2, 3, 4, 5, 6].map((n) => trade("BTCUSDT", n)),
        stepMs: 1000,
      });
      const ns = (ms) => `${FRAMES_MS + ms}000000`;
      const hash = (cursor) =>
        `#from=${ns(1800)}&to=${ns(4200)}&cursor=${ns(cursor)}&tab=gaps&band=v5-linear/publicTrade`;
      const { page, faults, url } = await shown(t, browser, archive, { hash: hash(2500) });
      await until(page, /; 0 frames in \d\.\d+ ms; received/);
      await page.goto(url + hash(3000));
      await until(page, /; 1 frame in \d\.\d+ ms; received/);
      assert.deepEqual(faults, []);
    }
  );

  test(
    "rows are filtered by words and pinned on top, and the address has both",
    { skip },
    async (t) => {
      const symbols = [
        "BTCUSDT",
        "ETHUSDT",
        ...Array.from({ length: 40 }, (_, n) => `S${n + 10}USDT`),
      ];
      const archive = await importFrames(t, temporary(t), {
        family: "v5-linear",
        host: "/v5/public/linear",
        frames: symbols.map((symbol, n) => trade(symbol, n + 1)),
      });
      const hash = "#tab=gaps&band=v5-linear/publicTrade";
      const { page, faults } = await shown(t, browser, archive, { hash });
      const rows = () => page.locator("#label-list .topic").allInnerTexts();
      const filter = page.getByRole("searchbox", { name: /Filter the rows/ });
      const areRows = (...wanted) =>
        eventually(`the rows are ${wanted}`, async () =>
          isDeepStrictEqual((await rows()).slice(0, wanted.length), wanted)
        );
      await areRows("publicTrade");
      await filter.fill("trade eth");
      await areRows("publicTrade", "ETHUSDT");
      assert.equal((await rows()).length, 2);
      await page
        .getByRole("button", { name: "Keep v5-linear / publicTrade / ETHUSDT on top" })
        .click();
      await filter.fill("no such row");
      await areRows("ETHUSDT");
      await page.getByText("No feed, topic or symbol matches.").waitFor();
      await checkAccess(page);
      await filter.fill("s1 usdt");
      await areRows("ETHUSDT", "publicTrade", "S10USDT");
      await eventually("the address has both", () =>
        /&pin=v5-linear\/publicTrade\/ETHUSDT&filter=s1%20usdt/.test(page.url())
      );
      const again = await page.context().newPage();
      await again.goto(page.url());
      await again.locator("#label-list").getByText("S10USDT").waitFor();
      assert.deepEqual(await again.locator("#label-list .topic").allInnerTexts(), await rows());
      // The pinned row stays where it is when all symbols are scrolled, and the picture's row is the label's.
      await filter.fill("");
      await page.getByRole("button", { name: "Symbols of v5-linear / publicTrade" }).click();
      await areRows("ETHUSDT", "publicTrade", "BTCUSDT");
      await page.locator("#timeline").evaluate((timeline) => (timeline.scrollTop = 400));
      const canvas = await page.locator("#canvas").boundingBox();
      const label = await eventually("the row stays on top", async () => {
        const box = await page.locator("#label-list .band").first().boundingBox();
        return Math.abs(box.y - canvas.y - 36) < 1 && box;
      });
      await page.mouse.click(canvas.x + 200, label.y + 14);
      await until(page, /publicTrade \/ ETHUSDT/);
      await page.mouse.click(canvas.x + 200, label.y + 28 + 14);
      await until(page, /publicTrade \/ S\d+USDT/);
      // In one column a finger can put the row back, and the star is beside the name.
      await page.setViewportSize({ width: 400, height: 800 });
      const star = page.getByRole("button", {
        name: "Keep v5-linear / publicTrade / ETHUSDT on top",
      });
      const [button, name] = [
        await star.boundingBox(),
        await page.locator("#label-list .topic").first().boundingBox(),
      ];
      assert.ok(button.width >= 24 && button.height >= 24, JSON.stringify(button));
      assert.ok(name.x + name.width <= button.x, JSON.stringify([name, button]));
      await star.click();
      await areRows("publicTrade", "BTCUSDT", "ETHUSDT");
      assert.deepEqual(faults, []);
    }
  );

  test("an empty archive is reported as empty", { skip }, async (t) => {
    const archive = path.join(temporary(t), "tape");
    fs.mkdirSync(path.join(archive, "capture"), { recursive: true });
    const { page, faults } = await shown(t, browser, archive);
    await until(page, /no frames|empty|nothing/i, "#message");
    assert.deepEqual(faults, []);
  });

  test(
    "frames and gaps of a recording that goes on appear without a reload",
    { skip },
    async (t) => {
      const dir = temporary(t),
        archive = path.join(dir, "live");
      const server = await listening(
        t,
        [
          "sim",
          "--families",
          "v5-linear",
          "--symbols",
          "1",
          "--rate",
          "200",
          "--fault",
          "disconnect@1500",
        ],
        dir
      );
      const recorder = new Recorder(t, archive, [
        ...feedArgs(server, "v5-linear", ["publicTrade.BTCUSDT", "orderbook.50.BTCUSDT"]),
        "--commit-interval",
        "100ms",
      ]);
      await recorder.durableAfter(2);
      const { page, faults } = await shown(t, browser, archive);
      await until(page, /newest frame [0-2](\.\d)? s ago|newest frame \d+ ms ago/, "#recording");
      const before = await page.locator("#range").innerText();
      await page.locator("#follow").click();
      await eventually(
        "the range follows",
        async () => (await page.locator("#range").innerText()) !== before
      );
      // The cursor, and with it the book beside the market, is the newest one.
      await until(page, /bid [\d,.]+; ask [\d,.]+/, "#panel-market .value");
      const cursorOf = () => Number(/cursor=(\d+)/.exec(page.url())?.[1] ?? 0);
      const cursor = await eventually("the address has a cursor", cursorOf);
      await eventually("the cursor follows", () => cursorOf() > cursor);
      const newestFrame = () => page.locator(".frame-row").first().innerText();
      const shownFrame = await newestFrame();
      await eventually(
        "the frames beside the market follow",
        async () => (await newestFrame()) > shownFrame
      );
      await page.locator("#follow").click();
      await page.locator("#tab-gaps").click();
      await eventually("the gap is listed", async () => {
        await page.locator("#fit").click(); // the time that is shown does not grow by itself
        return /disconnect/.test(await page.locator("#panel-gaps").innerText());
      });
      assert.equal((await recorder.kill("SIGTERM")).code, 0);
      assert.deepEqual(faults, []);
    }
  );

  for (const colorScheme of ["light", "dark"])
    test(`axe-core has no serious finding, ${colorScheme}`, { skip }, async (t) => {
      const frames = Array.from({ length: 500 }, (_, n) => trade(["BTCUSDT", "ETHUSDT"][n % 2], n));
      const archive = await importFrames(t, temporary(t), {
        family: "v5-linear",
        host: "/v5/public/linear",
        frames,
      });
      const { page } = await shown(t, browser, archive, { colorScheme });
      await page.locator("#label-list button").first().waitFor();
      for (const tab of ["gaps", "frames", "days", "ask", "commands"]) {
        await page.locator(`#tab-${tab}`).click();
        await checkAccess(page);
      }
    });
});
