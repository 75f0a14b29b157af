// Bad input on a feed of each family: every frame is recorded unchanged, undecodable frames are counted by reason, and later
// frames are decoded. Good frames are from tests/golden, reasons from docs/wire.md 5 and docs/replay.md.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { BIN, json, jsonLines, jsonList, tapedeck, temporary } from "../support/harness.mjs";

const GOLDEN = "tests/golden";
const START = 1795154400; // 2026-11-20: the current rows of topics apply

/** A frame of the family that decodes. */
function soundFrame(family) {
  const dir = path.join(GOLDEN, family);
  const names = fs
    .readdirSync(dir)
    .filter((n) => n.endsWith(".out.json") && !n.includes("@"))
    // Frames of its books have no topic without their connection's requests.
    .filter((n) => family !== "kraken-v2" || n.startsWith("trade"))
    .sort();
  const typeOf = (n) => JSON.parse(fs.readFileSync(path.join(dir, n), "utf8")).type;
  const good =
    names.find((n) => !["raw", "control", "order_entry"].includes(typeOf(n))) ??
    names.find((n) => typeOf(n) === "order_entry");
  return fs.readFileSync(path.join(dir, good.replace(".out.json", ".json")), "latin1").trimEnd();
}

/** The frame with one more member in its first object; if that has an id as its key, in the entry. */
const withMember = (frame, value) =>
  frame.replace(/^\[\[{"[^"]*":{|{/, (begin) => `${begin}"zz":${value},`);

/** A frame of a topic that no family has, in the form of a sound one. */
function ofUnknownTopic(sound) {
  if (sound.includes('"jsonrpc"'))
    return '{"params":{"channel":"strange.BTC-PERPETUAL.raw","data":{}}}';
  if (sound.includes('"arg":{')) return '{"arg":{"channel":"strange"},"data":[]}';
  if (/^{"channel":"[^"]*","type":"[^"]*","data":/.test(sound))
    return '{"channel":"strange","type":"update","data":[{"symbol":"BTC/USD"}]}';
  if (sound.startsWith('{"channel":')) return '{"channel":"strange","events":[]}';
  if (sound.startsWith("[[{")) return '[[{"O-1":{}}],"strange",{"sequence":1}]';
  if (sound.startsWith("[")) return '[1,{},"strange","XBT/USD"]';
  if (sound.startsWith('{"data"') && sound.includes('"event":'))
    return '{"data":{},"channel":"strange_btcusd","event":"data"}';
  return `{"${sound.startsWith('{"stream":') ? "stream" : "topic"}":"strange.BTCUSDT","data":[]}`;
}

/** [frame, reason] for each frame; null: it decodes. Frames are latin1 text, so that any byte can be written. */
function frames(sound, digits) {
  return [
    [sound, null],
    [sound.slice(0, sound.length / 2), "not_json"],
    [withMember(sound, '"\\ud800"'), "not_json"],
    [withMember(sound, "False"), "not_json"],
    ["no JSON at all", "not_json"],
    [withMember(sound, '"\xff"'), "not_utf8"],
    [withMember(sound, "[".repeat(100000)), "limit"],
    [withMember(sound, "7".repeat(digits)), null],
    [withMember(sound, '"\\u003e"'), null],
    // Where a request's method is the topic, another method is none.
    [ofUnknownTopic(sound), /"method":"order/.test(sound) ? "no_topic" : "unknown_topic"],
    ['{"nobody":"knows"}', "no_topic"],
    [sound, null],
  ];
}

const families = fs.readdirSync(GOLDEN).sort();

test("every family has a golden frame", async (t) => {
  const known = new Set((await jsonList(t, ["topics", "--json"])).map((row) => row.family));
  assert.deepEqual(families, [...known].sort());
});

for (const family of families) {
  test(`${family}: bad frames are recorded unchanged and counted by reason`, async (t) => {
    const dir = temporary(t);
    const archive = path.join(dir, "tape");
    const isFirst = family === families[0]; // storage, ordinals and the text report do not depend on the family
    const all = frames(soundFrame(family), isFirst ? 1_000_000 : 10_000);
    const lines = [
      `wss://test/ <-> ${START}.0`,
      ...all.map(([frame], i) => `${START + 1 + i}.0: ${frame}`),
    ];
    fs.writeFileSync(
      path.join(dir, "capture"),
      Buffer.from(lines.map((l) => l + "\n").join(""), "latin1")
    );
    await tapedeck(t, [
      "import",
      "-q",
      "-a",
      archive,
      "--format",
      "cryptofeed",
      "--family",
      family,
      path.join(dir, "capture"),
    ]);
    // The same bytes, in order.
    const kept = execFileSync(path.join(BIN, "tapedeck"), ["cat", "-a", archive, "--raw"], {
      maxBuffer: 1 << 24,
    });
    assert.ok(kept.equals(Buffer.from(all.map(([frame]) => frame + "\n").join(""), "latin1")));
    if (isFirst) {
      const ordinals = (await jsonLines(t, ["cat", "-a", archive, "--json"])).map(
        (row) => row.ordinal
      );
      assert.deepEqual(
        ordinals,
        all.map((_, i) => i + 1)
      );
    }
    // Counted.
    const expected = {};
    for (const [, reason] of all)
      if (reason !== null) expected[reason] = (expected[reason] ?? 0) + 1;
    const report = await json(t, ["replay", "-a", archive, "--json"], { status: 1 });
    assert.deepEqual(report.undecoded_by_reason, expected);
    assert.equal(report.decoded, all.filter(([, reason]) => reason === null).length);
    assert.equal(report.undecoded, all.filter(([, reason]) => reason !== null).length);
    assert.equal(report.first_undecoded.reason, "not_json");
    // The text report has the same reasons.
    if (!isFirst) return;
    const text = await tapedeck(t, ["replay", "-a", archive], { status: 1 });
    for (const reason of Object.keys(expected))
      assert.match(text.stdout + text.stderr, new RegExp(reason));
  });
}
