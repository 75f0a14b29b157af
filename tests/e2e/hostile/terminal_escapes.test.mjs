// Symbols, topics and reasons from peers and files never control a terminal: every verb that prints text runs on a terminal
// of its own, and every byte of its output is checked. Expected: base/escape.h.
import assert from "node:assert/strict";
import path from "node:path";
import { describe } from "node:test";
import { archiveVerbs, importLines, json, jsonLines, temporary } from "../support/harness.mjs";
import { acknowledge, scriptedServer, trade } from "../support/scripted_server.mjs";
import { feedArgs, Recorder } from "../support/recorders.mjs";
import { onTerminals } from "../support/terminal_output.mjs";
import { test } from "../support/npm_packages.mjs";

// name -> its form on a screen
const SYMBOLS = {
  "EVIL\x1b[31mRED": "EVIL\\x1b[31mRED",
  "OSC\x1b]0;pwned\x07T": "OSC\\x1b]0;pwned\\x07T",
  "NL\nfake line": "NL\\x0afake line",
  "CR\rover": "CR\\x0dover",
  "C1\u009b31mX": "C1\\u009b31mX",
  "BIDI\u202eDSU": "BIDI\\u202eDSU",
  "DEL\x7fX": "DEL\\x7fX",
};
const START = 1795154400; // 2026-11-20

const frame = (symbol, seq) =>
  JSON.stringify({
    topic: `trade.${symbol}`,
    data: [
      {
        trade_time_ms: START * 1000 + seq,
        timestamp: "2026-11-20T09:21:59.000Z",
        symbol,
        side: "Buy",
        size: 5,
        price: 7.5,
        tick_direction: "PlusTick",
        trade_id: `558a0af8-ca11-5c5c-9b88-${String(seq).padStart(12, "0")}`,
        cross_seq: seq,
      },
    ],
  });

/** An archive with a frame of each symbol, a sequence that falls, and one that no rule knows. */
async function archiveOf(t, dir) {
  const names = Object.keys(SYMBOLS);
  const lines = [`wss://test/realtime <-> ${START}.0`];
  names.forEach((symbol, i) => lines.push(`${START + 1 + i}.0: ${frame(symbol, 100 + i)}`));
  lines.push(`${START + 20}.0: ${frame(names[0], 50)}`);
  lines.push(`wss://test/realtime <-> ${START + 30}.0`);
  return importLines(t, lines, {
    archive: path.join(dir, "tape"),
    format: "cryptofeed",
    family: "inverse",
  });
}

/** Check that no byte controls a terminal, except line ends and "to the start, clear" of the status line and replay's
 * screen. */
function nothingActs(shown, what) {
  const text = shown.replaceAll(/\x1b\[[KHJ]/g, "");
  assert.ok(!text.includes("\ufffd"), `${what}: bytes that are no UTF-8`);
  const found =
    /[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/.exec(text);
  const near = found && JSON.stringify(text.slice(Math.max(0, found.index - 40), found.index + 40));
  assert.ok(found === null, `${what}: U+${found?.[0].charCodeAt(0).toString(16)} in ${near}`);
  assert.ok(!text.includes("\rover"), `${what}: a carriage return of a symbol`);
  assert.ok(!/^fake line/m.test(text), `${what}: a symbol begins a line of its own`);
}

describe("screens", { concurrency: 2 }, () => {
  test("no verb prints a symbol's control bytes to a terminal", async (t) => {
    const dir = temporary(t);
    const archive = await archiveOf(t, dir);
    const verbs = [
      ...(await archiveVerbs(t)).map(([words, needs]) => [words.join(" "), ...needs]),
      ["topics"],
      ["decode"],
      ["info", "--json"],
      ["replay"],
      ["replay", "--json"],
      ["gaps", "--json"],
      ["export", "--format", "tardis-csv", "--out", path.join(dir, "csv")],
      ["replay", "--speed", "1000"],
      ["replay", "--symbol", "\x1b[31m*"],
      ["info", "\x1b[31m"],
    ];
    const argsOf = ([verb, ...more]) => [
      ...verb.split(" "),
      ...(verb === "topics" || verb === "decode" ? [] : ["-a", archive]),
      ...more,
    ];
    const shown = onTerminals(
      400,
      [...verbs.map(argsOf), ["info", "-v", "-a", archive]].map((args) => ({ args })),
      { NO_COLOR: "1" }
    );
    for (const [i, words] of verbs.entries()) nothingActs(shown[i], words.join(" "));
    for (const text of Object.values(SYMBOLS)) assert.ok(shown.at(-1).includes(` ${text} `), text);
  });

  test("JSON has the exact names, as escapes", async (t) => {
    const dir = temporary(t);
    const archive = await archiveOf(t, dir);
    const rows = await jsonLines(t, ["cat", "-a", archive]);
    assert.deepEqual(new Set(rows.map((row) => row.symbol)), new Set(Object.keys(SYMBOLS)));
    const report = await json(t, ["info", "-a", archive, "--json"]);
    assert.ok(JSON.stringify(report).includes(JSON.stringify("CR\rover")));
  });

  test("the recorder logs a server's text in one line", async (t) => {
    const dir = temporary(t);
    const archive = path.join(dir, "tape");
    const words =
      "no\x1b[2J such\ntapedeck record: everything is fine\r \u009b31m \u202etopic \x7f";
    const server = await scriptedServer(t, dir, {
      message: (ws, request) => {
        if (request.args?.some((topic) => topic.startsWith("nothing")))
          acknowledge(ws, request, { success: false, ret_msg: words });
        else acknowledge(ws, request);
        ws.send(trade(1));
        ws.close(1001, "bye\x1b[31m\u009b\nnext");
      },
    });
    const recorder = new Recorder(t, archive, [
      ...feedArgs(server, "inverse", ["nothing.BTCUSD"]),
      "--allow-unknown-topic",
    ]);
    await recorder.prints(/such.*fine/);
    await recorder.prints(/bye/);
    assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
    nothingActs(recorder.stderr, "record");
    assert.ok(
      recorder.stderr.includes("(code 1001: bye\\x1b[31m\\u009b\\x0anext)"),
      recorder.stderr
    );
    for (const line of recorder.stderr.trimEnd().split("\n"))
      assert.match(line, /^\d{4}-\d\d-\d\dT[\d:.]+Z (info|warning|error) tapedeck record: /);
  });
});
