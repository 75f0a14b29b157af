// `grant` and `grant_end` events record what each connection of a feed is subscribed to. Expected: docs/design.md
// ("Events").
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { isDeepStrictEqual } from "node:util";
import {
  catalogRows,
  importLines,
  jsonLines,
  jsonList,
  tapedeck,
  temporary,
} from "../support/harness.mjs";
import { Recorder } from "../support/recorders.mjs";
import { numberedExchange } from "../support/numbered_exchange.mjs";
import { test } from "../support/npm_packages.mjs";

const NOON = Date.parse("2021-04-17T12:00:00Z");

/** The events of these kinds, each with its receive time and the number of topics' frames before it. */
async function eventsOf(t, archive, ...kinds) {
  const events = [];
  let frames = 0;
  for (const row of await jsonLines(t, ["cat", "-a", archive, "--events"])) {
    const event = row.topic === "_events" ? JSON.parse(row.data) : undefined;
    if (event === undefined && row.topic !== "_control") frames++;
    if (kinds.includes(event?.event)) events.push({ ...event, at: row.recv_ns, frames });
  }
  return events;
}

/** The catalog that was written while recording equals one that is rebuilt from the segments. */
async function sameFromFiles(t, archive) {
  const written = catalogRows(archive);
  for (const name of fs.readdirSync(archive).filter((file) => file.startsWith("catalog")))
    fs.rmSync(path.join(archive, name));
  await tapedeck(t, ["reindex", "-a", archive]);
  assert.equal(catalogRows(archive), written);
}

const short = (event) => [event.event, event.conn, event.topic, event.source ?? event.reason];

test("a recorder's events have what was granted, and not what was refused, on each connection", async (t) => {
  const archive = path.join(temporary(t), "tape");
  const exchange = await numberedExchange(t, { symbols: ["BTCUSD", "ETHUSD"], rate: 200 });
  exchange.refuse("trade.ETHUSD");
  const recorder = new Recorder(t, archive, [...exchange.args(), "--commit-interval", "100ms"]);
  await recorder.durableAfter(3);
  exchange.drop();
  await recorder.durableLine((durable) => durable.conn === 2 && durable.in > 20);
  assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
  const events = await eventsOf(t, archive, "grant", "grant_end");
  const isRepeat = (event, i) =>
    events
      .slice(0, i)
      .some(({ conn, topic, from_ns }) =>
        isDeepStrictEqual([conn, topic, from_ns], [event.conn, event.topic, event.from_ns])
      ); // in the segment of the next hour
  const granted = events
    .filter((event, i) => event.event === "grant" && !isRepeat(event, i))
    .map(short);
  assert.deepEqual(
    granted,
    [1, 2].map((conn) => ["grant", conn, "trade.BTCUSD", "answered"])
  );
  // The request for both was refused, then each was requested alone. The refused topic is not requested again.
  const refused = events.filter((event) => event.event === "grant_end").map(short);
  assert.deepEqual(
    refused,
    ["BTCUSD", "ETHUSD", "ETHUSD"].map((symbol) => ["grant_end", 1, `trade.${symbol}`, "refused"])
  );
  const first = events.find((event) => event.event === "grant");
  assert.deepEqual([first.from_ns, first.frames], [first.at, 0]);
  await sameFromFiles(t, archive);
});

test("an import's events have topics that were seen or unsubscribed, and each segment repeats them", async (t) => {
  const line = (s, members) => ({
    recv_ns: String(BigInt(NOON + s * 1000) * 1000000n),
    conn: 0,
    url: "wss://stream.bybit.com/realtime",
    ...members,
  });
  const trade = (s, symbol) =>
    line(s, { data: JSON.stringify({ topic: `trade.${symbol}`, data: [] }) });
  const request = { op: "unsubscribe", args: ["trade.ETHUSD"] };
  const rows = [
    trade(1, "BTCUSD"),
    trade(2, "ETHUSD"),
    trade(3, "BTCUSD"),
    trade(3605, "BTCUSD"),
    line(3606, { dir: "out", data: JSON.stringify(request) }),
    trade(3607, "ETHUSD"), // on its way
    line(3608, { data: JSON.stringify({ success: true, ret_msg: "", conn_id: "c", request }) }),
    trade(7205, "BTCUSD"),
    trade(7206, "ETHUSD"),
  ];
  const archive = await importLines(t, rows, { family: "inverse" });
  assert.equal((await jsonList(t, ["ls", "-a", archive, "--json"])).length, 3);
  const events = await eventsOf(t, archive, "segment", "grant", "grant_end");
  const expected = [
    ["segment"],
    [1, "BTCUSD", "seen", 1],
    [2, "ETHUSD", "seen", 2],
    ["segment"],
    [3605, "BTCUSD", "seen", 1],
    [3605, "ETHUSD", "seen", 2],
    [3606, "ETHUSD", "unsubscribed"],
    ["segment"],
    [7205, "BTCUSD", "seen", 1],
    [7206, "ETHUSD", "seen", 7206],
  ];
  const seconds = (ns) => Math.round(ns / 1e9 - NOON / 1e3);
  const got = events.map((event) => {
    if (event.event === "segment") return ["segment"];
    const common = [
      seconds(event.at),
      event.topic.replace("trade.", ""),
      event.source ?? event.reason,
    ];
    return event.from_ns === undefined ? common : [...common, seconds(event.from_ns)];
  });
  assert.deepEqual(got, expected);
  await sameFromFiles(t, archive);
});
