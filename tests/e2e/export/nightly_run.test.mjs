// The nightly export of docs/recipes.md: three nights, one of them killed, and the archive pruned.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import {
  BIN,
  Program,
  captureLines,
  importLines,
  isManifest,
  run,
  tapedeck,
  temporary,
  withoutCapture,
} from "../support/harness.mjs";

const INVERSE = "inverse-2021-04-17.jsonl.gz";
const DAY_S = 86400;

/** The command of cron, which equals that of the systemd timer. */
function commandOfRecipe() {
  const page = fs.readFileSync("docs/recipes.md", "utf8");
  const [, cron] = /^15 0 \* \* \* tapedeck (export .*)$/m.exec(page);
  const [, unit] = /^ExecStart=\S+\/tapedeck (export .*)$/m.exec(page);
  assert.equal(cron, unit);
  return cron;
}

/** Add a day to the archive: the capture with moved times. */
async function record(t, archive, day) {
  const move = (line) =>
    line.replace(
      /(^|<- |<-> )(\d+)(\.\d+)/,
      (_, before, whole, rest) => `${before}${Number(whole) + day * DAY_S}${rest}`
    );
  const lines = captureLines(INVERSE).map((line) => (line === "" ? line : move(line)));
  await importLines(t, lines, { archive, format: "cryptofeed", family: "inverse" });
}

function filesBelow(dir) {
  const names = fs
    .readdirSync(dir, { recursive: true })
    .filter((name) => fs.statSync(path.join(dir, name)).isFile());
  return Object.fromEntries(
    names.sort().map((name) => [name, fs.readFileSync(path.join(dir, name)).toString("latin1")])
  );
}

test(
  "three nightly runs, one of them killed, equal one run; pruned days stay",
  { skip: withoutCapture(INVERSE) },
  async (t) => {
    const dir = temporary(t),
      [archive, nights, one] = ["tape", "nights", "one"].map((name) => path.join(dir, name));
    const command = (out, yesterday = "2021-04-19") =>
      commandOfRecipe()
        .replace("yesterday", yesterday)
        .replace("/var/lib/tapedeck/tape", archive)
        .replace("/var/lib/tapedeck/daily", out)
        .split(" ");
    const manifests = () => fs.readdirSync(nights).filter(isManifest);
    const tell = (night) =>
      t.diagnostic(
        `${night}: ${manifests().join(" ")}; ${Object.keys(filesBelow(nights)).length} files`
      );
    await record(t, archive, 0);
    const first = await run(t, "tapedeck", command(nights, "2021-04-17"), { status: 0 });
    assert.equal(first.stdout + first.stderr, "");
    // A night after which nothing was recorded is told each time.
    for (let night = 0; night < 2; night++)
      assert.match(
        (await run(t, "tapedeck", command(nights, "2021-04-19"), { status: 1 })).stderr,
        /; all days existed already; nothing was recorded on 2 days that are asked for$/m
      );
    assert.deepEqual(manifests(), ["MANIFEST.2021-04-17.json"]);
    tell("the first night");
    // The second night is killed as soon as it writes something.
    await record(t, archive, 1);
    const killed = new Program(
      t,
      path.join(path.resolve(BIN), "tapedeck"),
      command(nights, "2021-04-18")
    );
    const watcher = fs.watch(
      nights,
      (_, name) => /2021-04-18\.json\.partial$/.test(name) && killed.kill("SIGKILL")
    );
    t.after(() => watcher.close());
    assert.equal((await killed.ended).signal, "SIGKILL");
    assert.ok(!manifests().includes("MANIFEST.2021-04-18.json"));
    tell("the second, killed");
    // The third night exports both days.
    await record(t, archive, 2);
    const third = await run(t, "tapedeck", command(nights), { status: 1 }); // the time between the captures is a gap
    assert.match(
      third.stderr,
      /the selection is not complete: MANIFEST\.2021-04-1\d\.json shows where/
    );
    const again = await run(t, "tapedeck", command(nights), { status: 1 });
    assert.equal(again.stdout + again.stderr, "");
    assert.deepEqual(manifests(), [
      "MANIFEST.2021-04-17.json",
      "MANIFEST.2021-04-18.json",
      "MANIFEST.2021-04-19.json",
    ]);
    tell("the third");
    await run(t, "tapedeck", command(one), { status: 1 });
    assert.deepEqual(filesBelow(nights), filesBelow(one));
    // A run for each night's day gives the same.
    const ranged = path.join(dir, "ranged");
    for (const day of ["2021-04-17", "2021-04-18", "2021-04-19"])
      await run(
        t,
        "tapedeck",
        [
          ...command(ranged).filter((word) => !["--to", "2021-04-19"].includes(word)),
          "--from",
          day,
          "--to",
          day,
        ],
        { status: 1 }
      );
    assert.deepEqual(filesBelow(ranged), filesBelow(one));
    // Exported days stay after their segments are pruned.
    await tapedeck(t, ["prune", archive, "--before", "2021-04-18"]);
    await run(t, "tapedeck", command(nights), { status: null });
    const [kept, whole] = [filesBelow(nights), filesBelow(one)];
    const isFirst = (name) => name.includes("2021-04-17");
    assert.deepEqual(Object.keys(kept).filter(isFirst), Object.keys(whole).filter(isFirst));
    for (const name of Object.keys(whole).filter(isFirst))
      assert.equal(kept[name], whole[name], name);
    assert.equal(manifests().length, 3);
    tell("after the first day was pruned");
  }
);
