// `tapedeck drift --coverage`: what of the documents a tape has. Frames are the golden ones; what must be counted follows
// from their JSON text and from what they are decoded to (tests/golden, whose results were checked by hand), by this
// script alone.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { describe, test } from "node:test";
import { capture, json, tapedeck, temporary, withoutCapture } from "./lib.mjs";

const GOLDEN = path.resolve("tests/golden");
const families = fs.readdirSync(GOLDEN).sort();
const KINDS = ["untyped", "snapshot", "delta"];

/** The golden frames of a family that are decoded: {text, out, at: a second at which their row holds}. */
function goldens(family) {
  const dir = path.join(GOLDEN, family);
  const rows = [];
  for (const name of fs.readdirSync(dir).sort()) {
    if (!name.endsWith(".json") || name.endsWith(".out.json")) continue;
    const text = fs.readFileSync(path.join(dir, name), "utf8").trim();
    const out = JSON.parse(fs.readFileSync(path.join(dir, name.replace(/json$/, "out.json")), "utf8"));
    const day = /@(\d{4}-\d{2}-\d{2})/.exec(name)?.[1];
    if (out.error !== undefined) continue;
    rows.push({ name: `${family}/${name}`, text, out, at: (day === undefined ? 1_795_000_000 : Date.parse(day) / 1000) + 60 + rows.length });
  }
  return rows.sort((a, b) => a.at - b.at);
}

/** An archive of them. */
async function imported(t, family, rows) {
  const dir = temporary(t);
  const file = path.join(dir, "capture.jsonl");
  fs.writeFileSync(file, rows.map(({ text, at }, n) => `{"recv_ns":${at}000000000,"conn":"${n}","data":${text}}\n`).join(""));
  const archive = path.join(dir, "tape");
  await tapedeck(t, ["import", "-q", "-a", archive, "--format", "jsonl", "--family", family, "--feed", family, file]);
  return archive;
}

/** Every member of a JSON value: [key, value], however deep. */
function* members(value) {
  if (value === null || typeof value !== "object") return;
  for (const [key, inner] of Object.entries(value)) {
    if (!Array.isArray(value)) yield [key, inner];
    yield* members(inner);
  }
}

const count = (all, test) => all.reduce((sum, one) => sum + (test(one) ? 1 : 0), 0);
const isPosition = (field) => /^\d+$/.test(field.key);
const last = (key) => key.split(".").at(-1);

/** A topic without its symbol, by a row's pattern: the other placeholders are words. */
function fits(row, topic) {
  const parts = row.pattern.replace(/\{(symbol\+?|coin)\}\.|\.?\{(symbol\+?|coin)\}/, "").split(/\{[^}]*\}/);
  return new RegExp(`^${parts.map((part) => part.replace(/[.*+?^$()|[\]\\]/g, "\\$&")).join("[^.]+")}$`).test(topic);
}

describe("coverage", { concurrency: 2 }, () => {
  for (const family of families)
    test(`${family}: every documented field of the golden frames is counted where it is`, async (t) => {
      const rows = goldens(family);
      const archive = await imported(t, family, rows);
      const found = await json(t, ["drift", "-a", archive, "--coverage", "--json"], { status: null });
      const topics = found.coverage;
      assert.ok(topics.every((topic) => topic.family === family));
      assert.equal(found.frames, rows.length);
      assert.equal(topics.reduce((sum, topic) => sum + topic.frames, 0), rows.length);
      let checked = 0;
      for (const topic of topics) {
        const own = rows.filter(({ out, at }) => fits(topic, out.topic) && topic.frames > 0 && at * 1e9 >= topic.first_ns && at * 1e9 <= topic.last_ns);
        // Rows with dates share their pattern: which frames are whose is not known here.
        if (topics.some((other) => other !== topic && own.some(({ out }) => fits(other, out.topic)))) continue;
        const place = `${family} ${topic.topic}`;
        assert.equal(topic.frames, own.length, place);
        assert.equal(topic.undecoded, 0, place);
        for (const kind of KINDS) assert.equal(topic.kinds[kind], count(own, ({ out }) => (out.kind ?? "untyped") === kind), `${place} ${kind}`);
        if (own.length > 0)
          assert.deepEqual([topic.first_ns, topic.last_ns], [Math.min(...own.map((row) => row.at)) * 1e9, Math.max(...own.map((row) => row.at)) * 1e9], place);
        checked += topic.frames;
        const there = own.flatMap(({ text }) => [...members(JSON.parse(text))]);
        const fields = [...topic.frame_fields, ...topic.entry_fields].filter((field) => !isPosition(field));
        for (const field of fields) {
          const key = last(field.key);
          const name = `${place} ${field.key}`;
          const times = count(there, ([at]) => at === key);
          const isAlone = fields.filter((other) => last(other.key) === key).length === 1;
          if (times === 0) assert.equal(field.count, 0, name);
          else if (isAlone) assert.ok(field.count > 0, name);
          for (const [value, seen] of Object.entries(field.values ?? {}))
            if (isAlone) assert.equal(seen > 0, count(there, ([at, inner]) => at === key && inner === value) > 0, `${name}=${value}`);
        }
      }
      assert.ok(checked > rows.length / 2, `${checked} of ${rows.length}`); // not those of rows with dates
    });

  test("counts are those of the frames, on any number of threads; topics without a frame are there", { skip: withoutCapture("inverse-2021-04-17.jsonl.gz") }, async (t) => {
    const archive = path.join(temporary(t), "tape");
    await tapedeck(t, ["import", "-q", "-a", archive, "--family", "inverse", capture("inverse-2021-04-17.jsonl.gz")]);
    const one = await tapedeck(t, ["drift", "-a", archive, "--coverage", "--json", "-j", "1"]);
    const four = await tapedeck(t, ["drift", "-a", archive, "--coverage", "--json", "-j", "4"]);
    assert.equal(four.stdout, one.stdout);
    const { coverage } = JSON.parse(one.stdout);
    const { stdout } = await tapedeck(t, ["cat", "-a", archive, "--raw", "--topic", "orderBookL2_25"]);
    const books = stdout.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
    const book = coverage.find((topic) => topic.topic === "orderBookL2_25");
    const at = (frame, place) => (place === "data" ? (Array.isArray(frame.data) ? frame.data : []) : frame.data[place.slice(5)] ?? []);
    assert.deepEqual(book.entries.map((row) => [row.path, row.kind, row.count]), [
      ["data", "snapshot"], ["data.delete", "delta"], ["data.update", "delta"], ["data.insert", "delta"],
    ].map(([place, kind]) => [place, kind, books.reduce((sum, frame) => sum + at(frame, place).length, 0)]));
    const levels = books.flatMap((frame) => ["data", "data.delete", "data.update", "data.insert"].flatMap((place) => at(frame, place)));
    for (const field of book.entry_fields) {
      assert.equal(field.count, count(levels, (level) => field.key in level), field.key);
      for (const [value, seen] of Object.entries(field.values ?? {})) assert.equal(seen, count(levels, (level) => level[field.key] === value), value);
    }
    assert.deepEqual(coverage.filter((topic) => topic.frames > 0).map((topic) => topic.topic), ["orderBookL2_25", "trade"]);
    const wallet = coverage.find((topic) => topic.topic === "wallet");
    assert.deepEqual([wallet.frames, wallet.first_ns, wallet.entry_fields.every((field) => field.count === 0)], [0, 0, true]);
    const text = (await tapedeck(t, ["drift", "-a", archive, "--coverage"])).stdout;
    assert.match(text, /^family +topic +frames +undecoded +first +last +entries +fields +values +never\n/);
    assert.match(text, /^inverse +orderBookL2_25 +[\d,]+ +- .* +4\/4 +8\/8 +2\/3 +side=None$/m);
    assert.match(text, /^inverse +wallet +0 .*no frame at all$/m);
    assert.match(text, /\n1,098 frames: no new findings\n$/);
  });
});
