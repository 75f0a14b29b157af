// Plays bug.mcap, or the file in TAPE, to the client, and compares its book at the end with tapedeck's.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { follow } from "./book.mjs";

const TAPE = process.env.TAPE ?? "bug.mcap";

/** Serve a tape until the test ends; returns its URL. */
async function serve(t, tape) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "serve-"));
  const ready = path.join(folder, "ready.json");
  const server = spawn(
    "tapedeck",
    ["serve", tape, "--plain", "--speed", "max", "--once", "--ready-file", ready],
    { stdio: "ignore" }
  );
  t.after(() => {
    server.kill();
    fs.rmSync(folder, { recursive: true });
  });
  while (!fs.existsSync(ready)) {
    assert.equal(server.exitCode, null, "tapedeck serve ended");
    await setTimeout(20);
  }
  return JSON.parse(fs.readFileSync(ready)).url;
}

/** The book at the end of a tape, according to tapedeck. */
function bookOf(tape, symbol) {
  const { books } = JSON.parse(spawnSync("tapedeck", ["replay", tape, "--json"]).stdout);
  return books.find((book) => book.topic === "orderbook.50" && book.symbol === symbol);
}

test("the book at the end of the tape", async (t) => {
  const expected = bookOf(TAPE, "BTCUSDT");
  const url = await serve(t, TAPE);
  const book = await follow(`${url}/v5/public/linear`, "BTCUSDT");
  const number = (text) => (text === null ? null : Number(text)); // null: an empty side
  assert.deepEqual(book.best(), { bid: number(expected.best_bid), ask: number(expected.best_ask) });
  assert.deepEqual([book.bids.size, book.asks.size], [expected.bids, expected.asks]);
});
