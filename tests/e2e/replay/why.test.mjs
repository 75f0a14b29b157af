// `why` names the frame that gave a level its size, and the chain before it: on a tape that is computed by hand, and compared with
// replay's books. Expected: docs/replay.md ("Why is this level in the book?").
import assert from "node:assert/strict";
import path from "node:path";
import { describe, test } from "node:test";
import { bookTape } from "../support/book_tape.mjs";
import { capture, json, tapedeck, temporary, withoutCapture } from "../support/harness.mjs";

const CAPTURE = "linear-2021-04-17.jsonl.gz";
const why = (t, archive, time, side, price, options) =>
  json(
    t,
    [
      "why",
      "-a",
      archive,
      "BTCUSDT",
      "--at",
      `2026-11-20T06:00:${time}`,
      "--side",
      side,
      "--price",
      price,
      "--json",
    ],
    options
  );
const chain = ({ books }) =>
  books[0].chain.map((row) => [row.what, row.taker, row.size, row.ordinal, row.seq]);

describe("why", { concurrency: 2 }, () => {
  test("the chain has every frame from the snapshot on, and the trades between", async (t) => {
    const archive = await bookTape(t);
    const rows = [
      ["snapshot", null, "1", 1, 8],
      ["set", null, "3", 2, 9],
      ["trade", "Sell", "1", 3, null],
      ["set", null, "2", 4, 11],
      ["trade", "Sell", "2", 6, null],
      ["delete", null, null, 7, 14],
    ];
    for (const [time, count, size, by] of [
      ["00.010", 1, "1", 1],
      ["00.029", 2, "3", 2],
      ["00.030", 3, "3", 2],
      ["00.065", 5, "2", 4],
    ]) {
      const found = await why(t, archive, time, "bid", "100.00");
      assert.deepEqual(chain(found), rows.slice(0, count), time);
      assert.deepEqual([found.books[0].size, found.books[0].by.ordinal], [size, by], time);
    }
    const gone = await why(t, archive, "00.070", "bid", "100", { status: 1 });
    assert.deepEqual(chain(gone), rows);
    assert.deepEqual([gone.books[0].size, gone.books[0].by.what], [null, "delete"]);
    assert.deepEqual(chain(await why(t, archive, "03.5", "ask", "102")), [
      ["snapshot", null, "5", 1, 308],
    ]); // of the next connection
    assert.equal((await why(t, archive, "00.095", "bid", "102.5")).books[0].broken, true);
    assert.deepEqual(chain(await why(t, archive, "00.095", "ask", "77", { status: 1 })), [
      ["snapshot", null, null, 1, 8],
    ]); // never in the book
    const { stdout } = await tapedeck(t, [
      "why",
      "-a",
      archive,
      "BTCUSDT",
      "--at",
      "+35ms",
      "--side",
      "bid",
      "--price",
      "100",
    ]);
    assert.match(
      stdout,
      /^v5-linear orderbook\.50 BTCUSDT: bid 100 has size 2: set by frame 4 of connection 1, received 2026-11-20T06:00:00\.040000000Z\nreceived +what +size +conn +frame/
    );
    assert.match(stdout, /\n2026-11-20T06:00:00\.030000000Z {2}trade, Sell +1 /);
  });

  test("a chain begins at a made snapshot", async (t) => {
    const file = path.join(temporary(t), "made.mcap");
    await tapedeck(t, [
      "cut",
      await bookTape(t),
      "-o",
      file,
      "--snapshots",
      "made",
      "--from",
      "2026-11-20T06:00:00.035Z",
      "--to",
      "2026-11-20T06:00:00.075Z",
    ]);
    const found = await why(t, file, "00.065", "bid", "100");
    assert.deepEqual(chain(found), [
      ["snapshot", null, "3", 2, 9],
      ["trade", "Sell", "1", 3, null],
      ["set", null, "2", 4, 11],
      ["trade", "Sell", "2", 6, null],
    ]);
    assert.deepEqual(chain(await why(t, file, "00.036", "bid", "99")), [
      ["snapshot", null, "2", 2, 9],
    ]);
  });

  test("sizes equal the sizes in replay's books", { skip: withoutCapture(CAPTURE) }, async (t) => {
    const archive = path.join(temporary(t), "tape");
    await tapedeck(t, ["import", "-q", "-a", archive, "--family", "linear", capture(CAPTURE)]);
    const { books } = await json(t, ["replay", archive, "--to", "+3.0000005s", "--json"]);
    assert.ok(books.length > 5);
    for (const book of books)
      for (const [side, price, size] of [
        ["bid", book.best_bid, book.best_bid_size],
        ["ask", book.best_ask, book.best_ask_size],
      ]) {
        const found = await json(t, [
          "why",
          "-a",
          archive,
          book.symbol,
          "--at",
          "+3.0000005s",
          "--side",
          side,
          "--price",
          price,
          "--json",
        ]);
        assert.deepEqual(
          [found.books.length, found.books[0].size, found.books[0].chain[0].what],
          [1, size, "snapshot"],
          `${book.symbol} ${side}`
        );
      }
  });

  test("a moment without the book, and a wrong command line, are errors", async (t) => {
    const archive = await bookTape(t);
    const level = ["--side", "bid", "--price", "100"];
    await tapedeck(t, ["why", "-a", archive, "BTCUSDT", "--at", "2020-01-01", ...level], {
      status: 4,
    });
    assert.match(
      (await tapedeck(t, ["why", "-a", archive, "NONE", "--at", "+1s", ...level], { status: 4 }))
        .stderr,
      /NONE/
    );
    assert.match(
      (await tapedeck(t, ["why", "-a", archive, "BTCUSDT", ...level], { status: 2 })).stderr,
      /--at, --side and --price/
    );
    assert.match(
      (
        await tapedeck(
          t,
          ["why", "-a", archive, "BTCUSDT", "--at", "+1s", "--side", "bid", "--price", "1x"],
          { status: 2 }
        )
      ).stderr,
      /--price/
    );
  });
});
