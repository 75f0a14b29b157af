// Notes on the page: marks on the rows that they are about, their text at the cursor, and the list in the tab "Gaps". Expected:
// docs/view.md, and the notes that the test writes.
import assert from "node:assert/strict";
import { after, before, describe } from "node:test";
import { checkAccess, launch, shown, skip, until } from "../support/browser.mjs";
import { eventually, FRAMES_MS, importLines, tapedeck } from "../support/harness.mjs";
import { test } from "../support/npm_packages.mjs";

const EVIL = "<script>alert(1)</script>";
const NOTE = [0x00, 0x69, 0x5c]; // in light colours (style.css)
const ROW_PX = 28,
  AXIS_PX = 36;

/** 100 seconds of trades of two symbols, and of tickers. */
async function archiveOf(t) {
  const trade = (symbol, n) => ({
    topic: `publicTrade.${symbol}`,
    type: "snapshot",
    ts: FRAMES_MS + n,
    data: [
      { T: FRAMES_MS + n, s: symbol, S: "Buy", v: "1", p: "2.5", i: `id-${n}`, BT: false, seq: n },
    ],
  });
  const ticker = (n) => ({
    topic: "tickers.BTCUSDT",
    type: "snapshot",
    data: { symbol: "BTCUSDT", lastPrice: "2.5" },
    cs: n,
    ts: FRAMES_MS + n,
  });
  const frame = (n) => (n % 3 === 0 ? ticker(n) : trade(n % 3 === 1 ? "BTCUSDT" : "ETHUSDT", n));
  return importLines(
    t,
    Array.from({ length: 200 }, (_, n) => ({
      recv_ns: `${FRAMES_MS + n * 500}000000`,
      conn: 0,
      data: JSON.stringify(frame(n)),
    })),
    { family: "v5-linear" }
  );
}

/** For each row of the picture: the first and the last column with the colour of notes, as shares of the width; null without any. */
const marks = (page) =>
  page.evaluate(
    ([colour, rowPx, axisPx]) => {
      const canvas = document.getElementById("canvas"),
        ratio = devicePixelRatio;
      const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", {
        willReadFrequently: true,
      });
      copy.drawImage(canvas, 0, 0);
      return Array.from(
        { length: document.querySelectorAll("#label-list li").length },
        (_, row) => {
          const { data } = copy.getImageData(
            0,
            (axisPx + row * rowPx + 7) * ratio,
            canvas.width,
            1
          );
          const columns = Array.from({ length: canvas.width }, (_, x) => x).filter((x) =>
            colour.every((value, k) => data[4 * x + k] === value)
          );
          return columns.length === 0
            ? null
            : [columns[0] / canvas.width, (columns.at(-1) + 1) / canvas.width];
        }
      );
    },
    [NOTE, ROW_PX, AXIS_PX]
  );

describe("notes", () => {
  let browser;
  before(async () => {
    browser = await launch();
  });
  after(() => browser?.close());

  test(
    "a note is marked on the rows that it is about, told at the cursor, and listed",
    { skip },
    async (t) => {
      const archive = await archiveOf(t);
      const add = (text, ...options) => tapedeck(t, ["note", "add", archive, text, ...options]);
      await add(EVIL, "--from", "+20s", "--to", "+30s", "--symbol", "ETHUSDT");
      await add("a restart of the exchange", "--from", "+60s");
      const hash = `#from=${FRAMES_MS}000000&to=${FRAMES_MS + 100_000}000000`;
      const { page, faults } = await shown(t, browser, archive, { hash });
      await page.locator("#note-legend:not([hidden])").waitFor();
      await page.locator("#label-list button.toggle").first().click(); // publicTrade: the topic, BTCUSDT, ETHUSDT; then tickers
      await page.locator("#label-list li").nth(3).waitFor();
      const near = (found, from, to) =>
        found !== null && Math.abs(found[0] - from) < 0.01 && Math.abs(found[1] - to) < 0.01;
      const areDrawn = async () => {
        const [topic, btc, eth, tickers] = await marks(page);
        return (
          near(topic, 0.2, 0.6) &&
          near(btc, 0.6, 0.6) &&
          near(eth, 0.2, 0.6) &&
          near(tickers, 0.6, 0.6)
        );
      };
      await eventually("the notes are drawn", areDrawn);

      // By keys alone: the list, then the note's time with its text at the cursor.
      const rows = page.locator("#panel-gaps tbody tr");
      await until(page, /a restart of the exchange/, "#panel-gaps");
      const cells = await rows.evaluateAll((all) =>
        all.map((row) => [...row.cells].slice(1).map(({ textContent }) => textContent))
      );
      assert.deepEqual(cells, [
        ["30 s", "all feeds / ETHUSDT", EVIL],
        ["", "all feeds", "a restart of the exchange"],
      ]);
      await rows.nth(1).focus();
      await page.keyboard.press("Enter");
      await until(page, /note: a restart of the exchange/);
      await checkAccess(page);

      // A note that is written now comes without a reload.
      await add("just written", "--from", "+61s");
      await until(page, /just written/, "#panel-gaps");
      await page.locator("#tab-commands").click();
      await until(
        page,
        /^tapedeck note add \S+ --feed v5-linear --topic publicTrade --from [\d-]+T[\d:.]+Z --to [\d-]+T[\d:.]+Z TEXT$/,
        "#panel-commands code"
      );
      assert.deepEqual(faults, []);
    }
  );
});
