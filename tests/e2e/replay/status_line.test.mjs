// The status lines of record and replay: never wider than the terminal, also after a change of its size; the keys of a replay;
// and the terminal's mode after it. Expected:
// docs/design.md ("Status line"), docs/replay.md ("Pace").
import assert from "node:assert/strict";
import path from "node:path";
import { describe, test } from "node:test";
import { importLines, json, listening, temporary, tooLong } from "../support/harness.mjs";
import { feedArgs } from "../support/recorders.mjs";
import { statusLines, Terminal } from "./terminal.mjs";

const START = 1618677785; // 2021-04-17T16:43:05Z
const GAP_S = 421 * 86400;
const SIGINT = 2,
  SIGTERM = 15,
  SIGTSTP = 20;

const frame = (seq) =>
  JSON.stringify({
    topic: "trade.BTCUSD",
    data: [
      {
        trade_time_ms: START * 1000 + seq,
        timestamp: "2021-04-17T16:43:05.000Z",
        symbol: "BTCUSD",
        side: "Buy",
        size: 5,
        price: 7.5,
        tick_direction: "PlusTick",
        trade_id: `558a0af8-ca11-5c5c-9b88-${String(seq).padStart(12, "0")}`,
        cross_seq: seq,
      },
    ],
  });

/** An archive whose two frames are 421 days apart. */
function longGap(t) {
  const end = START + GAP_S;
  return importLines(
    t,
    [
      `wss://test/realtime <-> ${START}.0`,
      `${START}.5: ${frame(1)}`,
      `${end}.5: ${frame(2)}`,
      `wss://test/realtime <-> ${end + 1}.0`,
    ],
    { format: "cryptofeed", family: "inverse" }
  );
}

const WAITING = /waiting 42[01] d[^;]* until 2022-06-12T16:43:05\.500Z; press f to skip/;

/** A replay in its long wait. */
async function waiting(t, dir, columns, options) {
  const archive = await longGap(t);
  const replay = new Terminal(
    t,
    dir,
    columns,
    "tapedeck-replay",
    ["replay", "-a", archive, "--speed", "1", "--json"],
    options
  );
  await replay.shows(WAITING);
  return { archive, replay };
}

function fits(screen, columns) {
  const lines = statusLines(screen);
  assert.ok(lines.length > 0, JSON.stringify(screen));
  for (const line of lines)
    assert.ok(line.length < columns, `${line.length} of ${columns} columns: ${line}`);
  return lines;
}

describe("status lines", { concurrency: 2 }, () => {
  test("record's status line fits, follows the terminal's size, and is redrawn after a log line", async (t) => {
    const dir = temporary(t);
    const server = await listening(
      t,
      ["sim", "--families", "inverse", "--symbols", "1", "--rate", "200"],
      dir
    );
    const record = new Terminal(t, dir, 100, "tapedeck-record", [
      "record",
      "-a",
      path.join(dir, "tape"),
      ...feedArgs(server, "inverse"),
    ]);
    const [, rate] = await record.shows(
      /\r1\/1 feeds live  ([1-9][\d,]*) frames\/s  [\d.]+ [KM]?i?B\/s  [\d.]+ (?:m?s|m)[^\r]*  0 gaps  lag [\d.]+ m?s/
    );
    assert.ok(Number(rate.replaceAll(",", "")) > 0);
    const first = fits(record.screen, 100);
    assert.ok(
      first.some((line) => / frames(?!\/)/.test(line)),
      first.at(-1)
    );
    const at = record.screen.length;
    record.command("size 30");
    const found = await record.shows(/\r1\/1 feeds live(?:  [\d,]+ frames\/s)?\x1b\[K/, at);
    fits(record.screen.slice(at + found.index), 30);
    // A log line has a line of its own, and the status line is redrawn at once.
    const before = record.screen.length;
    await server.program.kill("SIGTERM");
    await record.shows(/\r\x1b\[K[^\r\n]*closed[^\r\n]*\r?\n\r[01]\/1 feeds live/, before);
    await record.shows(/\r0\/1 feeds live[^\r]*\x1b\[K/, before);
    record.command("size 100");
    await record.shows(/\r0\/1 feeds live[^\r]*  1 gap  /, before);
    record.command(`signal ${SIGTERM}`);
    const end = await record.end();
    assert.equal(end.status, 0, record.screen);
    assert.doesNotMatch(record.screen.slice(-200).split("\n").at(-1), /live/); // wiped
  });

  test("replay shows a long wait; f skips it, and nothing else changes", async (t) => {
    const dir = temporary(t);
    const { archive, replay } = await waiting(t, dir, 78);
    fits(replay.screen, 78);
    assert.equal(await replay.modes(), "raw");
    const at = replay.screen.length;
    replay.command("size 31");
    const found = await replay.shows(/\r[^\r]{1,30}\x1b\[K\r[^\r]{1,30}\x1b\[K/, at);
    fits(replay.screen.slice(at + found.index), 31);
    replay.command("keys f");
    const end = await replay.end();
    assert.equal(end.mode, "line");
    const plain = await json(t, ["replay", "-a", archive, "--json"], { status: null });
    const paced = JSON.parse(end.stdout);
    assert.deepEqual(paced.digest, plain.digest);
    assert.deepEqual(paced.totals, plain.totals);
    assert.ok(Object.keys(plain.digest).length > 0);
  });

  test("replay restores the terminal's mode at every end", async (t) => {
    const dir = temporary(t);
    const { archive, replay } = await waiting(t, dir, 80);
    assert.equal(await replay.modes(), "raw");
    // Stopped: the shell has its terminal. Continued: keys work.
    replay.command(`signal ${SIGTSTP}`);
    assert.equal((await replay.reports(/stopped (line|raw)/))[1], "line");
    const at = replay.screen.length;
    replay.command("continue");
    await replay.shows(WAITING, at);
    while ((await replay.modes()) !== "raw");
    replay.command(`signal ${SIGTERM}`);
    assert.equal((await replay.end()).mode, "line");
    for (const act of [
      (program) => program.command(`signal ${SIGINT}`),
      (program) => program.command("keys \x03"),
      (program) => program.command("keys q"),
    ]) {
      const again = new Terminal(t, dir, 80, "tapedeck-replay", [
        "replay",
        "-a",
        archive,
        "--speed",
        "1",
        "--json",
      ]);
      await again.shows(WAITING);
      assert.equal(await again.modes(), "raw");
      act(again);
      assert.equal((await again.end()).mode, "line");
    }
  });

  test("a replay that starts in the background reads keys once it is in the foreground", async (t) => {
    const { replay } = await waiting(t, temporary(t), 80, { inBackground: true });
    assert.equal(await replay.modes(), "line");
    replay.command("continue");
    while ((await replay.modes()) !== "raw");
    replay.command("keys q");
    assert.equal((await replay.end()).mode, "line");
  });

  test("replay shows the played part and the remaining time, by the bytes of the segments", async (t) => {
    const dir = temporary(t);
    const lines = Array.from({ length: 8 }, (_, i) => `${START + i}.0: ${frame(i + 1)}`);
    const archive = await importLines(t, [`wss://test/realtime <-> ${START}.0`, ...lines], {
      format: "cryptofeed",
      family: "inverse",
    });
    const replay = new Terminal(t, dir, 100, "tapedeck-replay", [
      "replay",
      "-a",
      archive,
      "--speed",
      "2",
      "--json",
    ]);
    await replay.shows(/\r\d+ % {2}2021-04-17T16:43:0/);
    const [, left] = await replay.shows(/\r[1-9]\d % {2}([1-3]) s left {2}2021-04-17T16:43:0/);
    assert.ok(Number(left) > 0);
    assert.equal((await replay.end()).mode, "line");
  });

  test("keys and arrows step, go back and play on; the report is that of an undisturbed replay", async (t) => {
    const dir = temporary(t);
    const archive = await longGap(t);
    const replay = new Terminal(t, dir, 120, "tapedeck-replay", [
      "replay",
      "-a",
      archive,
      "--start-paused",
      "--json",
    ]);
    await replay.shows(/speed max {2}paused/);
    assert.equal(await replay.modes(), "raw");
    for (const keys of ["\x1b[C.", "\x1b[D,", "bf", "\x1bOB\x1b[A"]) {
      // two on, two back, both again, slower and faster: full speed stays
      const at = replay.screen.length;
      replay.command(`keys ${keys}`);
      await replay.shows(/speed max {2}paused/, at);
    }
    replay.command("keys  ");
    const end = await replay.end();
    const plain = await json(t, ["replay", "-a", archive, "--json"], { status: null });
    const controlled = JSON.parse(end.stdout);
    assert.deepEqual(
      [controlled.digest, controlled.totals, controlled.stopped],
      [plain.digest, plain.totals, false]
    );
  });

  test("with replay --loop the line starts again each time", { skip: tooLong }, async (t) => {
    const dir = temporary(t);
    const lines = Array.from(
      { length: 9000 },
      (_, i) => `${START}.${String(i).padStart(4, "0")}: ${frame(i + 1)}`
    );
    const archive = await importLines(t, [`wss://test/realtime <-> ${START}.0`, ...lines], {
      format: "cryptofeed",
      family: "inverse",
    });
    const replay = new Terminal(t, dir, 120, "tapedeck-replay", [
      "replay",
      "-a",
      archive,
      "--loop",
      "--json",
    ]);
    await replay.shows(/(?:\r[^\r]*speed max[^\r]*frames\/s[^\r]*){120}/);
    replay.command(`signal ${SIGINT}`);
    assert.ok([0, 1].includes((await replay.end()).status), replay.screen); // 0: at the end of a run
  });

  test("replay at full speed reads no keys", async (t) => {
    const dir = temporary(t);
    const archive = await longGap(t);
    const replay = new Terminal(t, dir, 80, "tapedeck-replay", ["replay", "-a", archive]);
    const end = await replay.end();
    assert.equal(end.mode, "line");
    assert.doesNotMatch(replay.screen, /press f/);
  });
});
