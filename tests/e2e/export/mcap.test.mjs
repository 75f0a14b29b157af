// MCAP files of an export, read by @mcap/core, equal the JSON lines of the same run.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import {
  capture,
  importLines,
  isRecorded,
  parseLines,
  tapedeck,
  temporary,
  withoutCapture,
} from "../support/harness.mjs";
import { npm, test } from "../support/npm_packages.mjs";

/** {channels, schemas, messages, statistics}; every CRC is checked. */
async function readFile(file) {
  const { McapStreamReader, McapIndexedReader } = npm("@mcap/core");
  const decompressHandlers = await npm("@mcap/support").loadDecompressHandlers();
  const reader = new McapStreamReader({ decompressHandlers, validateCrcs: true });
  const all = { channels: new Map(), schemas: new Map(), messages: [] };
  reader.append(fs.readFileSync(file));
  for (let record; (record = reader.nextRecord()) !== undefined;) {
    if (record.type === "Schema")
      all.schemas.set(record.id, {
        ...record,
        json: JSON.parse(Buffer.from(record.data).toString()),
      });
    if (record.type === "Channel") all.channels.set(record.id, record);
    if (record.type === "Message")
      all.messages.push({ ...record, json: JSON.parse(Buffer.from(record.data).toString()) });
  }
  assert.ok(reader.done());
  const handle = await fs.promises.open(file, "r");
  const indexed = await McapIndexedReader.Initialize({
    readable: new (npm("@mcap/nodejs").FileHandleReadable)(handle),
    decompressHandlers,
  });
  let count = 0;
  for await (const message of indexed.readMessages({ validateCrcs: true }))
    count += message.channelId > 0;
  await handle.close();
  assert.equal(count, all.messages.length);
  assert.deepEqual([...indexed.schemasById.keys()], [...all.schemas.keys()]);
  return { ...all, statistics: indexed.statistics };
}

const ns = (time) => BigInt(time.sec) * 1_000_000_000n + BigInt(time.nsec);
const TYPES = {
  string: "string",
  number: "number",
  integer: "number",
  boolean: "boolean",
  object: "object",
};

/** Check that a message has the members of its schema, with the same types. */
function assertFits(schema, value) {
  for (const [name, member] of Object.entries(value)) {
    const { type, items } = schema.properties[name];
    if (type === "array") member.forEach((entry) => assertFits(items, entry));
    else assert.equal(typeof member, TYPES[type], name);
  }
}

test(
  "messages equal the JSON lines, with schemas that viewers accept",
  { skip: withoutCapture("v5-2026-08-09.jsonl.gz") },
  async (t) => {
    const dir = temporary(t);
    const archive = path.join(dir, "tape");
    const out = path.join(dir, "out");
    await tapedeck(t, [
      "import",
      "-q",
      "-a",
      archive,
      "--format",
      "cryptofeed",
      "--family",
      "v5-linear",
      capture("v5-2026-08-09.jsonl.gz"),
    ]);
    for (const [to, j] of [
      [out, "1"],
      [out + 4, "4"],
    ])
      await tapedeck(t, [
        "export",
        "-q",
        "-a",
        archive,
        "--format",
        "mcap",
        "--format",
        "jsonl",
        "--out",
        to,
        "-j",
        j,
      ]);
    const file = path.join(out, "mcap/messages_2026-08-09.mcap");
    assert.deepEqual(
      fs.readFileSync(file),
      fs.readFileSync(path.join(out + 4, "mcap/messages_2026-08-09.mcap"))
    );
    const { channels, schemas, messages, statistics } = await readFile(file);
    assert.equal(Number(statistics.messageCount), messages.length);
    assert.equal(statistics.schemaCount, schemas.size);
    const lines = parseLines(
      fs.readFileSync(path.join(out, "jsonl/messages_2026-08-09.jsonl"), "utf8")
    )
      .flatMap((line) =>
        line.type === "book_change"
          ? [line]
          : (line.trades ?? line.items ?? []).map((entry) => ({ ...line, entry }))
      )
      .filter((line) => line.entry !== undefined || line.levels.length > 0);
    const instruments = messages.splice(lines.length);
    assert.equal(instruments.length, isRecorded ? 1357 : 0); // a simulated capture has no replies
    for (const { channelId, json } of instruments) {
      const { topic, schemaId } = channels.get(channelId);
      assert.deepEqual(
        [topic, schemas.get(schemaId).name, typeof json.tick],
        ["instruments", "tapedeck.Instrument", "number"]
      );
      assertFits(schemas.get(schemaId).json, json);
    }
    assert.equal(messages.length, lines.length);
    for (const [i, message] of messages.entries()) {
      const line = lines[i];
      const channel = channels.get(message.channelId);
      const schema = schemas.get(channel.schemaId);
      assert.deepEqual(
        [channel.topic, channel.messageEncoding, schema.encoding],
        [`${line.topic}.${line.symbol}`, "json", "jsonschema"]
      );
      assert.equal(
        schema.name,
        "tapedeck." +
          line.type
            .split("_")
            .map((word) => word[0].toUpperCase() + word.slice(1))
            .join("")
      );
      assert.equal(schema.json.type, "object");
      assertFits(schema.json, message.json);
      assert.deepEqual(
        [message.logTime, message.publishTime],
        [ns(message.json.ts_recv), ns(message.json.ts_exch)]
      );
      const exact = (entry) =>
        Object.keys(entry)
          .filter((name) => name.endsWith("_text"))
          .map((name) => [name.slice(0, -5), entry[name]]);
      const entries = line.levels ?? [line.entry];
      for (const [k, entry] of (message.json.levels ?? [message.json]).entries())
        for (const [name, text] of exact(entry))
          assert.deepEqual([text, entry[name]], [entries[k][name], Number(text)], name);
      if (line.levels)
        assert.deepEqual(
          message.json.levels.map((l) => [l.action, l.side, l.price_text]),
          line.levels.map((l) => [l.action, l.side, l.price])
        );
    }
  }
);

test("channels name the feed of their messages", async (t) => {
  const dir = temporary(t),
    archive = path.join(dir, "tape"),
    out = path.join(dir, "out");
  const AT_S = 1_790_000_000;
  const frame = (i) =>
    JSON.stringify({
      topic: "publicTrade.BTCUSDT",
      type: "snapshot",
      ts: AT_S * 1000,
      data: [{ T: AT_S * 1000, s: "BTCUSDT", S: "Buy", v: "1", p: "10.5", i: `t${i}`, BT: false }],
    });
  // The feeds' frames alternate.
  for (const [k, feed] of ["a", "b"].entries()) {
    const lines = [
      { t: "header", format: 2, exchange: "TEST" },
      { t: "connect", conn: "A", ts: AT_S, addr: "wss://a.example/" },
      ...[0, 1].map((i) => ({ t: "recv", conn: "A", ts: AT_S + 1 + 2 * i + k, data: frame(i) })),
    ];
    await importLines(t, lines, { archive, format: "cryptofeed", family: "v5-linear", feed });
  }
  await tapedeck(t, ["export", "-q", "-a", archive, "--format", "mcap", "--out", out]);
  const { channels, messages } = await readFile(path.join(out, "messages_2026-09-21.mcap"));
  assert.deepEqual(
    messages.map((message) => channels.get(message.channelId).metadata.get("feed")),
    ["a", "b", "a", "b"]
  );
});
