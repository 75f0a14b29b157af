// An empty selection is the same error in every verb, with similar names; so is a recording that never connected. Expected: docs/design.md ("Exit status").
import assert from "node:assert/strict";
import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import { test } from "node:test";
import { capture, importLines, tapedeck, temporary, withoutRecorded } from "../support/harness.mjs";
import { Recorder, deleteCatalog } from "../support/recorders.mjs";

const V5 = "v5-2026-08-09.jsonl.gz";
const NOON = Date.parse("2021-04-17T12:00:00Z");

async function archiveOf(t) {
  const captureOf = (symbol) => {
    const trade = (ms) => ({
      topic: `trade.${symbol}`,
      data: [
        {
          trade_time_ms: ms,
          timestamp: new Date(ms).toISOString(),
          symbol,
          side: "Buy",
          size: 1,
          price: 100,
          tick_direction: "PlusTick",
          trade_id: `t${ms}`,
          cross_seq: ms,
        },
      ],
    });
    return Array.from({ length: 10 }, (_, i) => NOON + i * 1000).map((ms) => ({
      recv_ns: `${ms}000000`,
      conn: 0,
      data: trade(ms),
    }));
  };
  const archive = await importLines(t, captureOf("BTCUSD"), { family: "inverse" });
  return importLines(t, captureOf("ETHUSDT"), { archive, family: "linear" });
}

const NOTHING =
  /no frame in the archive matches the selection: it has no such feed, topic or symbol\n/;

test("every verb exits with 4 for a name that the archive lacks, and suggests similar names", async (t) => {
  const archive = await archiveOf(t);
  const verbs = {
    replay: ["replay", "-a", archive],
    json: ["replay", "-a", archive, "--json"],
    messages: ["replay", "-a", archive, "--messages"],
    cat: ["cat", "-a", archive],
    raw: ["cat", "-a", archive, "--raw"],
    ls: ["ls", "-a", archive],
    lsJson: ["ls", "-a", archive, "--json"],
    gaps: ["gaps", "-a", archive],
    gapsJson: ["gaps", "-a", archive, "--json"],
    export: ["export", "-a", archive, "--format", "jsonl", "--out", path.join(temporary(t), "set")],
    serve: [
      "serve",
      "-a",
      archive,
      "--plain",
      "--listen",
      "127.0.0.1:0",
      "--ready-file",
      path.join(temporary(t), "ready"),
    ],
  };
  for (const round of ["with the catalog", "without it"]) {
    for (const [name, verb] of Object.entries(verbs)) {
      for (const [option, glob, hint] of [
        ["--feed", "invrese", /no feed 'invrese': did you mean 'inverse'\?/],
        ["--feed", "nosuch", /no feed 'nosuch': 'tapedeck info' lists feeds/],
        ["--topic", "trades", /no topic 'trades': did you mean 'trade'(, 'trade\.\w+')*\?/],
        ["--symbol", "btcusd", /no symbol 'btcusd': did you mean 'BTCUSD'/],
      ]) {
        const end = await tapedeck(t, [...verb, option, glob], { status: 4 });
        assert.match(end.stderr, NOTHING, `${name} ${round}`);
        assert.match(end.stderr, hint, `${name} ${round}`);
        assert.equal(end.stdout, "", name);
      }
    }
    for (const verb of [
      ["prune", "--dry-run"],
      ["prune", "--older-than", "1d"],
    ]) {
      const end = await tapedeck(t, [...verb, "-a", archive, "--feed", "lineer"], { status: 4 });
      assert.match(end.stderr, NOTHING, verb[0]);
      assert.match(end.stderr, /no feed 'lineer': did you mean 'linear'\?/, verb[0]);
    }
    // Another feed's symbols are not symbols of this feed.
    assert.match(
      (
        await tapedeck(t, ["cat", "-a", archive, "--feed", "linear", "--symbol", "BTCUSD"], {
          status: 4,
        })
      ).stderr,
      /no symbol 'BTCUSD'/
    );
    deleteCatalog(archive);
  }
});

test("of several names each has frames, or was asked for, or is refused", async (t) => {
  const archive = await archiveOf(t);
  const out = path.join(temporary(t), "set");
  const verbs = [
    ["replay"],
    ["cat"],
    ["gaps"],
    ["days"],
    ["latency"],
    ["drift"],
    ["cut", "-o", path.join(temporary(t), "cut.mcap")],
    ["export", "--format", "jsonl", "--out", out],
    ["serve", "--plain", "--listen", "127.0.0.1:0"],
  ];
  for (const [verb, ...more] of verbs)
    for (const [names, text] of [
      [
        ["--symbol", "BTCUSD", "--symbol", "BTCUSDT"],
        /no frame of symbol 'BTCUSDT', which the selection names\n.*did you mean 'BTCUSD'/,
      ],
      [["--topic", "trade", "--topic", "tickers"], /no frame of topic 'tickers'/],
      [["--feed", "inverse", "--feed", "inverse2"], /no frame of feed 'inverse2'/],
      // A symbol of another feed.
      [
        ["--feed", "inverse", "--symbol", "BTCUSD", "--symbol", "ETHUSDT"],
        /no frame of symbol 'ETHUSDT'/,
      ],
    ]) {
      const end = await tapedeck(t, [verb, ...more, "-a", archive, ...names], { status: 4 });
      assert.match(end.stderr, text, verb);
      assert.ok(!fs.existsSync(out));
    }
  for (const verb of ["replay", "cat"])
    await tapedeck(t, [verb, "-a", archive, "--symbol", "BTCUSD", "--symbol", "SOL*"]);
});

test(
  "a topic that was granted and is silent is no wrong name",
  { skip: withoutRecorded(V5) },
  async (t) => {
    const archive = path.join(temporary(t), "tape");
    await tapedeck(t, ["import", "-q", "-a", archive, capture(V5)]);
    const named = ["-a", archive, "--topic", "tickers", "--topic", "allLiquidation"];
    assert.match((await tapedeck(t, ["replay", ...named])).stdout, /4 topics unproven/);
  }
);

test("a name that the archive has is no error, even without frames", async (t) => {
  const archive = await archiveOf(t);
  for (const verb of [["gaps"], ["prune", "--before", "2020-01-01"]])
    await tapedeck(t, [...verb, "-a", archive, "--feed", "linear"]);
  for (const verb of [["ls"], ["cat"], ["gaps"]]) await tapedeck(t, [...verb, "-a", archive]);
  await tapedeck(t, ["cat", "-a", archive, "--feed", "linear", "--dir", "out"]);
  // A feed that was pruned is known.
  await tapedeck(t, ["prune", "-a", archive, "--feed", "linear"]);
  await tapedeck(t, ["prune", "-a", archive, "--feed", "linear"]);
  // An archive without a frame, and without a subscription.
  const empty = path.join(temporary(t), "tape");
  fs.mkdirSync(empty);
  for (const verb of [["ls"], ["cat"], ["gaps"]])
    await tapedeck(t, [...verb, "-a", empty], { status: null });
});

test("a time range without frames is reported with the recorded range", async (t) => {
  const archive = await archiveOf(t);
  for (const verb of ["cat", "gaps", "ls", "replay"]) {
    const end = await tapedeck(
      t,
      [verb, "-a", archive, "--feed", "linear", "--from", "2022-01-01"],
      { status: 4 }
    );
    assert.match(
      end.stderr,
      /no frame in the archive matches the selection: nothing of it was recorded in that time\n.*feed linear has frames from 2021-04-17T12:00:00/
    );
  }
});

test("reading a recording that never connected ends with 4", async (t) => {
  const archive = path.join(temporary(t), "tape");
  // Bound and not listening: connections are refused, and no other process gets the port.
  const holder = net.createServer();
  await new Promise((resolve) => holder.listen(0, "127.0.0.1", resolve));
  const { port } = holder.address();
  await new Promise((resolve) => holder.close(resolve));
  const args = [
    `ws://127.0.0.1:${port}/realtime`,
    "--family",
    "inverse",
    "--topic",
    "trade.BTCUSD",
  ];
  const stopped = new Recorder(t, archive, args);
  await stopped.prints(/refused/i);
  const end = await stopped.kill("SIGTERM");
  assert.equal(end.code, 4, end.stderr);
  assert.match(end.stderr, /no connection was ever established/);
  assert.equal(stopped.summary().frames, 0);
  const timed = await tapedeck(t, ["record", "-a", archive, ...args, "--duration", "200ms"], {
    status: 4,
  });
  assert.match(timed.stderr, /no connection was ever established/);
  await tapedeck(t, ["verify", "-a", archive]);
});
