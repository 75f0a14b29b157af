// Which time the page opens on, and what "Fit" and "Go to" show. Expected: docs/view.md.
import assert from "node:assert/strict";
import { after, before, describe } from "node:test";
import { checkAccess, launch, shown, skip, until } from "../support/browser.mjs";
import { eventually, FRAMES_MS, importFrames, temporary } from "../support/harness.mjs";
import { test } from "../support/npm_packages.mjs";

const DAY_MS = 86_400_000;
let browser;

const frame = (topic, type, ms, data) => JSON.stringify({ topic, type, ts: ms, data });
/** The frames of a book, one a second. */
const book = (symbol, begin, count) =>
  Array.from({ length: count }, (_, n) =>
    frame(`orderbook.50.${symbol}`, n === 0 ? "snapshot" : "delta", begin + 1000 * n, {
      s: symbol,
      b: [["100", String(n + 1)]],
      a: [["101", "1"]],
      u: n + 1,
      seq: n + 1,
    })
  );
/** The shown time, in ms. The address follows the page a moment later. */
const shownMs = (page) =>
  (/from=(\d+)&to=(\d+)/.exec(page.url()) ?? ["", "0", "0"])
    .slice(1)
    .map((ns) => Number(BigInt(ns) / 1_000_000n));

describe("opening", { skip }, () => {
  before(async () => {
    browser = await launch();
  });
  after(() => browser?.close());

  test("nothing can be chosen before the opening view is known, which would replace it", async (t) => {
    const archive = await importFrames(t, temporary(t), {
      family: "v5-linear",
      host: "/v5/public/linear",
      stepMs: 1000,
      frames: book("BTCUSDT", FRAMES_MS, 30),
    });
    let isShownBefore;
    const { page, faults } = await shown(t, browser, archive, {
      prepare: (context) =>
        context.route(/\/api\/tile\?/, async (route) => {
          isShownBefore ??= await route
            .request()
            .frame()
            .page()
            .locator("main:not([hidden])")
            .count();
          await route.continue();
        }),
    });
    assert.equal(isShownBefore, 0);
    await page.locator("#tab-market[aria-selected=true]").waitFor();
    assert.deepEqual(faults, []);
  });

  test("the busiest market's last minutes; Fit shows its row, then everything; a time is zoomed to", async (t) => {
    const dir = temporary(t);
    const place = { family: "v5-linear", host: "/v5/public/linear", stepMs: 1000 };
    const oldMs = FRAMES_MS - 5 * DAY_MS;
    await importFrames(t, dir, { ...place, beginMs: oldMs, frames: book("OLDUSDT", oldMs, 900) });
    const archive = await importFrames(t, dir, {
      ...place,
      frames: [
        ...book("ETHUSDT", FRAMES_MS, 100),
        ...book("BTCUSDT", FRAMES_MS + 100_000, 700),
        ...book("SOLUSDT", FRAMES_MS + 800_000, 10),
      ],
    });
    const { page, faults } = await shown(t, browser, archive);
    await until(page, /v5-linear \/ orderbook\.50 \/ BTCUSDT/);
    const last = FRAMES_MS + 800_000;
    const shows = (what, from, to, slack) =>
      eventually(what, () => {
        const found = shownMs(page);
        return Math.abs(found[0] - from) <= slack && Math.abs(found[1] - to) <= slack;
      });
    await shows("the last five minutes", last - 300_000, last, 7000);
    await page.locator("#tab-market[aria-selected=true]").waitFor();
    await until(page, /bid 100/, "#panel-market .value"); // the cursor is at the last frame
    await page.locator("#fit").click();
    await shows("the row", FRAMES_MS + 100_000, last, 20_000);
    await page.locator("#fit").click();
    await shows("everything", oldMs, last, DAY_MS / 4);
    await page.locator("#canvas").focus();
    await page.keyboard.press("f");
    await shows("the row again", FRAMES_MS + 100_000, last, 20_000);
    const time = new Date(FRAMES_MS + 400_000).toISOString().slice(0, 19).replace("T", " ");
    const goTo = async (text) => {
      await page.locator("#go-to-time").fill(text);
      await page.keyboard.press("Enter");
    };
    const day = Date.parse(time.slice(0, 10));
    await goTo(time.slice(0, 10));
    await shows("the day", day, day + DAY_MS, 1);
    const minute = Date.parse(time.slice(0, 16) + "Z");
    await goTo(time.slice(0, 16));
    await shows("ten minutes", minute - 300_000, minute + 300_000, 1);
    await goTo(time);
    const second = FRAMES_MS + 400_000;
    await shows("ten seconds", second - 5000, second + 5000, 1);
    for (let i = 0; i < 3; i++) await page.locator("#zoom-in").click();
    await goTo(time);
    await shows("a closer view is only moved", second - 625, second + 625, 1);
    assert.deepEqual(faults, []);
  });

  test("a long archive opens with its calendar, which takes over what days finds", async (t) => {
    const dir = temporary(t);
    const place = { family: "v5-linear", host: "/v5/public/linear", stepMs: 1000 };
    const dayOf = (ms) => new Date(ms).toISOString().slice(0, 10);
    const oldMs = FRAMES_MS - 400 * DAY_MS;
    await importFrames(t, dir, { ...place, beginMs: oldMs, frames: book("OLDUSDT", oldMs, 900) });
    // A frame an hour, from six o'clock on: updates are missing on the second day.
    const broken = book("BTCUSDT", FRAMES_MS, 85);
    broken.splice(25, 3);
    broken[30] = book("BTCUSDT", FRAMES_MS, 1)[0];
    broken.splice(31, 85, ...book("BTCUSDT", FRAMES_MS, 50).slice(1));
    const archive = await importFrames(t, dir, { ...place, stepMs: 3_600_000, frames: broken });
    const { page, faults, url } = await shown(t, browser, archive);
    await page.locator("#tab-days[aria-selected=true]").waitFor();
    const day = (ms) => page.locator(".calendar").getByRole("button", { name: dayOf(ms) });
    const shows = (ms, words) =>
      eventually(`${dayOf(ms)} is ${words}`, async () =>
        words.test(await day(ms).getAttribute("aria-label"))
      );
    await shows(oldMs, /: missing in part; restart; about 900 frames$/);
    await shows(oldMs + DAY_MS, /: missing; restart$/);
    await shows(FRAMES_MS, /: missing in part; restart; about \d+ frames$/);
    await shows(FRAMES_MS + DAY_MS, /: degraded; sequence; about/);
    await shows(FRAMES_MS + 2 * DAY_MS, /: no gap; not known whether it is clean; about/);
    await page
      .locator(".calendar")
      .getByText(/^until \d{4} \w+: missing, restart$/)
      .waitFor();
    // The server's answer has the days without frames as one run, and reads no frame.
    const { days } = await (await fetch(`${url}api/calendar`)).json();
    assert.deepEqual(
      days.slice(0, 4).map(({ state, days: count }) => [state, count]),
      [
        ["part", 1],
        ["missing", 399],
        ["part", 1],
        ["degraded", 1],
      ]
    );
    await checkAccess(page);
    await day(FRAMES_MS).focus();
    await page.keyboard.press("Home");
    await page.keyboard.press("Enter");
    const begin = Date.parse(dayOf(oldMs));
    await eventually("the day is shown", () => shownMs(page)[0] === begin);
    assert.equal(shownMs(page)[1], begin + DAY_MS);
    assert.equal(await day(oldMs).getAttribute("aria-current"), "date");
    const check = page.getByRole("button", { name: "Check these days" });
    await check.click();
    await shows(oldMs, /: clean; about 900 frames$/); // its topic was not asked for later
    await shows(FRAMES_MS + DAY_MS, /: degraded; sequence; about/);
    for (const [days, words] of [
      [1, /: degraded; sequence; about/],
      [2, /: clean; about/],
    ]) {
      await day(FRAMES_MS + days * DAY_MS).click();
      await check.click();
      await shows(FRAMES_MS + days * DAY_MS, words);
    }
    await shows(oldMs, /: clean/);
    await page.setViewportSize({ width: 400, height: 800 });
    const { x, width } = await page.locator(".calendar table").boundingBox();
    assert.ok(x + width <= 400);
    assert.deepEqual(faults, []);
  });

  test("an archive without a book opens on all of its time", async (t) => {
    const trades = [0, 1].map((n) =>
      frame("publicTrade.BTCUSDT", "snapshot", FRAMES_MS + n, [
        {
          T: FRAMES_MS + n,
          s: "BTCUSDT",
          S: "Buy",
          v: "1",
          p: "1",
          i: `id-${n}`,
          BT: false,
          seq: n,
        },
      ])
    );
    const archive = await importFrames(t, temporary(t), {
      family: "v5-linear",
      host: "/v5/public/linear",
      frames: trades,
      stepMs: 1_000_000,
    });
    const { page, faults } = await shown(t, browser, archive);
    await until(page, /publicTrade/);
    await page.locator("#tab-gaps[aria-selected=true]").waitFor();
    assert.match(await page.locator("#range").innerText(), /\(17 min/);
    assert.deepEqual(faults, []);
  });
});
