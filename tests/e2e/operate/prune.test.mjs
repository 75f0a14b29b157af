// prune, and every verb after it. Expected: docs/archive.md ("Retention"), docs/design.md ("Exit status"). The archive is imported from made-up captures of four days, an hour of frames each.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import {
  catalogRows,
  importLines,
  json,
  jsonList,
  rawFrames,
  segments,
  tapedeck,
  temporary,
} from "../support/harness.mjs";

const DAYS = ["2021-04-17", "2021-04-18", "2021-04-19", "2021-04-20"];
const FRAMES = 50;

/** A day's trades, one a second from noon on, in cryptofeed's first format. */
function capture(day, symbol) {
  const start = Date.parse(`${day}T12:00:00Z`) / 1000;
  const url = "wss://stream.bybit.com/realtime";
  const lines = [`${url} <- ${start}.000000: {"op": "subscribe", "args": ["trade.${symbol}"]}`];
  for (let i = 1; i <= FRAMES; i++) {
    const ms = (start + i) * 1000;
    const trade = {
      trade_time_ms: ms,
      timestamp: new Date(ms).toISOString(),
      symbol,
      side: "Buy",
      size: i,
      price: 100 + i,
      tick_direction: "PlusTick",
      trade_id: `${day}-${i}`,
      cross_seq: i,
    };
    lines.push(
      `${start + i}.000000: ${JSON.stringify({ topic: `trade.${symbol}`, data: [trade] })}`
    );
  }
  return lines;
}

const importDay = (t, archive, feed, day) =>
  importLines(t, capture(day, "BTCUSD"), {
    archive,
    format: "cryptofeed",
    family: "inverse",
    feed,
  });

async function archiveOf(t, feeds = ["one"], days = DAYS) {
  const archive = path.join(temporary(t), "tape");
  for (const feed of feeds) for (const day of days) await importDay(t, archive, feed, day);
  return archive;
}

const dayOf = (segment) => /capture\/(\d+\/\d+\/\d+)\//.exec(segment)[1].replaceAll("/", "-");
const inbound = async (t, archive, status = 0) =>
  (await rawFrames(t, archive, "in", { status })).length;

/** Every verb that reads, on an undamaged archive of days that were imported one by one, so that there is a gap between two
 * of them. */
async function checkAll(t, archive, days) {
  const verified = await json(t, ["verify", "-a", archive, "--json"]);
  assert.equal(verified.verdict, "sound");
  assert.deepEqual(verified.findings, []);
  assert.equal(verified.segments, days);
  assert.equal((await jsonList(t, ["ls", "-a", archive, "--json"])).length, days);
  assert.equal(await inbound(t, archive), days * FRAMES);
  const status = days > 1 ? 1 : 0;
  assert.equal((await jsonList(t, ["gaps", "-a", archive, "--json"], { status })).length, days - 1);
  await json(t, ["info", "-a", archive, "--json"]);
  const played = await json(t, ["replay", "-a", archive, "--json"], { status });
  assert.equal(played.frames - played.out, days * FRAMES);
  const out = path.join(temporary(t), "set");
  await tapedeck(t, ["export", "-a", archive, "--format", "jsonl", "--out", out], { status });
  const before = catalogRows(archive);
  await tapedeck(t, ["reindex", "-a", archive]);
  assert.equal(catalogRows(archive), before);
}

test("the next prune updates the catalog after one that was killed", async (t) => {
  const archive = await archiveOf(t),
    catalog = path.join(archive, "catalog.sqlite");
  const args = ["prune", "-a", archive, "--before", DAYS[2], "--json"];
  fs.copyFileSync(catalog, `${archive}.before`);
  const counts = ({ segments_pruned: pruned, catalog_updated: updated }) => [pruned, updated];
  assert.deepEqual(counts(await json(t, args)), [2, 0]);
  const after = catalogRows(archive);
  const killed = () => fs.copyFileSync(`${archive}.before`, catalog); // as if it had been killed after the removal
  killed();
  assert.notEqual(catalogRows(archive), after);
  assert.deepEqual(counts(await json(t, args)), [0, 2]);
  assert.equal(catalogRows(archive), after);
  killed();
  assert.match(
    (await tapedeck(t, args.slice(0, -1))).stdout,
    /^nothing to prune; .*\nthe catalog was brought up to date for 2 segments\n$/
  );
  assert.equal((await tapedeck(t, args.slice(0, -1))).stdout.split("\n").length, 2);
  await checkAll(t, archive, 2);
});

test("prune by age removes old segments, with --dry-run none, and every verb still works", async (t) => {
  const archive = await archiveOf(t);
  const all = segments(archive);
  assert.equal(all.length, 4);
  const preview = await json(t, [
    "prune",
    "-a",
    archive,
    "--before",
    "2021-04-19",
    "--dry-run",
    "--json",
  ]);
  assert.equal(preview.dry_run, true);
  assert.deepEqual(
    preview.segments.map((s) => [s.segment, s.why]),
    all.slice(0, 2).map((s) => [s, "age"])
  );
  assert.deepEqual(segments(archive), all);
  const people = await tapedeck(t, ["prune", "-a", archive, "--before", "2021-04-19", "--dry-run"]);
  assert.match(
    people.stdout,
    /^would remove capture\/2021\/04\/17\/.*: age, last frame 2021-04-17 12:00:50.000, /
  );
  const done = await json(t, ["prune", "-a", archive, "--before", "2021-04-19", "--json"]);
  assert.equal(done.segments_pruned, 2);
  assert.equal(done.bytes_pruned, preview.bytes_pruned);
  assert.equal(done.folders_removed, 2);
  assert.deepEqual(segments(archive).map(dayOf), DAYS.slice(2));
  assert.deepEqual(fs.readdirSync(path.join(archive, "capture/2021/04")), ["19", "20"]);
  await checkAll(t, archive, 2);
  // 2021 is long ago, but the archive ends there, and no frame of its last day is older than a day.
  const aged = await tapedeck(t, ["prune", "-a", archive, "--older-than", "1d"]);
  assert.match(aged.stderr, /warning: ages count from the newest frame, 2021-04-20T12:00:50/);
  assert.deepEqual(segments(archive).map(dayOf), DAYS.slice(2));
  const refused = await tapedeck(t, ["prune", "-a", archive, "--before", "2021-04-21"], {
    status: 2,
  });
  assert.match(
    refused.stderr,
    /that would remove everything: 2 segments\n.*hint: nothing was removed; --all removes it/
  );
  assert.deepEqual(segments(archive).map(dayOf), DAYS.slice(2));
  assert.match(
    (await tapedeck(t, ["prune", archive, "--before", "2021-04-21", "--dry-run"])).stdout,
    /would remove 2 segments/
  );
  await tapedeck(t, ["prune", "-a", archive, "--before", "2021-04-21", "--all"]);
  assert.deepEqual(segments(archive), []);
  assert.deepEqual(fs.readdirSync(path.join(archive, "capture")), []);
  const empty = await json(t, ["verify", "-a", archive, "--json"]);
  assert.equal(empty.verdict, "sound");
});

/** An archive with an hour of frames on each of these days. */
const archiveOfDays = (t, days) => archiveOf(t, ["one"], days);

const daysAgo = (n) => new Date(Date.now() - n * 86400_000).toISOString().slice(0, 10);

test("prune keeps segments that only a clock jump makes old", async (t) => {
  // The clock jumped ten years ahead, and the recorder continued with it.
  const archive = await archiveOfDays(t, ["2012-04-17", "2012-05-03", "2012-05-20", "2022-05-20"]);
  const all = segments(archive);
  for (const more of [["--dry-run"], [], ["--keep-bytes", "1GiB"]]) {
    const end = await tapedeck(t, ["prune", "-a", archive, "--older-than", "30d", ...more], {
      status: 4,
    });
    assert.match(
      end.stderr,
      /nothing is removed: everything until 2012-05-20T12:00:50.* the next frames are from 2022-05-20[^]*hint: .*--before 2022-05-20/
    );
  }
  assert.deepEqual(segments(archive), all);
  // A date does not depend on the newest frame.
  await tapedeck(t, ["prune", "-a", archive, "--before", "2012-05-04"]);
  assert.deepEqual(segments(archive).map(dayOf), ["2012-05-20", "2022-05-20"]);
  await tapedeck(t, ["prune", "-a", archive, "--before", "2022-05-20", "--older-than", "30d"]);
  assert.deepEqual(segments(archive).map(dayOf), ["2022-05-20"]);
  await checkAll(t, archive, 1);
});

test("a frame in the future does not make others old; ages count back from the newest frame of any feed", async (t) => {
  const days = [45, 38, 20, 5, 1].map(daysAgo);
  const archive = await archiveOfDays(t, [...days, "2099-06-01"]);
  await tapedeck(t, ["prune", "-a", archive, "--older-than", "30d"]);
  assert.deepEqual(segments(archive).map(dayOf), [...days.slice(2), "2099-06-01"]);
  // Another feed that ended earlier: its age counts from the archive's newest frame.
  await importDay(t, archive, "two", days[1]);
  await tapedeck(t, ["prune", "-a", archive, "--feed", "two", "--older-than", "30d"]);
  assert.ok(segments(archive).every((f) => path.basename(f).startsWith("one-")));
  assert.equal((await json(t, ["verify", "-a", archive, "--json"])).verdict, "sound");
});

test("prune by size keeps the newest segments, and with --feed removes only that feed's", async (t) => {
  const archive = await archiveOf(t, ["one", "two"]);
  const size = (f) => fs.statSync(path.join(archive, f)).size;
  const total = segments(archive).reduce((sum, f) => sum + size(f), 0);
  await tapedeck(t, ["prune", "-a", archive, "--keep-bytes", String(total)]);
  assert.equal(segments(archive).length, 8);
  const one = await json(t, [
    "prune",
    "-a",
    archive,
    "--feed",
    "one",
    "--keep-bytes",
    "0",
    "--before",
    "2021-04-18",
    "--json",
  ]);
  assert.deepEqual(
    one.segments.map((s) => s.why),
    ["age", "size", "size", "size"]
  );
  assert.ok(segments(archive).every((f) => path.basename(f).startsWith("two-")));
  await checkAll(t, archive, 4);
  await tapedeck(t, [
    "prune",
    "-a",
    archive,
    "--keep-bytes",
    String(
      segments(archive)
        .slice(2)
        .reduce((sum, f) => sum + size(f), 0)
    ),
  ]);
  assert.deepEqual(segments(archive).map(dayOf), DAYS.slice(2));
  await tapedeck(t, ["prune", "-a", archive, "--feed", "t*", "--all"]);
  assert.deepEqual(segments(archive), []);
});

test("a feed continues after its pruned segments, and the journal proves the chain", async (t) => {
  const archive = await archiveOf(t);
  await tapedeck(t, ["prune", "-a", archive, "--feed", "one", "--all"]);
  await importDay(t, archive, "one", "2021-04-21");
  await checkAll(t, archive, 1);
});

test("every reader reports a deleted segment, with the catalog and without", async (t) => {
  const archive = await archiveOf(t);
  await tapedeck(t, ["prune", "-a", archive, "--before", "2021-04-18"]);
  const gone = segments(archive)[1];
  fs.rmSync(path.join(archive, gone));
  const missing = new RegExp(`missing: ${gone}: the journal lists it, but it is not on disk`);
  for (const round of ["as it was", "without a catalog", "with one that was made without it"]) {
    const verified = await tapedeck(t, ["verify", "-a", archive, "--json"], { status: 3 });
    assert.ok(
      JSON.parse(verified.stdout).findings.some(
        (f) => f.severity === "damaged" && f.segment === gone
      ),
      round
    );
    for (const verb of ["cat", "ls", "info", "replay"])
      assert.match(
        (await tapedeck(t, [verb, "-a", archive], { status: 3 })).stderr,
        missing,
        `${verb}, ${round}`
      );
    assert.equal(await inbound(t, archive, 3), 2 * FRAMES);
    // Segments outside the selection are not missing.
    await tapedeck(t, ["cat", "-a", archive, "--from", "2021-04-20"]);
    assert.doesNotMatch(
      (await tapedeck(t, ["cat", "-a", archive, "--feed", "other"], { status: 4 })).stderr,
      missing
    );
    if (round === "as it was")
      for (const f of fs.readdirSync(archive).filter((f) => f.startsWith("catalog.")))
        fs.rmSync(path.join(archive, f));
    else
      assert.match((await tapedeck(t, ["reindex", "-a", archive], { status: 3 })).stderr, missing);
  }
  await tapedeck(t, ["prune", "-a", archive, "--before", "2021-04-20"], { status: 3 });
  assert.deepEqual(segments(archive).map(dayOf), ["2021-04-20"]);
});

test("prune requires a limit, and an archive's folder", async (t) => {
  const archive = await archiveOf(t);
  const rows = [
    [["-a", archive], 2, /no bound is given/],
    [["-a", archive, "--before", "+90s"], 2, /counts from the first frame/],
    [["-a", archive, "--older-than", "soon"], 2, /--older-than/],
    [["-a", archive, "--keep-bytes", "much"], 2, /--keep-bytes/],
    [["-a", path.join(archive, "nowhere"), "--older-than", "1d"], 4, /cannot open archive/],
  ];
  for (const [args, status, text] of rows)
    assert.match((await tapedeck(t, ["prune", ...args], { status })).stderr, text);
  assert.equal(segments(archive).length, 4);
});

test("verbs that change an archive refuse a single file", async (t) => {
  const archive = await archiveOf(t);
  const file = path.join(archive, segments(archive)[0]);
  for (const args of [["recover"], ["reindex"], ["prune", "--older-than", "1d"]]) {
    const end = await tapedeck(t, [...args, "-a", file], { status: 4 });
    assert.match(
      end.stderr,
      new RegExp(`it is a single file, and ${args[0]} works on an archive's folder\n.*readers`)
    );
  }
  assert.ok(fs.existsSync(file));
});
