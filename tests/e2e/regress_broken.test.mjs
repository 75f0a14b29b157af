// Decoders that read some frames wrong (tests/wrapped/replay_broken_*.c), found by baselines of the right one over
// real captures. Expected values: what `replay --messages` prints with both, compared line by line here.
import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { capture, parseLines, run, tapedeck, temporary, withoutCapture, wrapped } from "./lib.mjs";

const NAMES = ["inverse-2021-04-17.jsonl.gz", "linear-2021-04-17.jsonl.gz", "v5-2026-08-09.jsonl.gz"];

// What each fault changes, and in which members.
const FAULTS = {
  action: ["levels[].action"],
  scale: ["levels[].price", "trades[].price"],
  side: ["levels[].side", "trades[].side"],
};

/** The program with a fault, or the right one. */
const program = (fault) => (fault === undefined ? "tapedeck-replay" : wrapped(`replay_broken_${fault}`));

/** The paths by which two values differ, in the order of the document. */
function pathsOf(was, is, at = "") {
  if (was === null || is === null || typeof was !== "object" || typeof is !== "object") return was === is ? [] : [at];
  const keys = [...new Set([...Object.keys(was), ...Object.keys(is)])];
  const of = (key) => (Array.isArray(was) ? `${at}[${key}]` : at === "" ? key : `${at}.${key}`);
  return keys.flatMap((key) => (key in was && key in is ? pathsOf(was[key], is[key], of(key)) : [of(key)]));
}

const valueAt = (message, where) => where.match(/[^.[\]]+/g).reduce((value, key) => value[key], message);
const patternOf = (where) => where.replace(/\[\d+\]/g, "[]");

/** The frames that a fault changes: [{was, is, paths}] in the order of the archive. */
async function changedFrames(t, archive, fault) {
  const messages = async (name) => parseLines((await run(t, program(name), ["replay", archive, "--messages"], { status: null })).stdout);
  const [was, is] = [await messages(undefined), await messages(fault)];
  assert.equal(was.length, is.length);
  return was.map((message, i) => ({ was: message, is: is[i], paths: pathsOf(message, is[i]) })).filter(({ paths }) => paths.length > 0);
}

/** How many of the frames differ in each member of each topic. */
function countPaths(changed) {
  const counts = {};
  for (const { was, paths } of changed)
    for (const pattern of new Set(paths.map(patternOf))) counts[`${was.topic} ${pattern}`] = (counts[`${was.topic} ${pattern}`] ?? 0) + 1;
  return counts;
}

/** 1 if every member of part is in whole. */
const isWithin = (part, whole) =>
  part !== null && typeof part === "object" ? Object.keys(part).every((key) => isWithin(part[key], whole?.[key])) : part === whole;

/** The entries of a message, which every decode of the frame has, whole or not. */
const entriesOf = (message) => message.levels ?? message.trades;

const placeOf = ({ feed, topic, symbol, ordinal, recv_ns }) => ({ feed, topic, symbol, ordinal, recv_ns });

const MISSING = [...Object.keys(FAULTS), "book"].some((fault) => !fs.existsSync(program(fault))) && "needs the programs of tests/wrapped";

describe("decoders that read some frames wrong", { skip: NAMES.map(withoutCapture).find((why) => why) ?? MISSING }, () => {
  const baseline = {};
  let dir;
  let archive;

  /** Check with the decoder of a fault, or with the right one: the document, or the text. */
  async function check(t, fault, file, tape, { status, options = [], asText = false }) {
    const { stdout } = await run(t, program(fault), ["regress", "check", file, tape, ...options, ...(asText ? [] : ["--json"])], { status });
    return asText ? stdout : JSON.parse(stdout);
  }

  before(async () => {
    dir = fs.mkdtempSync(path.join(os.tmpdir(), "tapedeck-e2e-"));
    archive = path.join(dir, "tape");
    for (const name of NAMES) await tapedeck(undefined, ["import", "-a", archive, "--format", "cryptofeed", capture(name)]);
    for (const [kind, options] of [["plain", []], ["full", ["--full"]]]) {
      baseline[kind] = path.join(dir, `${kind}.tdb`);
      await tapedeck(undefined, ["regress", "save", archive, "-o", baseline[kind], ...options]);
    }
  });

  after(() => fs.rmSync(dir, { recursive: true, force: true }));

  test("the right decoder gives the same", async (t) => {
    for (const file of Object.values(baseline))
      for (const threads of ["1", "4"]) {
        const { totals, first_difference } = await check(t, undefined, file, archive, { status: 0, options: ["-j", threads] });
        assert.ok(totals.compared > 3000);
        assert.equal(totals.same, totals.compared);
        assert.equal(first_difference, null);
      }
  });

  for (const [fault, members] of Object.entries(FAULTS)) {
    test(`${fault}: every frame that is read wrong is found, the first one first, with both decodes`, async (t) => {
      const changed = await changedFrames(t, archive, fault);
      const first = changed[0];
      const counts = countPaths(changed);
      assert.deepEqual([...new Set(changed.flatMap(({ paths }) => paths.map(patternOf)))].sort(), members); // the fault is as meant
      const found = await check(t, fault, baseline.full, archive, { status: 1 });
      assert.equal(found.totals.decode, changed.length);
      assert.equal(found.totals.different, found.totals.decode + found.totals.consequences);
      assert.equal(found.totals.missing + found.totals.new + found.totals.newly_failing + found.totals.newly_decoding, 0);
      assert.deepEqual(placeOf(found.first_difference), placeOf(first.was));
      const { path: at, was, is } = found.first_difference;
      assert.deepEqual({ at, was, is }, { at: first.paths[0], was: valueAt(first.was, first.paths[0]), is: valueAt(first.is, first.paths[0]) });
      assert.deepEqual(Object.fromEntries(found.paths.map((row) => [`${row.topic} ${row.path}`, row.frames])), counts);
      // The first of each stream, with all of its fields.
      const firsts = changed.filter(({ was: a }, i) => changed.findIndex(({ was: b }) => a.feed === b.feed && a.topic === b.topic && a.symbol === b.symbol) === i);
      assert.deepEqual(found.differences.map(placeOf), firsts.map((frame) => placeOf(frame.was)));
      for (const [i, row] of found.differences.entries()) {
        assert.ok(isWithin(entriesOf(firsts[i].was), entriesOf(row.decode_was)), JSON.stringify(row.decode_was));
        assert.ok(isWithin(entriesOf(firsts[i].is), entriesOf(row.decode_is)), JSON.stringify(row.decode_is));
        assert.deepEqual(row.fields.map((field) => field.path), firsts[i].paths.slice(0, row.fields.length));
        assert.equal(row.fields.length + row.fields_left_out, firsts[i].paths.length);
      }
      const text = await check(t, fault, baseline.full, archive, { status: 1, asText: true });
      assert.ok(text.includes(`${first.was.feed} ${first.was.topic} ${first.was.symbol}: first difference`), text);
      const line = text.split("\n").find((l) => l.trimStart().startsWith(`> ${at} `));
      assert.deepEqual(line?.trim().split(/\s+/), [">", at, JSON.stringify(was), JSON.stringify(is)]);
    });

    test(`${fault}: a baseline without decodes finds the same frames`, async (t) => {
      const full = await check(t, fault, baseline.full, archive, { status: 1 });
      const plain = await check(t, fault, baseline.plain, archive, { status: 1 });
      assert.deepEqual(plain.totals, full.totals);
      assert.deepEqual(placeOf(plain.first_difference), placeOf(full.first_difference));
      assert.deepEqual(plain.differences[0].decode_was, null);
      assert.ok(isWithin(entriesOf(plain.differences[0].decode_is), entriesOf(full.differences[0].decode_is)));
    });

    test(`${fault}: the tape that is cut shows the first difference`, async (t) => {
      const cuts = temporary(t);
      for (const topics of ["*", "order*"]) {
        const tape = path.join(cuts, `${topics.length}.mcap`);
        const options = ["--topic", topics, "--cut", tape];
        const whole = await check(t, fault, baseline.full, archive, { status: 1, options });
        // Against the baseline of the archive, and against one of its own.
        const own = path.join(cuts, `${topics.length}.tdb`);
        await tapedeck(t, ["regress", "save", tape, "-o", own, "--full"]);
        for (const [file, more] of [[baseline.full, ["--part"]], [own, []]]) {
          const right = await check(t, undefined, file, tape, { status: 0, options: more });
          assert.ok(right.totals.compared > 0);
          const wrong = await check(t, fault, file, tape, { status: 1, options: more });
          assert.equal(wrong.totals.different, 1);
          assert.equal(wrong.totals.compared, right.totals.compared);
          const { index, ...place } = wrong.first_difference;
          const { index: indexThere, ...expected } = whole.first_difference;
          assert.deepEqual(place, expected);
          assert.ok(index <= indexThere);
        }
      }
    });
  }

  test("a book that loses levels is found where every decode is the same", async (t) => {
    const { totals, first_difference } = await check(t, "book", baseline.full, archive, { status: 1 });
    assert.equal(totals.decode, 0);
    assert.ok(totals.book > 0);
    assert.equal(first_difference.kind, "book");
    assert.equal(first_difference.path, null);
  });
});
