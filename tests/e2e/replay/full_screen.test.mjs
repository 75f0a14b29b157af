// Replay's full screen in a terminal of 80 columns and 24 rows (tmux), with keys as a user types them. Expected: docs/replay.md
// ("Control"); the tape is bookTape's, whose books are computed by hand.
import assert from "node:assert/strict";
import path from "node:path";
import { describe, test } from "node:test";
import { bookTape } from "../support/book_tape.mjs";
import { capture, tapedeck, temporary, withoutCapture } from "../support/harness.mjs";
import { Tmux, withoutTmux } from "../support/tmux.mjs";

const skip = withoutTmux;

describe("the screen", { concurrency: 2 }, () => {
  test(
    "the screen shows steps, a step back, the book's changes, the verdict and gaps, and the report appears below it",
    { skip },
    async (t) => {
      const terminal = new Tmux(t, ["replay", await bookTape(t), "--speed", "1", "--start-paused"]);
      terminal.shows(/frame 0 {2}paused {2}speed 1/);
      terminal.keys("Right", ".", "Right", "Right", "Right", "Right", "Right");
      let rows = terminal.shows(/frame 7 {2}paused/);
      assert.match(rows[0], /^2026-11-20T06:00:00\.070000000Z {2}frame 7 {2}paused {2}speed 1$/);
      assert.match(rows[1], /^2026-11-20T06:00:00 \[-#!{48}\] 3 s$/);
      assert.equal(rows[2], "v5-linear orderbook.50 BTCUSDT  frame 7 of connection 1, 149 bytes");
      assert.equal(rows[3], "verdict: ok");
      assert.deepEqual(rows.slice(4, 7), [
        "{",
        '  "topic":"orderbook.50.BTCUSDT",',
        '  "type":"delta",',
      ]);
      assert.match(
        rows.join("\n"),
        /^ {2}bids +asks\n +99 x 2 +102 x 5\n\n[^]*^removed: bid 100$/m
      );
      terminal.keys("Left");
      rows = terminal.shows(/frame 6 {2}paused/);
      assert.ok(rows.includes("no book"), rows.join("\n"));
      terminal.keys(",");
      assert.match(
        terminal.shows(/frame 5 {2}paused/).join("\n"),
        /^ +100 x 2 +102 x 5\n +99 x 2$/m
      ); // the book went back
      terminal.keys("Right", "Right", "Right", "Right");
      rows = terminal.shows(/verdict: broke seq_dense: expected 7, found 8: 1 lost$/m);
      assert.match(rows.join("\n"), /^ {2}bids +asks \(broken\)\n\* +102\.5 x 1 +102 x 5$/m);
      terminal.keys("Up", "Up", "Down", "m", "Right");
      terminal.shows(/frame 10 {2}paused {2}speed max\n[^]*verdict: not decoded: missing_field/);
      terminal.keys("b");
      terminal.shows(/frame 0 {2}paused/);
      terminal.keys(" ");
      assert.ok(
        terminal
          .shows(/status 1/)
          .join("\n")
          .includes("Complete: no, 1 frame broke a rule, 1 frame not decoded, 2 gaps not covered.")
      );
    }
  );

  test(
    "on a terminal that is too low, or cannot draw, there is no screen, but the keys work",
    { skip },
    async (t) => {
      const tape = await bookTape(t);
      for (const options of [{ rows: 20 }, { term: "dumb" }]) {
        const terminal = new Tmux(t, ["replay", tape, "--speed", "1", "--start-paused"], options);
        terminal.shows(/paused/);
        terminal.keys("Right", ".", "q");
        const rows = terminal.shows(/status \d/).join("\n");
        assert.doesNotMatch(rows, /speed 1$|verdict: /m);
        assert.match(rows, /^Complete: /m);
      }
    }
  );

  test(
    "a break pauses, a wait is shown and skipped, q ends",
    { skip: skip || withoutCapture("linear-2021-04-17.jsonl.gz") },
    async (t) => {
      const archive = path.join(temporary(t), "tape");
      await tapedeck(t, [
        "import",
        "-q",
        "-a",
        archive,
        "--family",
        "linear",
        capture("linear-2021-04-17.jsonl.gz"),
      ]);
      const terminal = new Tmux(t, [
        "replay",
        archive,
        "--break",
        "topic=orderBook*",
        "--symbol",
        "BTC*",
        "--symbol",
        "ETH*",
      ]);
      const rows = terminal.shows(/frame \d+ {2}paused {2}speed max {2}met: topic=order/);
      assert.match(
        rows[2],
        /^linear orderBookL2_25 (BTC|ETH)USDT {2}frame \d+ of connection 1, \d+ bytes$/
      );
      terminal.keys("-"); // full speed has no half
      terminal.keys("1", "f");
      terminal.shows(/end of the tape|paused {2}speed 1/);
      terminal.keys("q");
      terminal.shows(/status [01]/);
    }
  );

  test("at a break on a trade the screen has the book of its symbol", { skip }, async (t) => {
    const terminal = new Tmux(t, ["replay", await bookTape(t), "--break", "topic=publicTrade"]);
    const shown = terminal.shows(/frame 3 {2}paused {2}speed max {2}met: topic=pub/);
    const rows = shown.map((row) => row.trim().replace(/ +/g, " "));
    const at = rows.indexOf("bids asks (orderbook.50)");
    assert.deepEqual(rows.slice(at, at + 3), [
      ...["bids asks (orderbook.50)", "100 x 3 101 x 1", "99 x 2 102 x 5"],
    ]);
    terminal.keys("q");
    terminal.shows(/status [01]/);
  });
});
