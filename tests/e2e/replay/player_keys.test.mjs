// Keys control a replay: after any pauses, steps, steps back, jumps and speeds it shows the same frames and books at the same
// position, and ends with the report of an undisturbed replay.
// Expected: docs/replay.md ("Control").
import assert from "node:assert/strict";
import path from "node:path";
import { after, describe, test } from "node:test";
import {
  capture,
  captureLines,
  Program,
  importLines,
  segments,
  tapedeck,
  temporary,
  tooLong,
  wholeFile,
  withoutCapture,
} from "../support/harness.mjs";
import { randomNumbers } from "../support/recorders.mjs";
import { Terminal } from "./terminal.mjs";
import { Tmux, withoutTmux } from "../support/tmux.mjs";

const CAPTURE = "linear-2021-04-17.jsonl.gz";
const skip = withoutCapture(CAPTURE);
const KEYS = 40;

const shared = temporary(wholeFile(after));

/** Made at the first call; replays change nothing in it. */
const once = (make) => {
  let cached;
  return (...args) => (cached ??= make(...args));
};

const imported = once(async () => {
  const archive = path.join(shared, "tape");
  await tapedeck(null, ["import", "-q", "-a", archive, "--family", "linear", capture(CAPTURE)]);
  return archive;
});

/** The same capture with hours for seconds: a segment, and so a checkpoint, for each hour. */
const importedHours = once(async () => {
  const archive = path.join(shared, "hours");
  const time = /^(\S+ <->? )?(\d+\.\d+)/;
  let first;
  const lines = captureLines(CAPTURE).map((line) =>
    line.replace(time, (_, before, seconds) => {
      first ??= Number(seconds);
      return `${before ?? ""}${(first + (Number(seconds) - first) * 3600).toFixed(3)}`;
    })
  );
  await importLines(null, lines, { archive, format: "cryptofeed", family: "linear" });
  assert.ok(segments(archive).length > 5);
  return archive;
});

/** The report on a tape without its speed. */
const findings = (text) =>
  /^Complete: [^]*\nComplete: .*$/m.exec(
    text.replace(/^tapedeck replay: .*\n|\nPace: .*\n/gm, "")
  )[0];

/** A replay on a terminal that shows its screen, and after it the report as in a pipe. */
class Player {
  constructor(t, archive, args = []) {
    this.terminal = new Tmux(t, ["replay", archive, "--start-paused", "-v", ...args], {
      columns: 400,
      rows: 100,
    });
    this.terminal.shows(/frame 0 {2}paused {2}speed max/);
    this.speed = "max";
    this.frames = 0;
  }

  /** Press a key, and then one that changes the shown speed, which proves that both were read: {frames, state, met, shown}. */
  press(key) {
    const speed = this.speed === "max" ? "1" : "max";
    this.terminal.keys(key, speed === "max" ? "m" : "1");
    const rows = this.terminal.rests(
      new RegExp(` frame \\d+ {2}(paused|end of the tape) {2}speed ${speed}\\b`)
    );
    this.speed = speed;
    return this.position(rows);
  }

  position(rows) {
    const [, frames, state, met] = / frame (\d+) {2}(.+?) {2}speed .*?(?: {2}met: (.*))?$/.exec(
      rows[0]
    );
    const shown = rows
      .slice(2)
      .join("\n")
      .replace(/\n(space: |tapedeck replay: )[^]*/, ""); // -v writes over the keys
    this.frames = Number(frames);
    return { frames: this.frames, state, met: met ?? null, shown };
  }

  /** Play on to the next break. */
  next() {
    this.terminal.keys("m", " ");
    this.speed = "max";
    return this.position(
      this.terminal.rests(
        new RegExp(` frame (?!${this.frames} )\\d+ {2}paused {2}speed max {2}met: `)
      )
    );
  }

  /** Play on to the end. Returns the terminal's text. */
  end() {
    this.terminal.keys("m", " ");
    return this.terminal.shows(/^status \d/m).join("\n");
  }
}

/** Receive times of the frames that a replay of the selection plays. */
async function receiveTimes(t, archive, selection) {
  const { stdout } = await tapedeck(t, ["cat", archive, ...selection]);
  return [...stdout.matchAll(/^\{.*?"recv_ns":(\d+)/gm)].map(([, ns]) => BigInt(ns));
}

const JUMP_NS = 10_000_000_000n;

/** The position after a key at this position, in frames (docs/replay.md, "Control"). */
function leadsTo(key, frames, times) {
  const at = frames > 0 ? times[frames - 1] : times[0],
    last = times.length;
  const before = (ns) => times.filter((time) => time < ns).length;
  switch (key) {
    case ".":
      return Math.min(frames + 1, last);
    case ",":
      return Math.max(frames - 1, 0);
    case "f":
      return frames === last
        ? last
        : before(at + JUMP_NS > times[frames] ? at + JUMP_NS : times[frames] + 1n);
    case "b":
      return before(at - JUMP_NS);
  }
}

describe("a controlled replay", { concurrency: 2 }, () => {
  const seconds = ["seconds", imported],
    hours = ["hours", importedHours];
  const runs = [
    [1, false, ...seconds],
    [3, tooLong, ...seconds, "--from", "+2s", "--to", "+3s"],
    [4, false, ...hours],
    [6, tooLong, ...hours, "--from", "+2h", "--symbol", "L*"],
  ];
  for (const [seed, long, what, make, ...selection] of runs) {
    test(
      `random keys end with the same report (seed ${seed}, ${what}) ${selection.join(" ")}`,
      { skip: skip || withoutTmux || long },
      async (t) => {
        const archive = await make();
        const plain = (await tapedeck(t, ["replay", archive, "-v", ...selection], { status: null }))
          .stdout; // trades of a symbol may be silent
        const times = await receiveTimes(t, archive, selection);
        const random = randomNumbers(seed);
        const player = new Player(t, archive, selection);
        const shown = new Map(); // position -> frame and book
        let at = { frames: 0 };
        for (let i = 0; i < KEYS; i++) {
          const before = at.frames;
          const key = [".", ".", ",", ",", "f", "b", "play"][Math.floor(random() * 7)];
          if (key === "play" && before < times.length / 2) {
            player.terminal.keys("1", "-", "-", "-", "-", " ");
            player.terminal.shows(/ playing {2}speed 0\.0625/);
            player.speed = "0.0625";
            at = player.press(" ");
            assert.ok(at.frames >= before);
          } else if (key !== "play") {
            at = player.press(key);
            assert.equal(at.frames, leadsTo(key, before, times), `${key} after frame ${before}`);
          }
          assert.equal(
            at.state ?? "paused",
            at.frames === times.length ? "end of the tape" : "paused"
          );
          assert.equal(
            shown.get(at.frames) ?? at.shown,
            at.shown,
            `frame ${at.frames} after ${key}`
          );
          shown.set(at.frames, at.shown);
        }
        assert.ok(shown.size > 5);
        assert.equal(findings(player.end()), findings(plain));
      }
    );
  }

  test(
    "breaks are met at the same frames after a jump back to any checkpoint",
    { skip: skip || withoutTmux },
    async (t) => {
      const archive = await importedHours();
      const breaks = ["--break", "spread>0.01", "--break", "topic=trade", "--break", "rule=*"];
      const player = new Player(t, archive, breaks);
      const met = [];
      // Never plays to the end, because there the replay ends.
      for (let at = player.next(); met.length < 25; at = player.next()) met.push(at);
      const random = randomNumbers(7);
      for (let i = 0; i < 10; i++) {
        const { frames } = player.press("b".repeat(1 + Math.floor(2000 * random())));
        assert.deepEqual(
          player.next(),
          met.find((at) => at.frames > frames)
        );
      }
    }
  );

  test(
    "--messages prints frames again that are played again, and not the frames before them",
    { skip },
    async (t) => {
      const archive = await imported();
      const plain = (await tapedeck(t, ["replay", archive, "--messages"])).stdout
        .trimEnd()
        .split("\n");
      const replay = new Terminal(t, temporary(t), 200, "tapedeck", [
        "replay",
        archive,
        "--messages",
        "--start-paused",
      ]);
      await replay.shows(/paused .* 0 frames/);
      for (const [keys, shown] of [
        ["...", / 3 frames /],
        [",,", / 1 frame /],
      ]) {
        const from = replay.screen.length;
        replay.command(`keys ${keys}`);
        await replay.shows(shown, from);
      }
      replay.command("keys  ");
      assert.deepEqual((await replay.end()).stdout.trimEnd().split("\n"), [
        ...plain.slice(0, 3),
        ...plain.slice(1),
      ]);
    }
  );

  test("q ends a replay at its position", { skip: skip || withoutTmux }, async (t) => {
    const player = new Player(t, await imported());
    player.press(".");
    player.terminal.keys("q");
    assert.match(
      player.terminal.shows(/^status \d/m).join("\n"),
      /^Replayed 1 frame [^]*^Complete: no, stopped before the end\.\nstatus 1$/m
    );
  });

  test("--loop repeats the tape", { skip }, async (t) => {
    const archive = await imported();
    const plain = (await tapedeck(t, ["replay", archive, "--messages"])).stdout
      .trimEnd()
      .split("\n");
    const loop = new Program(t, "tapedeck", ["replay", archive, "--messages", "--loop"]);
    await loop.until(
      new Promise((resolve) =>
        loop.waiting.push(() => loop.lines.length >= 2.5 * plain.length && (resolve(), true))
      )
    );
    await loop.kill("SIGINT"); // status 1 or, at the end of a run, 0
    const wanted = Array.from({ length: loop.lines.length }, (_, i) => plain[i % plain.length]);
    assert.deepEqual(loop.lines, wanted);
  });

  test("--start-paused without a terminal is refused", { skip }, async (t) => {
    const archive = await imported();
    const paused = await tapedeck(t, ["replay", archive, "--start-paused"], { status: 2 });
    assert.match(paused.stderr, /--start-paused: nothing can resume the replay without a terminal/);
  });
});
