// A replay that is controlled: whatever the order of pauses, steps, steps back, seeks and speeds, it shows the same
// frames and books at the same position, and ends with the digests of a replay that nothing disturbed.
// Expected: docs/replay.md ("Control").
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { after, describe, test } from "node:test";
import { capture, captureLines, json, jsonLines, Program, segments, tapedeck, temporary, wholeFile, withoutCapture } from "./lib.mjs";
import { randomNumbers } from "./live.mjs";

const CAPTURE = "linear-2021-04-17.jsonl.gz";
const skip = withoutCapture(CAPTURE);
const COMMANDS = 60;

const shared = temporary(wholeFile(after));

/** Made at the first call; replays change nothing in it. */
const once = (make) => {
  let made;
  return (...args) => (made ??= make(...args));
};

const imported = once(async () => {
  const archive = path.join(shared, "tape");
  await tapedeck(null, ["import", "-q", "-a", archive, "--family", "linear", capture(CAPTURE)]);
  return archive;
});

/** The same with its seconds as hours: a segment, and so a checkpoint, for each hour. */
const importedHours = once(async () => {
  const archive = path.join(shared, "hours"), file = path.join(shared, "hours.txt");
  const time = /^(\S+ <->? )?(\d+\.\d+)/;
  let first;
  const lines = captureLines(CAPTURE).map((line) => line.replace(time, (_, before, seconds) => {
    first ??= Number(seconds);
    return `${before ?? ""}${(first + (Number(seconds) - first) * 3600).toFixed(3)}`;
  }));
  fs.writeFileSync(file, lines.map((line) => `${line}\n`).join(""));
  await tapedeck(null, ["import", "-q", "-a", archive, "--format", "cryptofeed", "--family", "linear", file]);
  assert.ok(segments(archive).length > 5);
  return archive;
});

/** A replay with --control; each command is answered by a line. */
class Player extends Program {
  constructor(t, archive, args = []) {
    super(t, "tapedeck", ["replay", archive, "--start-paused", "--control", "--json", ...args], { stdin: true });
    this.taken = 0;
  }

  /** The next line of standard output, as an object; times are exact, as BigInt, in place of numbers. */
  async answer() {
    while (this.lines.length <= this.taken) await this.until(new Promise((resolve) => this.waiting.push(() => (resolve(), true))));
    return JSON.parse(this.lines[this.taken++].replace(/"recv_ns":(\d+)/g, '"recv_ns":"$1"'));
  }

  command(text) {
    this.child.stdin.write(`${text}\n`);
    return this.answer();
  }

  /** The report, after the last command. */
  async report(last) {
    this.child.stdin.write(`${last}\n`);
    const { stdout } = await this.ended;
    return JSON.parse(stdout.trimEnd().split("\n").at(-1));
  }
}

const sameAs = (plain, report) => {
  assert.deepEqual(report.digest, plain.digest);
  for (const key of ["frames", "decoded", "topics", "continuity", "books", "verdict", "stopped"]) assert.deepEqual(report[key], plain[key], key);
};

describe("a controlled replay", { concurrency: 2 }, () => {
  const seconds = ["seconds", imported], hours = ["hours", importedHours];
  const runs = [[1, ...seconds], [3, ...seconds, "--from", "+2s", "--to", "+3s"], [4, ...hours], [6, ...hours, "--from", "+2h", "--symbol", "L*"]];
  for (const [seed, what, make, ...selection] of runs) {
    test(`random commands end with the same digests (seed ${seed}, ${what}) ${selection.join(" ")}`, { skip }, async (t) => {
      const archive = await make();
      const plain = await json(t, ["replay", archive, "--json", ...selection]);
      const random = randomNumbers(seed);
      const player = new Player(t, archive, selection);
      const shown = new Map(); // position -> frame and book
      let at = await player.command("status");
      for (let i = 0; i < COMMANDS; i++) {
        const before = at;
        const command = ["step", "step", "back", "back", "seek", "speed", "play"][Math.floor(random() * 7)];
        if (command === "step") {
          at = await player.command("step");
          assert.equal(at.frames, Math.min(before.frames + 1, plain.frames));
        } else if (command === "back") {
          at = await player.command("back");
          assert.equal(at.frames, Math.max(before.frames - 1, 0));
        } else if (command === "seek") {
          const to = BigInt(plain.first_recv_ns) + BigInt(Math.floor(random() * 1.1 * (plain.last_recv_ns - plain.first_recv_ns)));
          at = await player.command(`seek ${to}`);
          if (at.frame !== null) assert.ok(BigInt(at.frame.recv_ns) < to);
          const next = await player.command("step");
          if (at.state !== "end") assert.ok(BigInt(next.frame.recv_ns) >= to);
          at = next;
        } else if (command === "speed") {
          at = await player.command(`speed ${["max", "1", "20", "0.5"][Math.floor(random() * 4)]}`);
          assert.equal(at.frames, before.frames);
        } else if (at.state !== "end") {
          assert.equal((await player.command("resume")).state, "playing");
          at = await player.command("pause"); // or the line of the end, which came first
          if (at.state === "end") assert.equal((await player.answer()).state, "end");
          assert.ok(at.frames >= before.frames);
        }
        const one = JSON.stringify(at.frame);
        assert.equal(shown.get(at.frames) ?? one, one, `frame ${at.frames} after ${command}`);
        shown.set(at.frames, one);
      }
      assert.ok(shown.size > COMMANDS / 4);
      if (at.state !== "end") {
        await player.command("speed max");
        await player.command("resume");
        at = await player.answer();
      }
      assert.deepEqual([at.state, at.frames], ["end", plain.frames]);
      sameAs(plain, await player.report("quit"));
    });
  }

  test("breaks are met at the same frames after a return to any checkpoint", { skip }, async (t) => {
    const archive = await importedHours();
    const player = new Player(t, archive, ["--break", "spread>0.01", "--break", "topic=trade", "--break", "rule=*"]);
    const met = [];
    for (let at = { state: "" }; at.state !== "end"; met.push(at)) {
      await player.command("resume");
      at = await player.answer();
    }
    assert.ok(met.length > 25);
    const random = randomNumbers(7);
    for (let i = 0; i < 20; i++) {
      const { frames } = await player.command(`seek +${6.5 * random()}h`);
      await player.command("resume");
      assert.deepEqual(await player.answer(), met.find((at) => at.frames > frames || at.state === "end"));
    }
    player.child.stdin.end();
    await player.ended;
  });

  test("commands that come all at once are run in order; at their end the replay plays on", { skip }, async (t) => {
    const archive = await imported();
    const plain = await json(t, ["replay", archive, "--json"]);
    const { stdout } = await tapedeck(t, ["replay", archive, "--start-paused", "--control", "--json"],
      { stdin: "seek +1s\nseek +1d\nback\nfly\nseek tomorrow\nspeed 0\nstep\nresume" });
    const lines = stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
    assert.deepEqual(lines.map((line) => line.state ?? (line.error ? "error" : "report")),
      ["paused", "end", "paused", "error", "error", "error", "end", "end", "report"]);
    assert.equal(lines[2].frames, plain.frames - 1);
    assert.match(lines[3].error, /'fly': expected pause/);
    sameAs(plain, lines.at(-1));
  });

  test("with --messages frames that are played again are printed again, not those before them", { skip }, async (t) => {
    const archive = await imported();
    const plain = await jsonLines(t, ["replay", archive, "--messages"]);
    const { stdout } = await tapedeck(t, ["replay", archive, "--messages", "--start-paused", "--control"],
      { stdin: "step\nstep\nstep\nback\nback\nresume\n" });
    const messages = stdout.trimEnd().split("\n").map((line) => JSON.parse(line)).filter((line) => line.state === undefined);
    assert.deepEqual(messages, [...plain.slice(0, 3), ...plain.slice(1)]);
  });

  test("quit ends a replay where it is", { skip }, async (t) => {
    const player = new Player(t, await imported());
    await player.command("step");
    const report = await player.report("quit");
    assert.deepEqual([report.frames, report.stopped], [1, true]);
    assert.equal((await player.ended).code, 1);
  });

  test("--loop plays the tape again and again", { skip }, async (t) => {
    const archive = await imported();
    const plain = (await tapedeck(t, ["replay", archive, "--messages"])).stdout.trimEnd().split("\n");
    const loop = new Program(t, "tapedeck", ["replay", archive, "--messages", "--loop"]);
    await loop.until(new Promise((resolve) => loop.waiting.push(() => loop.lines.length >= 2.5 * plain.length && (resolve(), true))));
    await loop.kill("SIGINT"); // status 1 or, at the end of a run, 0
    const wanted = Array.from({ length: loop.lines.length }, (_, i) => plain[i % plain.length]);
    assert.deepEqual(loop.lines, wanted);
  });

  test("what makes no sense is refused", { skip }, async (t) => {
    const archive = await imported();
    const paused = await tapedeck(t, ["replay", archive, "--start-paused"], { status: 2 });
    assert.match(paused.stderr, /--control/);
    const loop = await tapedeck(t, ["replay", archive, "--loop", "--sink", "plugin=x.so"], { status: 2 });
    assert.match(loop.stderr, /--loop and --sink/);
  });
});
