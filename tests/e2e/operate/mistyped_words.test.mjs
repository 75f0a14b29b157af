// A mistyped word on a command line or in a configuration is refused with the nearest valid one; in a file also with its line.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { tapedeck, temporary } from "../support/harness.mjs";

test("mistyped verbs, options, values, families and topics are refused with the nearest name", async (t) => {
  const dir = temporary(t);
  const url = "ws://127.0.0.1:9/v5/public/linear";
  const recording = ["record", "-a", path.join(dir, "tape"), url, "--family", "v5-linear"];
  for (const [args, error, hint] of [
    [["inof"], "unknown verb 'inof'", "did you mean 'info'?"],
    [["xyzzy"], "unknown verb 'xyzzy'", "hint: 'tapedeck --help' lists the verbs"],
    [["replay", "--sped", "2"], "unknown option --sped", "did you mean --speed?"],
    [["decode", "--family", "linaer"], "there is no family 'linaer'", "did you mean 'linear'?"],
    [["topics", "--family", "invers"], "there is no family 'invers'", "did you mean 'inverse'"],
    [
      ["topics", "--family", "nosuch"],
      "there is no family 'nosuch'",
      "families: inverse, linear, ",
    ],
    [
      ["import", "-a", "x", "--family", "v5-sopt", "--format", "jsonl", "f"],
      "there is no family 'v5-sopt'",
      "did you mean 'v5-spot'",
    ],
    [
      ["sim", "--families", "inverse,linaer"],
      "there is no family 'linaer'",
      "did you mean 'linear'?",
    ],
    [
      [...recording, "--topic", "publicTrades", "--symbol", "BTCUSDT"],
      "family v5-linear has no topic 'publicTrades.BTCUSDT'",
      /did you mean 'publicTrade'\?.*--allow-unknown-topic/,
    ],
    [
      [...recording, "--topic", "orderBook.50.BTCUSDT"],
      "no topic 'orderBook.50.BTCUSDT'",
      "did you mean 'orderbook.50'",
    ],
    [
      [...recording, "--topic", "trade.BTCUSDT"],
      "no topic 'trade.BTCUSDT'",
      "'tapedeck topics --family v5-linear' lists them",
    ],
  ]) {
    const end = await tapedeck(t, args, { status: 2 });
    assert.ok(end.stderr.includes(error), `${args.join(" ")}: ${end.stderr}`);
    if (hint instanceof RegExp) assert.match(end.stderr, hint);
    else assert.ok(end.stderr.includes(hint), `${args.join(" ")}: ${end.stderr}`);
  }
  assert.ok(!fs.existsSync(path.join(dir, "tape", "capture")), "nothing is recorded");
});

test("an error in a configuration has its file, line and key, also for a missing file or variable", async (t) => {
  const dir = temporary(t),
    config = path.join(dir, "feeds.yaml");
  fs.writeFileSync(path.join(dir, "zeros"), "ETHUSDT\n\0SOLUSDT\n");
  const feed = "feeds:\n  - family: v5-linear\n    topics: [publicTrade]\n    symbols: [BTCUSDT]\n";
  for (const [text, line, error, hint = ""] of [
    ["fedes: []\n", 1, "unknown key 'fedes'", "did you mean 'feeds'?"],
    [`${feed}    stale_afer: 5s\n`, 5, "unknown key 'stale_afer'", "did you mean 'stale_after'?"],
    [`commit_interval: soon\n${feed}`, 1, "commit_interval: 'soon' is not a duration"],
    [`${feed}    max_topics_per_connection: -1\n`, 5, "'-1' is not a whole number"],
    [`${feed}    strict: maybe\n`, 5, "strict: 'maybe' is neither true nor false"],
    [`${feed}    symbols_file: ${dir}/nowhere\n`, 5, "No such file or directory"],
    [`${feed}    symbols_file: ${dir}/zeros\n`, 5, "zeros' has a zero byte"],
    [`${feed}    ca_file: ${dir}/nowhere.pem\n`, 5, "No such file or directory"],
    [
      `${feed}    api_key_env: TD_NO_SUCH_KEY\n    api_secret_env: TD_NO_SUCH_SECRET\n`,
      5,
      "TD_NO_SUCH_KEY is not set",
    ],
    [
      "feeds:\n  - family: v5-linear\n    symbols: [BTCUSDT]\n    topics: [publicTrades]\n",
      4,
      "has no topic 'publicTrades.BTCUSDT'",
      "did you mean 'publicTrade'?",
    ],
    [
      "feeds:\n  - topics: [trade]\n    family: invrese\n",
      3,
      "there is no family 'invrese'",
      "did you mean 'inverse'?",
    ],
  ]) {
    fs.writeFileSync(config, text);
    const end = await tapedeck(t, ["record", "-a", path.join(dir, "tape"), "-c", config], {
      status: null,
    });
    assert.notEqual(end.code, 0);
    assert.ok(end.stderr.startsWith(`tapedeck record: ${config}:${line}: `), end.stderr);
    assert.ok(end.stderr.includes(error) && end.stderr.includes(hint), end.stderr);
  }
});
