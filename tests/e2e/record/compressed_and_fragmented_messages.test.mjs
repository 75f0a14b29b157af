// Messages that arrive compressed (RFC 7692) or in fragments (RFC 6455, 5.4): their channels are marked, and nothing else
// depends on it (format/FORMAT.md, "Channels"; docs/design.md, "Channels").
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { jsonLines, tapedeck, temporary } from "../support/harness.mjs";
import { acknowledge, scriptedServer, trade } from "../support/scripted_server.mjs";
import { feedArgs, Recorder } from "../support/recorders.mjs";
import { npm, test } from "../support/npm_packages.mjs";

const TOPICS = ["trade.BTCUSD", "orderBookL2_25.BTCUSD"];
const SEND = {
  plain: (ws, text) => ws.send(text, { compress: false }),
  compressed: (ws, text) => ws.send(text, { compress: true }),
  fragmented: (ws, text) => fragments(ws, text, false),
  "compressed and fragmented": (ws, text) => fragments(ws, text, true),
  // A server with a threshold mixes them.
  mixed: (ws, text, n) =>
    n % 4 < 2 ? ws.send(text, { compress: n % 2 === 1 }) : fragments(ws, text, n % 2 === 1),
};

function fragments(ws, text, compress) {
  ws.send(text.slice(0, 10), { compress, fin: false });
  ws.ping("between");
  ws.send(text.slice(10, 11), { compress, fin: false });
  ws.send(text.slice(11), { compress, fin: true });
}

/** A book and its changes, and trades. */
function frames() {
  const level = (id, side, size) => ({
    price: (id / 10_000).toFixed(2),
    symbol: "BTCUSD",
    id,
    side,
    size,
  });
  const book = (type, data, n) =>
    JSON.stringify({
      topic: "orderBookL2_25.BTCUSD",
      type,
      data,
      cross_seq: 5938950000 + n,
      timestamp_e6: 1618666000000000 + n,
    });
  const changes = Array.from({ length: 40 }, (_, n) =>
    n % 2 === 0
      ? trade(n)
      : book(
          "delta",
          {
            delete: [],
            update: [{ ...level(600000000, "Buy", n), price: "60000.00" }],
            insert: [],
          },
          n + 1
        )
  );
  return [
    book("snapshot", [level(600000000, "Buy", 5), level(600005000, "Sell", 7)], 0),
    ...changes,
  ];
}

/** Messages of each channel of a segment, by @mcap/core: "trade compressed" -> count. */
async function channelsOf(archive) {
  const { McapStreamReader } = npm("@mcap/core");
  const { loadDecompressHandlers } = npm("@mcap/support");
  const [file] = fs
    .readdirSync(path.join(archive, "capture"), { recursive: true })
    .filter((name) => name.endsWith(".mcap"));
  const reader = new McapStreamReader({ decompressHandlers: await loadDecompressHandlers() });
  reader.append(fs.readFileSync(path.join(archive, "capture", file)));
  const names = new Map();
  const counts = {};
  for (let record; (record = reader.nextRecord());) {
    if (record.type === "Channel") {
      const is = (key) => (
        assert.ok([undefined, "1"].includes(record.metadata.get(key))),
        record.metadata.get(key) === "1"
      );
      names.set(
        record.id,
        [record.metadata.get("topic"), ...["compressed", "fragmented"].filter(is)].join(" ")
      );
    }
    if (record.type === "Message")
      counts[names.get(record.channelId)] = (counts[names.get(record.channelId)] ?? 0) + 1;
  }
  return counts;
}

test("channels of compressed and fragmented messages are marked; books, verdicts and digests are the same", async (t) => {
  const dir = temporary(t);
  const sent = frames();
  const found = {};
  for (const [name, send] of Object.entries(SEND)) {
    const archive = path.join(dir, name);
    const server = await scriptedServer(t, dir, {
      perMessageDeflate: { threshold: 0 },
      message: (ws, request) => {
        acknowledge(ws, request, {});
        sent.forEach((text, n) => send(ws, text, n));
      },
    });
    const recorder = new Recorder(t, archive, [
      ...feedArgs(server, "inverse", TOPICS),
      "--deflate",
    ]);
    await recorder.durableLine((line) => line.in >= 1 + sent.length);
    assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
    const rows = (await jsonLines(t, ["cat", "-a", archive, "--dir", "in"])).filter(
      (row) => row.topic !== "_control"
    );
    assert.deepEqual(
      rows.map((row) => row.data),
      sent,
      name
    );
    const forms = rows.map((row) => `${row.compressed ?? ""} ${row.fragmented ?? ""}`);
    const expected = {
      plain: " ",
      compressed: "true ",
      fragmented: " true",
      "compressed and fragmented": "true true",
    };
    const mix = [" ", "true ", " true", "true true"];
    assert.deepEqual(
      forms,
      sent.map((_, n) => expected[name] ?? mix[n % 4]),
      name
    );
    const channels = await channelsOf(archive);
    const suffix = name === "plain" ? "" : " " + name.replace(" and", "");
    if (name !== "mixed")
      assert.deepEqual(
        [channels[`trade${suffix}`], channels[`orderBookL2_25${suffix}`]],
        [20, 21],
        JSON.stringify(channels)
      );
    const report = JSON.parse((await tapedeck(t, ["replay", "-a", archive, "--json"])).stdout);
    const { payload, messages, books } = report.digest;
    assert.deepEqual([report.decoded, report.undecoded], [sent.length, 0]);
    found[name] = JSON.stringify([payload, messages, books, report.streams?.length]);
    await tapedeck(t, ["verify", "-a", archive]);
    await tapedeck(t, ["reindex", "-a", archive]);
    const again = JSON.parse((await tapedeck(t, ["replay", "-a", archive, "--json"])).stdout);
    assert.deepEqual(again.digest, report.digest);
  }
  assert.equal(new Set(Object.values(found)).size, 1, JSON.stringify(found));
});
