// A finished segment that was cut, or emptied, between two others: what an export has as whole is as it was recorded. The frames are
// made here, as Bitstamp sends them: nothing in them shows that one is missing.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import zlib from "node:zlib";
import { importLines, segments, tapedeck, temporary } from "../support/harness.mjs";

const START = Date.parse("2026-08-09T12:40:00Z"),
  STEP = 20_000,
  FRAMES = 419; // until 14:59:40, so that there are three segments
const priceAt = (i) => (100 + (i % 7)).toFixed(2);

const at = (ms) => ({ timestamp: `${Math.floor(ms / 1000)}`, microtimestamp: `${ms * 1000}` });
const frame = (event, channel, data) => ({
  url: "wss://ws.bitstamp.net",
  data: { data, channel: `${channel}_btcusd`, event },
});

/** A snapshot at the start; then at each step a trade, and a delta that sets a bid's size. */
function* lines() {
  yield [START, frame("data", "diff_order_book", { ...at(START), bids: [], asks: [] })];
  yield [
    START + 1,
    {
      dir: "http",
      url: "https://www.bitstamp.net/api/v2/order_book/btcusd",
      data: { ...at(START + 1), bids: [["99.00", "1"]], asks: [["200.00", "1"]] },
    },
  ];
  for (let i = 1; i <= FRAMES; i++) {
    const ms = START + i * STEP;
    const price = { price: Number(priceAt(i)), price_str: priceAt(i), type: i % 2 };
    const trade = { id: i, ...at(ms), amount: 1, amount_str: "1", ...price };
    yield [ms, frame("trade", "live_trades", { ...trade, buy_order_id: i, sell_order_id: i + 1 })];
    const bids = [["99.00", `${i}`]];
    yield [ms + 1, frame("data", "diff_order_book", { ...at(ms + 1), bids, asks: [] })];
  }
}

const imported = (t) =>
  importLines(
    t,
    [...lines()].map(([ms, line]) => ({ recv_ns: ms * 1e6, ...line })),
    { family: "bitstamp" }
  );

/** The rows of an export by type, without the columns that name exchange and symbol. */
async function exported(t, archive, status) {
  const out = path.join(temporary(t), "out");
  const options = ["--format", "tardis-csv", "--bars", "5m", "--out", out];
  await tapedeck(t, ["export", "-q", archive, ...options], { status });
  const rows = (type) => {
    const name = fs.readdirSync(out).find((file) => file.includes(`_${type}_`));
    const text = zlib.gunzipSync(fs.readFileSync(path.join(out, name))).toString();
    return text.trimEnd().split("\n").slice(1);
  };
  return { bars: rows("bars"), quotes: rows("quotes") };
}

for (const [what, share] of [
  ["cut", 0.6],
  ["emptied", 0],
])
  test(`a segment that was ${what}: no bar lacks trades, and the book is not known after it`, async (t) => {
    const archive = await imported(t);
    const whole = await exported(t, archive, 0);
    const files = segments(archive);
    assert.equal(files.length, 3);
    const file = path.join(archive, files[1]);
    fs.truncateSync(file, Math.floor(fs.statSync(file).size * share));
    const found = await exported(t, archive, 3);
    assert.ok(found.bars.length >= 12 && found.bars.length < whole.bars.length);
    for (const type of ["bars", "quotes"])
      assert.deepEqual(
        found[type].filter((row) => !whole[type].includes(row)),
        [],
        type
      );
    const last = Number(found.quotes.at(-1).split(",")[2]); // no snapshot came after the hole
    assert.ok(last / 1000 < Date.parse("2026-08-09T14:00Z"), `${last}`);
  });
