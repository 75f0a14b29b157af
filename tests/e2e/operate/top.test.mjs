// A screen of a running recorder, on a terminal. Expected: docs/recording.md ("A running recorder"), and ctl's status.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import path from "node:path";
import { test } from "node:test";
import { BIN, json, Program, tapedeck, temporary } from "../support/harness.mjs";
import { feedArgs, Recorder, simulator } from "../support/recorders.mjs";

const SCRIPT = spawnSync("sh", ["-c", "command -v script"], { encoding: "utf8" }).stdout.trim();
const withoutTerminal =
  spawnSync("script", ["-qec", "true", "/dev/null"]).status === 0
    ? false
    : "needs script(1) for a terminal";

test(
  "ctl top shows rates, feeds and the machine once a second, until the recorder ends",
  { skip: withoutTerminal },
  async (t) => {
    const dir = temporary(t),
      archive = path.join(dir, "tape");
    const server = await simulator(t, dir, [
      "--families",
      "inverse",
      "--symbols",
      "1",
      "--rate",
      "100",
    ]);
    const recorder = new Recorder(t, archive, [
      ...feedArgs(server, "inverse", ["trade.*"]),
      "--commit-interval",
      "100ms",
    ]);
    await recorder.durableAfter(3);
    const top = new Program(t, SCRIPT, [
      "-qec",
      `export TERM=xterm; stty rows 30 cols 100; exec ${path.resolve(BIN, "tapedeck")} ctl ${archive} top`,
      "/dev/null",
    ]);
    await top.line((line) => /^memory/.test(line));
    // The exchange sends a hundred a second; a busy machine has seconds with more and with fewer.
    const ROW = /^inverse +(\S.*?) +(\d+) +(\d+) +(\d+) +([\d,]+) +([\d,]+) /m;
    await top.line((line) => {
      const [, , , , , rate, frames] = (ROW.exec(line) ?? []).map((text) =>
        text.replaceAll(",", "")
      );
      return Number(frames) > 300 && Number(rate) > 50 && Number(rate) < 150;
    });
    await top.line((line) => /^memory/.test(line));
    const status = await json(t, ["ctl", archive, "status", "--json"]);
    assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
    const { code, stdout } = await top.ended;
    assert.equal(code, 4, stdout);
    const screens = stdout.replaceAll("\r", "").split("\x1b[H\x1b[J").slice(1);
    assert.ok(screens.length >= 2);
    const [, live, connections, of, topics, , frames] = ROW.exec(screens[1]);
    assert.deepEqual(
      [live.replaceAll(/\x1b\[\d*m/g, ""), connections, of, topics],
      ["live", "1", "1", "1"]
    );
    assert.ok(Number(frames.replaceAll(",", "")) <= status.frames);
    assert.match(
      screens[1],
      /^\d+ frames\/s .*\n0 gaps {2}0 books broken {2}0 frames dropped\ndurable after \S+ \S+, at most .*ring \d+ %\nmemory [\d.]+ MiB {2}disk .* free of .*\n/m
    );
  }
);

test(
  "ctl top shows several recorders, and the error of one that has ended, until all have",
  { skip: withoutTerminal },
  async (t) => {
    const dir = temporary(t);
    const server = await simulator(t, dir, ["--families", "inverse", "--symbols", "1"]);
    const [east, west] = ["east", "west"].map((name) => path.join(dir, name));
    const recorders = [east, west].map(
      (archive) =>
        new Recorder(t, archive, [
          ...feedArgs(server, "inverse", ["trade.*"]),
          "--commit-interval",
          "100ms",
        ])
    );
    for (const recorder of recorders) await recorder.durableAfter(1);
    const top = new Program(t, SCRIPT, [
      "-qec",
      `export TERM=xterm; stty rows 30 cols 100; exec ${path.resolve(BIN, "tapedeck")} ctl ${east} ${west} top`,
      "/dev/null",
    ]);
    const CLEAR = "\x1b[H\x1b[J";
    /** The latest whole screen, once the next one has begun. */
    const screen = async () => {
      await top.line((line) => line.includes(CLEAR));
      const screens = top.stdout.replaceAll("\r", "").split(CLEAR).slice(1);
      return screens.length > 1 ? screens.at(-2) : screen();
    };
    const shown = (name) => `\\S*/${name}, session \\w+, for [^]*\ninverse [^]*\nmemory .*\n`;
    assert.match(await screen(), new RegExp(`^${shown("east")}\n${shown("west")}$`));
    assert.equal((await recorders[0].kill("SIGTERM")).code, 0);
    await top.line((line) => line.includes(`no recorder runs in '${east}'`));
    const ended = `${east}: no recorder runs in '${east}'\n`;
    assert.match(await screen(), new RegExp(`^${ended}\n${shown("west")}$`));
    assert.equal((await recorders[1].kill("SIGTERM")).code, 0);
    const { code, stdout } = await top.ended;
    assert.equal(code, 4, stdout);
    assert.ok(stdout.includes(`no recorder runs in '${west}'`), stdout);
  }
);

test("ctl top needs a terminal and a recorder", { skip: withoutTerminal }, async (t) => {
  const dir = temporary(t);
  assert.match(
    (await tapedeck(t, ["ctl", dir, "top"], { status: 2 })).stderr,
    /top needs a terminal of at least 10 rows\n.*tapedeck ctl ARCHIVE status/
  );
  assert.match(
    (await tapedeck(t, ["ctl", dir, dir, "stop"], { status: 2 })).stderr,
    /several archives are given: only top shows several/
  );
  const { status, stdout } = spawnSync(
    "script",
    [
      "-qec",
      `export TERM=xterm; stty rows 30 cols 100; exec ${path.resolve(BIN, "tapedeck")} ctl ${dir} top`,
      "/dev/null",
    ],
    { encoding: "utf8" }
  );
  assert.equal(status, 4);
  assert.match(stdout, /no recorder runs in /);
});
