// Names of files that a document tells: an export never leaves its folder, whatever the document of a foreign archive has.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { FRAMES_MS, importLines, tapedeck, temporary } from "../support/harness.mjs";

const DOCUMENT = `family: made-up
exchange: bybit
dialect: v5
addresses:
  - main public wss://stream.bybit.com/made/up
datasets:
  exchange: made-up
  category: a/../../../../../outside/b
sets:
  trade:
    - p price decimal price required
    - v size decimal quantity required
    - S side side required
    - i trade_id text required
    - T exchange_ns time ms
topics:
  - topic: "trade.{symbol}"
    message: trade
    title: Trades
    time: exchange_ns
    fields: trade
    entries: [data none any]
`;

test("a category that is a path becomes the name of one folder", async (t) => {
  const dir = temporary(t);
  const at = (...names) => path.join(dir, ...names);
  const frame = { topic: "trade.A", data: [{ p: "1", v: "2", S: "Buy", i: "7", T: FRAMES_MS }] };
  fs.mkdirSync(at("a", "b"), { recursive: true });
  fs.writeFileSync(at("made-up.yaml"), DOCUMENT);
  const archive = await importLines(
    t,
    [
      { ts: FRAMES_MS, url: "wss://stream.bybit.com/made/up" },
      { ts: FRAMES_MS + 1000, data: JSON.stringify(frame) },
    ],
    { family: "made-up", families: at("made-up.yaml") }
  );
  await tapedeck(t, [
    "export",
    "-q",
    "-a",
    archive,
    "--format",
    "nautilus",
    "--out",
    at("a", "b", "out"),
  ]);
  assert.deepEqual(fs.readdirSync(at("a", "b", "out", "data", "trades")), [
    "A-A_.._.._.._.._.._OUTSIDE_B.BYBIT",
  ]);
  assert.deepEqual(fs.readdirSync(dir).sort(), ["a", "made-up.yaml"]);
});
