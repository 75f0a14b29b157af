// The page's frames: what a frame did, steps from frame to frame, lists of found frames and searches, by keys. Expected: the
// frames of support/book_tape.mjs, by hand, and docs/view.md.
import assert from "node:assert/strict";
import { after, before, describe } from "node:test";
import { launch, shown as shownIn, skip, status, until } from "../support/browser.mjs";
import { bookTape } from "../support/book_tape.mjs";
import { eventually, importLines, tapedeck } from "../support/harness.mjs";
import { npm, test } from "../support/npm_packages.mjs";

const START_NS = 1_795_154_400_000_000_000n;
/** When a frame of bookTape was received. */
const timeOf = (number) =>
  START_NS + (number === 11 ? 3_010_000_000n : BigInt(number) * 10_000_000n);
let browser;

/** The page of an archive, with the row of a topic chosen and the cursor at the first frame. */
async function shown(t, archive, { topic = "orderbook.50", tab = "frames", ...options } = {}) {
  const found = await shownIn(t, browser, archive, options);
  await found.page.locator("#label-list button.band-name").filter({ hasText: topic }).click();
  await found.page.locator("#canvas").focus();
  await found.page.keyboard.press("Home");
  await found.page.locator(`#tab-${tab}`).click();
  return found;
}

/** Wait until the address has this cursor: it follows the page a moment later. */
async function cursorAt(page, ns) {
  await eventually(`the cursor is at ${ns}`, () => page.url().includes(`cursor=${ns}&`));
}

const list = (page) => page.locator(".frame-list");
const cells = (page, selector) =>
  page
    .locator(`${selector} tbody tr`)
    .evaluateAll((rows) => rows.map((row) => [...row.cells].map((cell) => cell.textContent)));
const verdict = (page) => page.locator(".verdict");

/** Choose the frame with this number by the arrow keys, from where the list is: it may still become that of another cursor. */
async function choose(page, number) {
  const chosen = page.locator("#panel-frames .frame dl");
  const [conn, ordinal] = number === 11 ? [2, 1] : [1, number];
  await list(page).focus();
  await page.locator(".frame-row").first().waitFor();
  await eventually(`frame ${number} is chosen`, async () => {
    const [, itsConn, itsOrdinal] = /connection (\d+), frame (\d+) /.exec(await chosen.innerText());
    const by = conn - Number(itsConn) || ordinal - Number(itsOrdinal);
    if (by !== 0) await page.keyboard.press(by > 0 ? "ArrowDown" : "ArrowUp");
    return by === 0;
  });
}

describe("frames", () => {
  before(async () => {
    browser = await launch();
  });
  after(() => browser?.close());

  test(
    "the chosen frame has its verdict, the levels that it changed, and a button that explains a level",
    { skip },
    async (t) => {
      const { page, faults } = await shown(t, await bookTape(t));
      await choose(page, 2);
      await until(page, "Verdict: ok: it broke no rule; the book after it is trusted.", ".verdict");
      assert.deepEqual(await cells(page, ".changes > table"), [
        ["Bid", "100 × 1", "100 × 3"],
        ["Ask", "101 × 1", "101 × 1"],
      ]);
      assert.deepEqual(await cells(page, ".changes .scroll"), [
        ["bid", "100", "1", "3", "larger", "Why?"],
      ]);
      const expected = {
        4: ["ok", ["bid", "100", "3", "2", "smaller"]],
        5: ["ok", ["ask", "101", "1", "-", "level gone"]],
        8: ["ok", ["bid", "98.5", "-", "7", "new level"]],
        9: [
          "broke the rule seq_dense; the book after it is broken",
          ["bid", "102.5", "-", "1", "new level"],
        ],
        11: ["ok", ["bid", "100", "-", "1", "new level"]],
      };
      for (const [number, [text, change]] of Object.entries(expected)) {
        await choose(page, Number(number));
        await until(page, `Verdict: ${text}`, ".verdict");
        assert.deepEqual(
          (await cells(page, ".changes .scroll"))[0].slice(0, 5),
          change,
          `frame ${number}`
        );
      }
      await until(
        page,
        "The frame changed 4 levels, as the topic's first one on its connection:",
        ".changes"
      );

      // By keys to the button of a level.
      await choose(page, 4);
      await until(page, "smaller", ".changes");
      await page.getByRole("button", { name: "Why has the bid at 100 this size?" }).focus();
      await page.keyboard.press("Enter");
      await until(page, /orderbook\.50 \/ BTCUSDT: size 2/, "#panel-ask");
      assert.deepEqual(
        (await cells(page, "#panel-ask")).map(([, what, , size]) => `${what} ${size}`),
        ["snapshot 1", "set 3", "trade 1", "set 2"]
      );
      await cursorAt(page, timeOf(4));
      await page.goBack();
      await page.locator("#tab-frames[aria-selected=true]").waitFor();
      // The same from the ladder, which has the levels after the first frame at the cursor.
      await page.locator("#tab-book").click();
      await page
        .locator("#panel-book")
        .getByRole("button", { name: "Why has the ask at 102 this size?" })
        .click();
      await until(page, /orderbook\.50 \/ BTCUSDT: size 5/, "#panel-ask");
      assert.deepEqual(faults, []);
    }
  );

  test(
    "a verdict that arrives while a part beside it is pressed does not move that part",
    { skip },
    async (t) => {
      const { page, faults } = await shown(t, await bookTape(t));
      const verdicts = "**/api/verb/when?*";
      const held = [];
      await page.route(verdicts, (route) => held.push(route));
      await choose(page, 4);
      await eventually("the verdict is asked for", () =>
        held.some((route) =>
          route
            .request()
            .url()
            .includes(String(timeOf(4)))
        )
      );
      const summary = page.locator("#panel-frames summary");
      await summary.hover(); // scrolls to it, and moves the pointer to its middle
      const { y } = await summary.boundingBox();
      await page.mouse.down();
      await page.unroute(verdicts);
      for (const route of held) await route.continue();
      await until(page, "smaller", ".changes");
      assert.equal((await summary.boundingBox()).y, y);
      await page.mouse.up();
      await until(page, '"type": "book_change"', "#panel-frames details");
      assert.deepEqual(faults, []);
    }
  );

  test(
    "a key at the end of the old list does not keep the list of a moved cursor from coming",
    { skip },
    async (t) => {
      const { page, faults } = await shown(t, await bookTape(t));
      await choose(page, 1);
      await page.locator("#canvas").focus();
      await page.keyboard.press("End");
      const only = page.locator("#panel-frames .frame dl");
      await only.filter({ hasText: "connection 2, frame 1 " }).waitFor();
      const lists = "**/api/verb/cat?*";
      const held = [];
      await page.route(lists, (route) => held.push(route));
      await page.locator("#canvas").focus();
      await page.keyboard.press("Home");
      await eventually("the list of the first frame is asked for", () => held.length === 1);
      await list(page).focus();
      await page.keyboard.press("ArrowDown"); // the old list has one frame
      await page.keyboard.press("ArrowUp");
      await page.unroute(lists);
      for (const route of held) await route.continue();
      await only.filter({ hasText: "connection 1, frame 1 " }).waitFor();
      assert.deepEqual(faults, []);
    }
  );

  test(
    "frames that are no book's, cannot be decoded, or are copies have a verdict, too",
    { skip },
    async (t) => {
      const archive = await bookTape(t);
      // A second session has frame 4 at the same time, as its first one.
      const { stdout } = await tapedeck(t, [
        "cat",
        "-a",
        archive,
        "--from",
        String(timeOf(4)),
        "-n",
        "1",
      ]);
      const again = { recv_ns: String(timeOf(4)), data: JSON.parse(stdout).data };
      await importLines(t, [again], { archive, family: "v5-linear" });
      const { page, faults } = await shown(t, archive);
      await page.locator("#panel-frames input[type=checkbox]").first().uncheck();
      const verdicts = [];
      await page.locator(".frame-row").nth(11).waitFor();
      await list(page).focus();
      await page.keyboard.press("Home");
      for (let i = 0; i < 12; i++) {
        await until(page, "Verdict: ", ".verdict");
        verdicts.push((await verdict(page).innerText()).replace("Verdict: ", ""));
        await page.keyboard.press("ArrowDown");
      }
      const book = "ok: it broke no rule; the book after it is trusted.",
        other = "ok: it broke no rule.";
      assert.deepEqual(verdicts.slice(0, 3).concat(verdicts.slice(10)), [
        book,
        book,
        other,
        "not decoded: missing_field.",
        book,
      ]);
      assert.deepEqual(verdicts.slice(3, 5).sort(), [
        "none. It is a copy of a frame of another connection.",
        book,
      ]);
      assert.deepEqual(faults, []);
    }
  );

  test(
    "keys step to frames, violations, gaps and breakpoints, in both directions",
    { skip },
    async (t) => {
      const { page, faults } = await shown(t, await bookTape(t), { tab: "gaps" });
      const kind = page.getByLabel("Step to");
      const step = async (key, number) => {
        await page.locator("#canvas").focus();
        await page.keyboard.press(key);
        await cursorAt(page, timeOf(number));
      };
      for (const number of [2, 4, 5, 7, 8, 9, 11]) await step("n", number);
      await until(page, "Frame of 2026-11-20 06:00:03.010000000.");
      await page.keyboard.press("n");
      await until(page, "No later frame.");
      for (const number of [9, 8, 7]) await step("p", number);

      await kind.selectOption("violation");
      await step("n", 9);
      await until(page, "Broke the rule seq_dense: v5-linear / orderbook.50 / BTCUSDT.");
      await page.locator("#tab-frames[aria-selected=true]").waitFor();
      await until(page, "broke the rule seq_dense", ".verdict");
      await page.locator("#canvas").focus();
      await page.keyboard.press("n");
      await until(page, "No later violation.");
      await step("End", 11);
      await step("p", 9);
      // In the list of frames, too.
      await list(page).focus();
      await page.keyboard.press("p");
      await until(page, "No earlier violation.");

      await kind.selectOption("gap");
      await page.locator("#canvas").focus();
      await page.keyboard.press("n");
      await until(page, "Gap: ");

      await kind.selectOption("breakpoint");
      await page.getByRole("button", { name: "Next" }).click();
      await until(page, "Give the breakpoint's condition", "#steps");
      await page.locator("#tab-ask").click();
      const condition = page.getByLabel("Condition");
      await condition.fill("topic=publicTrade");
      await step("Home", 1);
      for (const number of [3, 6, 10]) await step("n", number);
      for (const number of [6, 3]) await step("p", number);
      await until(page, "Met “topic=publicTrade”: v5-linear / publicTrade / BTCUSDT.");
      // A condition that holds at frames 5, 7 and 8 begins to hold at 5 only.
      await condition.fill("spread>1");
      await step("n", 5);
      await page.keyboard.press("n");
      await until(page, "No later breakpoint.");
      await step("End", 11);
      await step("p", 5);
      assert.deepEqual(faults, []);
    }
  );

  test("a step back passes many frames, and stops after too many", { skip }, async (t) => {
    const COUNT = 20_500;
    const at = (n) => START_NS + BigInt(n) * 10_000n;
    const trade = (n) => ({
      topic: "publicTrade.BTCUSDT",
      type: "snapshot",
      ts: 1_795_154_400_000,
      data: [
        {
          T: 1_795_154_400_000,
          s: "BTCUSDT",
          S: "Buy",
          v: "1",
          p: n < 2500 ? "100" : "101",
          L: "PlusTick",
          i: `${n}`,
          BT: false,
        },
      ],
    });
    const archive = await importLines(
      t,
      Array.from({ length: COUNT }, (_, n) => ({ recv_ns: String(at(n)), data: trade(n) })),
      { family: "v5-linear" }
    );
    const { page, faults } = await shown(t, archive, { topic: "publicTrade", tab: "ask" });
    await page.getByLabel("Step to").selectOption("breakpoint");
    const back = async (condition) => {
      await page.getByLabel("Condition").fill(condition);
      await page.locator("#canvas").focus();
      await page.keyboard.press("End");
      await page.keyboard.press("p");
    };
    await back("price=100");
    await cursorAt(page, at(2499));
    await back("topic=publicTrade");
    await until(page, "too many frames before the cursor meet the condition", "#steps");
    await cursorAt(page, at(COUNT - 1));
    // The list has the first thousand of the shown time.
    await page.getByRole("button", { name: "Find all" }).click();
    await until(
      page,
      "The first 1,000 frames of the shown time that meet the condition.",
      "#panel-ask"
    );
    await until(page, "1,000 marks");
    assert.deepEqual(faults, []);
  });

  test(
    "found frames are listed and marked; a row leads to its frame, and a button clears both",
    { skip },
    async (t) => {
      const { page, faults, isLoading } = await shown(t, await bookTape(t), { tab: "ask" });
      await page.locator("#fit").click();
      const picture = () => page.locator("#canvas").evaluate((canvas) => canvas.toDataURL());
      const settled = async (wanted) => {
        let last = "",
          equal = 0;
        await eventually("the picture is drawn", async () => {
          equal = last === (last = await picture()) && !isLoading() ? equal + 1 : 0;
          return equal > 3 && wanted(last);
        });
        return last;
      };
      const plain = await settled(() => true);
      await page.getByLabel("Condition").fill("topic=publicTrade");
      await page.getByRole("button", { name: "Find all" }).click();
      await until(page, "3 frames of the shown time meet the condition.", "#panel-ask");
      assert.deepEqual(
        await cells(page, ".found"),
        [3, 6, 10].map((number) => [
          `2026-11-20 06:00:00.${String(number * 10).padStart(3, "0")}000000`,
          "v5-linear / publicTrade",
          "BTCUSDT",
          number === 10 ? "not decoded: missing_field" : "",
        ])
      );
      await until(page, "3 marks");
      await settled((now) => now !== plain);
      await page.locator(".found tbody tr").first().focus();
      await page.keyboard.press("ArrowDown");
      await page.keyboard.press("Enter");
      await cursorAt(page, timeOf(6));
      await until(page, "v5-linear / publicTrade");
      await page.locator("#tab-frames").click();
      await until(page, "connection 1, frame 6 (in)", "#panel-frames");
      await page.locator("#tab-ask").click();
      await page.getByRole("button", { name: "Clear the list" }).click();
      assert.equal(await page.locator(".found tbody tr").count(), 0);
      assert.equal(
        await page.getByLabel("Condition").evaluate((input) => input === document.activeElement),
        true
      );
      await eventually("the marks are gone", async () => !/marks/.test(await status(page)));
      await page
        .locator("#label-list button.band-name")
        .filter({ hasText: "orderbook.50" })
        .click();
      await page.locator("#canvas").focus();
      await page.keyboard.press("Home");
      await settled((now) => now === plain);
      await page.getByLabel("Condition").fill("spread>9");
      await page.getByRole("button", { name: "Find all" }).click();
      await until(page, "No frame of the shown time meets the condition.", "#panel-ask");
      assert.deepEqual(faults, []);
    }
  );

  test(
    "a search shows the frames with a text, an order id or a price, and all frames again",
    { skip },
    async (t) => {
      const { page, faults } = await shown(t, await bookTape(t), { topic: "publicTrade" });
      const rows = page.locator(".frame-row");
      await rows.nth(2).waitFor();
      const search = async (kind, value) => {
        await page.getByLabel("Search for").selectOption(kind);
        await page.getByLabel("Search value").fill(value);
        await page.keyboard.press("Enter");
      };
      await search("order id", "9b88-000000000006");
      await until(page, /^1 frame .* contain “9b88-000000000006”/, "#panel-frames [role=status]");
      await until(page, "connection 1, frame 6 (in)", "#panel-frames");
      assert.equal(await rows.count(), 1);
      await page.locator("#panel-frames input[type=checkbox]").first().uncheck();
      await search("text", '"seq":1');
      await until(page, /contain “"seq":1”/, "#panel-frames [role=status]");
      assert.equal(await rows.count(), 5); // the numbers 11 to 16 of frames 4, 5, 7, 8 and 9
      await search("price", "99..100");
      await until(page, "have an entry at the price “99..100”", "#panel-frames [role=status]");
      assert.equal(await rows.count(), 7); // 1, 2, 3, 4, 6, 7 and 11
      await search("text", "no such text");
      await until(page, "contain “no such text”.", "#panel-frames [role=status]");
      assert.equal(await rows.count(), 0);
      // A step leaves the search, so that its frame is in the list.
      await page.locator("#canvas").focus();
      await page.keyboard.press("n");
      await rows.nth(2).waitFor();
      await search("text", "not there either");
      await until(page, "contain “not there either”.", "#panel-frames [role=status]");
      await page.getByRole("button", { name: "Show all frames" }).click();
      await rows.nth(2).waitFor();
      assert.equal(await page.getByRole("button", { name: "Show all frames" }).count(), 0);
      assert.equal(
        await page
          .getByLabel("Search value")
          .evaluate((input) => input === document.activeElement && input.value === ""),
        true
      );
      assert.deepEqual(faults, []);
    }
  );

  for (const colorScheme of ["light", "dark"])
    test(`axe-core has no serious finding, ${colorScheme}`, { skip }, async (t) => {
      const { page } = await shown(t, await bookTape(t), { colorScheme });
      const check = async (what) => {
        await page.evaluate(npm("axe-core").source); // the page's own policy forbids to add it as an element
        const { violations } = await page.evaluate(() => window.axe.run());
        assert.deepEqual(
          violations
            .filter(({ impact }) => ["serious", "critical"].includes(impact))
            .map(({ id, nodes }) => `${what}: ${id}: ${nodes.map(({ html }) => html).join(" ")}`),
          []
        );
      };
      await choose(page, 9);
      await until(page, "broke the rule", ".verdict");
      await check("a frame");
      await page.locator("#tab-book").click();
      await page.locator("#panel-book .small").first().waitFor();
      await check("the book");
      await page.locator("#tab-ask").click();
      await page.getByLabel("Condition").fill("topic=*");
      await page.getByRole("button", { name: "Find all" }).click();
      await page.locator(".found tbody tr").first().waitFor();
      await check("found frames");
    });
});
