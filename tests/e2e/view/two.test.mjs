// Two archives on one page: their rows, their differences, which of them the panels ask, and two decoders. Expected: docs/view.md,
// and what `tapedeck diff` and `tapedeck regress check` print.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { after, before, describe } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { launch, shown, skip, until } from "../support/browser.mjs";
import {
  eventually,
  FRAMES_MS,
  importLines,
  json,
  tapedeck,
  temporary,
} from "../support/harness.mjs";
import { npm, test } from "../support/npm_packages.mjs";
import { pythonWith } from "../support/python_scripts.mjs";

const EVIL = "<script>alert(1)</script>";
const LACKING = [0x6a, 0x1b, 0x9a]; // of a mark, in light colours (style.css)
const ROW_PX = 28,
  AXIS_PX = 36;

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

/** Add frames to an archive as a session of its own. Frame n is received 10 * n ms after the first one, and `lateNs` ns. */
async function add(t, archive, frames, lateNs = 0) {
  const at = (n) => String(BigInt(FRAMES_MS + n * 10) * 1_000_000n + BigInt(lateNs));
  await importLines(
    t,
    frames.map(([n, frame]) => ({ recv_ns: at(n), conn: 0, data: JSON.stringify(frame) })),
    { archive, family: "v5-linear" }
  );
}

/** The same feed on two machines. Only east has tickers; only west has a symbol with an odd name; west lacks frames 200 to 299, and
 * has a gap there; east lacks frames 450 to 459 without one. */
async function twoArchives(t) {
  const dir = temporary(t),
    east = path.join(dir, "east"),
    west = path.join(dir, "west");
  const numbers = Array.from({ length: 600 }, (_, n) => n);
  const common = numbers.map((n) => [n, trade(n % 3 === 0 ? "ETHUSDT" : "BTCUSDT", n)]);
  const odd = numbers.filter((n) => n % 20 === 0).map((n) => [n, trade(EVIL, n)]);
  const ordered = (frames) => frames.sort(([a], [b]) => a - b);
  await add(
    t,
    east,
    ordered([
      ...common.filter(([n]) => n < 450 || n >= 460),
      ...numbers.filter((n) => n % 10 === 5).map((n) => [n, ticker(n)]),
    ])
  );
  const ofWest = ordered([...common, ...odd]);
  await add(
    t,
    west,
    ofWest.filter(([n]) => n < 200),
    400_000
  );
  await add(
    t,
    west,
    ofWest.filter(([n]) => n >= 300),
    400_000
  );
  return { east, west };
}

/** Press a key, with the focus on the picture, until a row of this name is chosen. */
async function chooseBy(page, key, name) {
  const chosen = () => page.locator("#label-list [aria-pressed=true]").getAttribute("title");
  for (let i = 0; (await chosen()) !== name; i++) {
    assert.ok(i < 20, `${key} does not lead to ${name}: ${await chosen()}`);
    await page.keyboard.press(key);
  }
}

/** For each row of the picture: how many of its pixels have the colour of marks. */
const markedPixels = (page) =>
  page.evaluate(
    ([colour, rowPx, axisPx]) => {
      const canvas = document.getElementById("canvas"),
        ratio = devicePixelRatio;
      const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", {
        willReadFrequently: true,
      });
      copy.drawImage(canvas, 0, 0);
      const rows = document.querySelectorAll("#label-list li").length;
      return Array.from({ length: rows }, (_, row) => {
        const { data } = copy.getImageData(
          0,
          (axisPx + row * rowPx) * ratio,
          canvas.width,
          rowPx * ratio
        );
        let count = 0;
        for (let i = 0; i < data.length; i += 4)
          count += colour.every((value, k) => data[i + k] === value);
        return count;
      });
    },
    [LACKING, ROW_PX, AXIS_PX]
  );

/** Wait until these rows have marks, and no other. The picture is drawn a little later. */
async function marksAre(page, expected) {
  const marked = async () => (await markedPixels(page)).map((count) => count > 0);
  await eventually(`marks of the rows: ${expected}`, async () =>
    isDeepStrictEqual(await marked(), expected)
  );
}

const cells = (page, index) =>
  page
    .locator("#panel-differences table")
    .nth(index)
    .locator("tbody tr")
    .evaluateAll((rows) => rows.map((row) => [...row.cells].map(({ textContent }) => textContent)));

describe("two archives", () => {
  let browser;
  before(async () => {
    browser = await launch();
  });
  after(() => browser?.close());

  test(
    "each topic has a row for each archive, and by keys alone one comes to what only one of them has",
    { skip },
    async (t) => {
      const { east, west } = await twoArchives(t);
      const { page, faults } = await shown(t, browser, [east, west]);
      await until(page, /^A east, B west$/, "#archive-name");
      const rows = () => page.locator("#label-list li .band-name").allInnerTexts();
      const flat = async () => (await rows()).map((text) => text.replace(/\s+/g, " "));
      assert.deepEqual(await flat(), [
        "A east v5-linear / publicTrade unverifiable",
        "B west v5-linear / publicTrade unverifiable",
        "A east v5-linear / tickers unverifiable",
        "B west v5-linear / tickers not recorded",
      ]);

      // West's row: its gap, its frames, its commands.
      await page.locator("#canvas").focus();
      await page.keyboard.press("Home");
      await chooseBy(page, "ArrowDown", "B west: v5-linear / publicTrade");
      await page.keyboard.press("g");
      await until(page, /Gap: restart;.*B west: v5-linear \/ publicTrade/);
      await until(page, /^1 gap in the shown time/, "#panel-gaps");
      await until(page, /B west$/, "#asked");
      await chooseBy(page, "ArrowUp", "A east: v5-linear / publicTrade");
      await until(page, /A east: v5-linear \/ publicTrade;.*; received$/);
      await until(page, /^No gap in the shown time/, "#panel-gaps");
      await until(page, /A east$/, "#asked");
      await page.keyboard.press("g");
      await until(page, /No later gap/);
      await page.locator("#tab-gaps").focus();
      await page.keyboard.press("ArrowRight");
      await until(page, new RegExp(`cat .*--archive=${east}$`), "#panel-frames > .run code");
      await page.locator("#canvas").focus();
      await chooseBy(page, "ArrowDown", "B west: v5-linear / publicTrade");
      await until(page, new RegExp(`cat .*--archive=${west}$`), "#panel-frames > .run code");
      await chooseBy(page, "ArrowDown", "B west: v5-linear / tickers");
      await until(page, /B west: v5-linear \/ tickers; not recorded in this archive/);

      // Open both rows of a topic. A symbol that only west has is text.
      await chooseBy(page, "ArrowUp", "B west: v5-linear / publicTrade");
      await page.keyboard.press("Enter");
      await page.locator("#label-list").filter({ hasText: EVIL }).waitFor();
      assert.deepEqual((await flat()).slice(2, 8), [
        `A east ${EVIL} not recorded`,
        `B west ${EVIL} unverifiable`,
        "A east BTCUSDT unverifiable",
        "B west BTCUSDT unverifiable",
        "A east ETHUSDT unverifiable",
        "B west ETHUSDT unverifiable",
      ]);

      // The tab lists what the verb prints.
      await page.keyboard.press("f");
      await page.locator("#tab-frames").focus();
      await page.keyboard.press("End");
      assert.equal(await page.evaluate(() => document.activeElement.id), "tab-differences");
      await marksAre(page, Array(10).fill(false));
      await page.locator("#panel-differences input").focus();
      await page.keyboard.press("Space");
      await page
        .locator("#panel-differences button")
        .filter({ hasText: "Compare the archives" })
        .focus();
      await page.keyboard.press("Enter");
      await page.locator("#panel-differences table").nth(1).waitFor();
      const command = await page.locator("#panel-differences code").last().innerText();
      const [, from, to] = /^tapedeck diff --from=(\S+Z) --to=(\S+Z) --json (?:\S+) (?:\S+)$/.exec(
        command
      );
      const found = await json(t, ["diff", east, west, "--from", from, "--to", to, "--json"], {
        status: 1,
      });
      const count = (value) => value.toLocaleString("en");
      const name = ({ feed, topic, symbol }) => `${feed} / ${topic} / ${symbol}`;
      assert.deepEqual(
        (await cells(page, 0)).map(([side, where, , , frames]) => [side, where, frames]),
        found.stretches.map((row) => [
          row.side === "a" ? "A east" : "B west",
          name(row),
          count(row.frames),
        ])
      );
      assert.deepEqual(
        (await cells(page, 1)).sort(),
        found.streams
          .map((row) => [
            row.feed,
            row.topic,
            row.symbol,
            ...[row.same, row.only_a, row.only_b, row.moved].map(count),
          ])
          .sort()
      );
      assert.match(
        await page.locator("#panel-differences p[role=status]").innerText(),
        new RegExp(
          `different; ${found.same} frames in both, ${found.only_a} only in A east, ${found.only_b} only in B west`
        )
      );
      // Each row that lacks something is marked, and no other: the topic and its symbols in both archives; tickers of west.
      await marksAre(page, [true, true, true, false, true, true, true, true, false, true]);

      const { source } = npm("axe-core");
      for (const colorScheme of ["dark", "light"]) {
        await page.emulateMedia({ colorScheme });
        await page.evaluate(source);
        const { violations } = await page.evaluate(() => window.axe.run());
        assert.deepEqual(
          violations
            .filter(({ impact }) => ["serious", "critical"].includes(impact))
            .map(
              ({ id, nodes }) => `${colorScheme}: ${id}: ${nodes.map(({ html }) => html).join(" ")}`
            ),
          []
        );
      }

      // A stretch that only east has: the cursor is at its first frame, in the row that has it; the other row lacks it.
      const index = found.stretches.findIndex(
        (row) => row.side === "a" && row.symbol === "BTCUSDT" && row.topic === "publicTrade"
      );
      await page.locator("#panel-differences table").first().locator("tbody tr").first().focus();
      for (let i = 0; i < index; i++) await page.keyboard.press("ArrowDown");
      await page.keyboard.press("Enter");
      await until(page, /A east: v5-linear \/ publicTrade \/ BTCUSDT/);
      const at = BigInt(FRAMES_MS) * 1_000_000n + 2_000_000_000n; // frame 200
      await eventually(`the cursor is at ${at}`, () => page.url().includes(`cursor=${at}&`));
      assert.match(await page.locator("#range").innerText(), /06:00:01\.\d+ – .*06:00:03\.\d+ UTC/);
      await page.locator("#canvas").focus();
      await chooseBy(page, "ArrowDown", "B west: v5-linear / publicTrade / BTCUSDT");
      await until(
        page,
        /B west: v5-linear \/ publicTrade \/ BTCUSDT;.*gap: restart; lacks \d+ frames that A east has/
      );
      // Without the tab there are no marks.
      await page.locator("#tab-gaps").click();
      await page.locator("#panel-gaps:not([hidden])").waitFor();
      await marksAre(page, Array(10).fill(false));
      await until(page, /gap: restart$/);
      assert.deepEqual(faults, []);
    }
  );

  test(
    "the archive may be a cut, the address holds the row of the second archive, and an empty archive is no fault",
    { skip },
    async (t) => {
      const { east } = await twoArchives(t);
      const dir = temporary(t),
        cut = path.join(dir, "part.mcap"),
        empty = path.join(dir, "east");
      await tapedeck(t, [
        "cut",
        east,
        "--feed",
        "v5-linear",
        "--topic",
        "publicTrade",
        "--from",
        "+2s",
        "--to",
        "+1s",
        "--out",
        cut,
      ]);
      fs.mkdirSync(path.join(empty, "capture"), { recursive: true });
      const { page, faults, url } = await shown(t, browser, [east, cut], {
        hash: "#band=b:v5-linear/publicTrade/BTCUSDT&tab=commands",
      });
      await until(page, /B part\.mcap: v5-linear \/ publicTrade \/ BTCUSDT/);
      await until(
        page,
        new RegExp(
          `tapedeck cut \\S+part\\.mcap --feed v5-linear --topic publicTrade --symbol BTCUSDT`
        ),
        "#panel-commands"
      );
      await page.goto("about:blank");
      await page.goto(`${url}#band=c:nothing&tab=nothing`);
      await until(page, /A east: /);
      assert.deepEqual(faults, []);
      // Two archives of the same name have their paths.
      const other = await shown(t, browser, [east, empty]);
      await until(other.page, new RegExp(`^A ${east}, B ${empty}$`), "#archive-name");
      await until(other.page, /B \S+: no frame/, "#recording");
      assert.equal(await other.page.locator("#label-list").getByText("not recorded").count(), 2);
      assert.deepEqual(other.faults, []);
    }
  );

  const python = pythonWith("json");
  test(
    "the first message that two decoders read differently is shown side by side",
    { skip: skip || (!python && "needs Python") },
    async (t) => {
      const { east } = await twoArchives(t);
      const script = path.join(temporary(t), "changed.py");
      const text = fs.readFileSync("docs/examples/decoder.py", "utf8");
      const changed = text.replace(
        '"size": entry["v"]',
        '"size": "7" if entry["i"] == "id-100" else entry["v"]'
      );
      assert.notEqual(changed, text);
      fs.writeFileSync(script, changed);
      const decoder = ["--decoder-cmd", `exec '${python}' -I -S '${script}'`];
      const { page, faults } = await shown(t, browser, [east, ...decoder, "--timeout", "20s"], {
        hash: "#tab=differences",
      });
      assert.ok(
        !(await page.locator("#panel-differences").getByText("Compare the archives").isVisible())
      );
      await page
        .locator("#panel-differences button")
        .filter({ hasText: "Compare the decoders" })
        .focus();
      await page.keyboard.press("Enter");
      await page.locator("#panel-differences table").waitFor();
      await until(
        page,
        /publicTrade \/ BTCUSDT, received at \S+ 06:00:01\.000000000 UTC, connection \d+, frame \d+: decoded differently/,
        "#panel-differences"
      );
      const { totals } = await json(
        t,
        ["regress", "check", east, ...decoder, "--topic", "publicTrade", "--json"],
        { status: 1 }
      );
      await until(
        page,
        new RegExp(
          `${totals.compared} frames compared, ${totals.same} the same, ${totals.different} different`
        ),
        "#panel-differences"
      );
      const lines = await page.locator("#panel-differences td.changed").allInnerTexts();
      assert.deepEqual(
        lines.map((line) => /^([−+]) .*"size": "(\d)"/.exec(line).slice(1)),
        [
          ["−", "1"],
          ["+", "7"],
        ]
      );
      await page
        .locator("#panel-differences button")
        .filter({ hasText: "Move the cursor" })
        .focus();
      await page.keyboard.press("Enter");
      await eventually("the cursor has moved", () =>
        page.url().includes(`cursor=${BigInt(FRAMES_MS + 1000) * 1_000_000n}&`)
      );
      assert.deepEqual(faults, []);
    }
  );

  test(
    "the books of two decoders are side by side after the frame that they read differently",
    { skip: skip || (!python && "needs Python") },
    async (t) => {
      const archive = path.join(temporary(t), "books"),
        script = path.join(temporary(t), "changed.py");
      const book = (n, type, b, a) => [
        n,
        {
          topic: "orderbook.50.BTCUSDT",
          type,
          ts: FRAMES_MS + n,
          data: { s: "BTCUSDT", b, a, u: n + 1, seq: n + 1 },
          cts: FRAMES_MS + n,
        },
      ];
      await add(t, archive, [
        book(
          0,
          "snapshot",
          [
            ["99", "1"],
            ["98", "2"],
          ],
          [["101", "3"]]
        ),
        book(1, "delta", [["97", "4"]], []),
        book(2, "delta", [["98", "5"]], [["102", "6"]]),
        book(3, "delta", [["99", "0"]], []),
      ]);
      const text = fs.readFileSync("docs/examples/decoder.py", "utf8");
      const changed = text.replace(
        '"size": None if is_gone else size',
        '"size": None if is_gone else "7" if size == "5" else size'
      );
      assert.notEqual(changed, text);
      fs.writeFileSync(script, changed);
      const decoder = ["--decoder-cmd", `exec '${python}' -I -S '${script}'`, "--timeout", "20s"];
      const level = (price, size) => ({ price, size });
      const expected = (size) => ({
        bids: [level("99", "1"), level("98", size), level("97", "4")],
        asks: [level("101", "3"), level("102", "6")],
      });
      const { first_difference: first, totals } = await json(
        t,
        ["regress", "check", archive, ...decoder, "--json"],
        { status: 1 }
      );
      assert.deepEqual(
        [first.kind, first.book_was, first.book_is, totals.different],
        ["decode", expected("5"), expected("7"), 2]
      ); // the last frame by consequence
      // Also if the messages count as equal, as text, and with the decoders the other way round.
      const { stdout } = await tapedeck(
        t,
        ["regress", "check", archive, ...decoder, "--ignore", "size"],
        { status: 1 }
      );
      assert.match(stdout, /the book after it differs[^]*\n *- *"size":"5"[^]*\n *\+ *"size":"7"/);
      const turned = await json(
        t,
        ["regress", "check", archive, ...decoder, "--decoder", "builtin", "--json"],
        { status: 1 }
      );
      const builtinFirst = turned.was.decoder === "built-in";
      assert.deepEqual(
        [turned.first_difference.book_was, turned.first_difference.book_is],
        builtinFirst ? [expected("5"), expected("7")] : [expected("7"), expected("5")]
      );
      // Nothing differs before that frame.
      assert.deepEqual(
        (await json(t, ["regress", "check", archive, ...decoder, "--to", "+15ms", "--json"]))
          .first_difference,
        null
      );
      const { page, faults } = await shown(t, browser, [archive, ...decoder], {
        hash: "#tab=differences",
      });
      await page
        .locator("#panel-differences button")
        .filter({ hasText: "Compare the decoders" })
        .click();
      const books = page.locator("#panel-differences table").nth(1);
      await until(page, "The book after this frame:", "#panel-differences p");
      assert.deepEqual(await books.locator("td").allInnerTexts(), [
        "  ask 102 × 6",
        "  ask 102 × 6",
        "  ask 101 × 3",
        "  ask 101 × 3",
        "  bid 99 × 1",
        "  bid 99 × 1",
        "− bid 98 × 5",
        "+ bid 98 × 7",
        "  bid 97 × 4",
        "  bid 97 × 4",
      ]);
      assert.deepEqual(faults, []);
    }
  );

  test("one archive has no tab of differences", { skip }, async (t) => {
    const { east } = await twoArchives(t);
    const { page, faults } = await shown(t, browser, [east], { hash: "#tab=differences" });
    await until(page, /^No gap/, "#panel-gaps");
    assert.ok(!(await page.locator("#tab-differences").isVisible()));
    assert.ok(!(await page.locator("#asked").isVisible()));
    await page.locator("#tab-gaps").focus();
    await page.keyboard.press("End");
    await page.locator("#panel-commands:not([hidden])").waitFor();
    assert.deepEqual(faults, []);
  });
});

test("what cannot be shown together is refused", async (t) => {
  const { east, west } = await twoArchives(t);
  for (const [args, code, text] of [
    [[east, west, "--catalog", "x"], 2, /--catalog is for one archive/],
    [[east, west, "third"], 2, /unexpected argument 'third'/],
    [[east, path.join(east, "nothing")], 4, /nothing/],
    [[east, "--decoder", "a", "--decoder", "b", "--decoder-cmd", "c"], 2, /3 decoders are given/],
    [[east, "--decoder", "x".repeat(5000)], 2, /--decoder: the text is too long/],
  ])
    assert.match((await tapedeck(t, ["view", ...args], { status: code })).stderr, text);
});
