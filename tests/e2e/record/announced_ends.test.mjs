// An exchange announces that it ends a connection, and does so some seconds later, or at once. Expected: another connection has taken
// over, and no frame of the exchange's own account is missing; or a gap that has this cause. Of every exchange whose document has how
// it announces that, in the words of the document.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { describe } from "node:test";
import { eventsOf, json, jsonList, rawFrames, tapedeck, temporary } from "../support/harness.mjs";
import { test } from "../support/npm_packages.mjs";
import { Recorder, simulator } from "../support/recorders.mjs";
import { xxh64 } from "../support/xxh64.mjs";

const SCHEMA = "schema";

/** The families of exchanges that announce ends, each with the first notice of its document. */
function announcing() {
  const documents = fs
    .readdirSync(SCHEMA, { recursive: true })
    .filter((name) => name.endsWith(".exchange.yaml"));
  return documents.sort().flatMap((name) => {
    const text = fs.readFileSync(path.join(SCHEMA, name), "utf8");
    const notice = text.match(/^ends:\n(?: {2}.*\n)*? {4}frame: '(.*)'\n/m)?.[1];
    if (notice === undefined) return [];
    const families = text.match(/^families:\n((?: {2}- .*\n)+)/m)[1];
    return [...families.matchAll(/- (\S+)/g)].map(([, family]) => ({ family, notice }));
  });
}

/** A family's first path and symbol, its books and its trades, as the simulator lists them; without private ones: nothing. */
async function listed(t, family) {
  const { stdout } = await tapedeck(t, ["sim", "--list", "--families", family], { status: null });
  const rows = stdout.split("\n").map((line) => line.trim().split(/\s+/));
  const of = (what) => rows.filter((row) => row[1] === what).map((row) => row[2]);
  const topics = of("topic").map((topic) => topic.replace(".SYMBOL", ""));
  const named = (...names) => topics.find((topic) => names.includes(topic));
  return {
    url: of("path")[0],
    symbol: of("symbol")[0],
    topics: [
      named("books", "diff_order_book", "book-10", "depth@100ms"),
      named("trades", "live_trades", "trade", "aggTrade"),
    ].filter((topic) => topic !== undefined),
  };
}

/** Record a family whose connections get the notice at one frame of the exchange, and end at another one. */
async function recorded(t, { family, url, symbol, topics, announceAt, endAt, more = [] }) {
  const dir = temporary(t),
    archive = path.join(dir, "tape");
  const server = await simulator(t, dir, [
    ...["--families", family, "--symbols", "1", "--rate", "100"],
    ...["--fault", `announce@${announceAt}`, "--fault", `end@${endAt}`],
  ]);
  const recorder = new Recorder(t, archive, [
    ...[server.url + url, "--ca-file", server.ca, "--family", family, "--symbol", symbol],
    ...topics.flatMap((topic) => ["--topic", topic]),
    ...["--commit-interval", "100ms", ...more],
  ]);
  return { archive, recorder, truth: server.truth };
}

const counts = (texts) => {
  const of = new Map();
  for (const text of texts) of.set(text, (of.get(text) ?? 0) + 1);
  return of;
};

/** The frames of the exchange's account that the tape does not have: all that it sent to its first connection, and after that one's
 * end to the second one, until the last one that was received. */
async function missing(t, archive, truthFile) {
  const sent = fs
    .readFileSync(truthFile, "utf8")
    .split("\n")
    .filter((line) => line.startsWith('{"t":"frame"'))
    .map((line) => JSON.parse(line));
  const end = sent.findLastIndex(({ conn }) => conn === 1);
  const have = counts((await rawFrames(t, archive)).map((text) => xxh64(Buffer.from(text))));
  const wanted = sent
    .filter(({ conn }, n) => (n <= end ? conn === 1 : conn === 2))
    .map(({ xxh64: hash }) => hash);
  const last = wanted.findLastIndex((hash) => have.has(hash));
  const due = counts(wanted.slice(0, last + 1));
  assert.ok(end > 0 && last > wanted.length / 2, `${end} ${last} of ${wanted.length}`);
  return [...due].filter(([hash, count]) => (have.get(hash) ?? 0) < count).length;
}

describe("announced ends", { concurrency: false }, () => {
  const simulated = announcing().filter(({ family }) => !/-(private|api)$/.test(family));

  test("exchanges announce them", () => {
    for (const family of ["okx", "bitstamp", "kraken-v1", "kraken-v2", "binance-spot"])
      assert.ok(
        simulated.some((at) => at.family === family),
        family
      );
  });

  for (const { family, notice } of simulated) {
    test(`${family}: another connection takes over before the end`, async (t) => {
      const from = await listed(t, family);
      assert.equal(from.topics.length, 2, JSON.stringify(from));
      const { archive, recorder, truth } = await recorded(t, {
        ...{ family, ...from },
        ...{ announceAt: 150, endAt: 4000 }, // much later than a busy machine takes to take over
      });
      await recorder.prints(/another connection has taken over|before its announced end/);
      await recorder.durableAfter(recorder.durableLines + 10);
      assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
      assert.deepEqual(await jsonList(t, ["gaps", "-a", archive, "--json"]), []);
      assert.equal(await missing(t, archive, truth), 0);
      const [event, ...others] = await eventsOf(t, archive, "end_notice");
      assert.deepEqual(
        [event.line, event.conn, event.state, event.detail, others],
        [0, 1, "is replaced", notice, []]
      );
      const ends = await eventsOf(t, archive, "disconnect");
      const [end] = ends.filter(({ line }) => line === 0);
      assert.equal(end.cause, "replaced");
      assert.ok(end.at_ns > event.at_ns, `${end.at_ns} ${event.at_ns}`);
      const report = await json(t, ["replay", archive, "--json"]);
      assert.equal(report.verdict, "complete", JSON.stringify(report));
      await tapedeck(t, ["verify", archive]);
    });
  }

  test("an end at once is a gap with this cause", async (t) => {
    const { archive, recorder } = await recorded(t, {
      ...{ family: "okx", url: "/ws/v5/public", symbol: "BTC-USDT-SWAP" },
      ...{ topics: ["books", "trades"], announceAt: 150, endAt: 150 },
    });
    await recorder.prints(/before its announced end/);
    await recorder.durableAfter(recorder.durableLines + 4);
    assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
    const gaps = (await jsonList(t, ["gaps", "-a", archive, "--json"], { status: null })).filter(
      ({ covered_by }) => covered_by === null
    );
    assert.deepEqual(
      gaps.map(({ reason, cause, origin, detail, line, conn }) => [
        ...[reason, cause, origin, detail, line, conn],
      ]),
      [["disconnect", "announced", "exchange_planned", "close code 1001", 0, 1]]
    );
    assert.match(
      (await tapedeck(t, ["gaps", "-a", archive], { status: 1 })).stdout,
      /disconnect .* exchange_planned .* announced, close code 1001\n/
    );
  });

  test("without max_age no connection takes over, with a warning", async (t) => {
    const { archive, recorder } = await recorded(t, {
      ...{ family: "okx", url: "/ws/v5/public", symbol: "BTC-USDT-SWAP" },
      ...{ topics: ["books", "trades"], announceAt: 100, endAt: 150, more: ["--max-age", "0s"] },
    });
    await recorder.prints(/warning.*without max_age no other one takes over/);
    await recorder.prints(/connection 2\)/);
    await recorder.durableAfter(recorder.durableLines + 4);
    assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
    assert.deepEqual(
      (await eventsOf(t, archive, "end_notice")).map(({ state }) => state),
      ["stays"]
    );
    const gaps = await jsonList(t, ["gaps", "-a", archive, "--json"], { status: null });
    assert.deepEqual(
      gaps.map(({ cause }) => cause),
      ["announced"]
    );
  });
});
