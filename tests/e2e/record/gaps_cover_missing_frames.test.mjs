// Every frame that an exchange made and that is not in the archive lies within a row of the ledger, and rows reach no
// further than the missing frames. The exchange numbers its frames, so the true holes are known.
import assert from "node:assert/strict";
import { once } from "node:events";
import path from "node:path";
import { describe } from "node:test";
import {
  eventsOf,
  eventually,
  json,
  jsonList,
  tapedeck,
  temporary,
  tooLong,
} from "../support/harness.mjs";
import { Recorder } from "../support/recorders.mjs";
import {
  compare,
  delayProxy,
  EXCESS_MS_MAX,
  numberedExchange,
} from "../support/numbered_exchange.mjs";
import { npm, test } from "../support/npm_packages.mjs";

const { WebSocketServer } = npm("ws");

const FAST = ["--commit-interval", "100ms"];
const BTC = "trade.BTCUSD";
const ETH = "trade.ETHUSD";
const SHARDS = ["--max-topics-per-connection", "1"];
const BOTH = ["inverse|0", "inverse|1"]; // its connections

const record = (t, archive, args) => new Recorder(t, archive, [...args, ...FAST]);

/** Wait for this many more durable lines. */
async function recordSome(recorder, chunks = 3) {
  await recorder.durableAfter(recorder.durableLines + chunks);
}

async function stop(recorder, signal = "SIGTERM", status = 0) {
  const end = await recorder.kill(signal);
  if (signal === "SIGTERM") assert.equal(end.code, status, recorder.stderr);
}

const gapsOf = (t, archive) => jsonList(t, ["gaps", "-a", archive, "--json"], { status: null });

/** Rows of the ledger while a recorder runs, once test(rows) is true. */
async function gapsOnce(t, recorder, archive, test) {
  const look = async () => {
    const rows = await gapsOf(t, archive);
    return test(rows) && rows;
  };
  return eventually(`rows of the ledger: ${test}`, look, recorder);
}

const RATE = 100;
const numbered = (t, options) => numberedExchange(t, { rate: RATE, ...options });

async function check(t, exchange, archive, options) {
  const found = await compare(t, exchange, archive, options);
  const summary = JSON.stringify({ ...found, holes: found.holes.length }, null, 1);
  assert.equal(found.uncovered, 0, summary);
  assert.ok(found.excess_ms <= EXCESS_MS_MAX, summary);
  assert.ok(found.missing > 0, `nothing was missing: ${summary}`);
  await tapedeck(t, ["verify", "-a", archive]);
  return found;
}

const isOpen = (row, topic) =>
  row.to_ns === null &&
  (topic === undefined ? row.topic === null : `${row.topic}.${row.symbol}` === topic);
const isClosed = (row) => row.to_ns !== null;

// These tests mostly wait for the recorder: its grace, and its delay before it requests a topic again.
describe("gaps", { concurrency: true }, () => {
  describe("clean stops", { concurrency: 2 }, () => {
    test("frames that arrive while a connection closes over a slow line are recorded", async (t) => {
      const archive = path.join(temporary(t), "tape");
      const exchange = await numbered(t, { rate: 500 });
      const proxy = await delayProxy(t, exchange, 75);
      const args = [`${proxy.url}/realtime`, ...exchange.args().slice(1)];
      for (let i = 0; i < 3; i++) {
        const recorder = record(t, archive, args);
        await recordSome(recorder, 5);
        await stop(recorder);
      }
      const { rows } = await check(t, exchange, archive);
      assert.deepEqual(
        rows.map((row) => row.reason),
        ["restart", "restart"]
      );
    });

    test("frames of a peer that ignores the close are recorded until the grace is over", async (t) => {
      const archive = path.join(temporary(t), "tape");
      const exchange = await numbered(t, { rate: 500 });
      exchange.onClose = "ignore";
      for (let i = 0; i < 2; i++) {
        const recorder = record(t, archive, exchange.args());
        await recordSome(recorder, 5);
        await stop(recorder);
      }
      const { rows } = await check(t, exchange, archive);
      assert.deepEqual(
        rows.map((row) => row.reason),
        ["restart"]
      );
    });
  });

  describe("sessions without connections", { concurrency: 2 }, () => {
    for (const [how, signal, reason] of [
      ["stopped", "SIGTERM", "restart"],
      ["killed", "SIGKILL", "crash"],
    ])
      test(`a session that never connects has its outage in the ledger: all sessions ${how}`, async (t) => {
        const archive = path.join(temporary(t), "tape");
        const exchange = await numbered(t);
        let recorder = record(t, archive, exchange.args());
        await recordSome(recorder);
        await stop(recorder, signal);
        await exchange.down();
        for (let i = 0; i < 2; i++) {
          recorder = record(t, archive, exchange.args());
          await recorder.prints(/cannot connect[^]*cannot connect/);
          const rows = await gapsOf(t, archive);
          assert.deepEqual(
            rows.map((row) => [row.reason, row.to_ns, row.shard]),
            [[reason, null, 0]]
          );
          await stop(recorder, signal, 4);
        }
        await exchange.up();
        recorder = record(t, archive, exchange.args());
        await recordSome(recorder, 6);
        await stop(recorder);
        const { rows } = await check(t, exchange, archive);
        assert.equal(rows.length, 1, JSON.stringify(rows));
      });

    test("a recorder that is killed before its first frame leaves the beginning of the outage", async (t) => {
      const archive = path.join(temporary(t), "tape");
      const silent = new WebSocketServer({ host: "127.0.0.1", port: 0 });
      await once(silent, "listening");
      t.after(() => silent.close());
      const exchange = await numbered(t);
      let recorder = record(t, archive, [
        `ws://127.0.0.1:${silent.address().port}/realtime`,
        ...exchange.args().slice(1),
      ]);
      await recorder.durableLine((durable) => durable.out >= 1);
      await stop(recorder, "SIGKILL");
      const isRow = (row) => [row.reason, row.line, row.shard, row.conn];
      assert.deepEqual((await gapsOf(t, archive)).map(isRow), [["crash", 0, 0, 1]]);
      recorder = record(t, archive, exchange.args());
      await recordSome(recorder);
      await stop(recorder);
      const rows = await gapsOf(t, archive);
      assert.deepEqual(rows.map(isRow), [["crash", 0, 0, 1]]);
      assert.ok(isClosed(rows[0]));
    });

    test("one shard of several that is down over sessions has a row of its own, visible at once", async (t) => {
      const archive = path.join(temporary(t), "tape");
      const exchange = await numbered(t, { symbols: ["BTCUSD", "ETHUSD"] });
      let recorder = record(t, archive, [...exchange.args(), ...SHARDS]);
      await recorder.durableOn(BOTH);
      await recordSome(recorder, 6);
      await stop(recorder);
      exchange.cutOff(ETH);
      for (let i = 0; i < 2; i++) {
        recorder = record(t, archive, [...exchange.args(), ...SHARDS]);
        const rows = await gapsOnce(
          t,
          recorder,
          archive,
          (all) => all.filter(isClosed).length === i + 1
        );
        assert.deepEqual(
          rows.filter((row) => isOpen(row)).map((row) => [row.reason, row.shard]),
          [["restart", 1]],
          JSON.stringify(rows)
        );
        await recordSome(recorder);
        await stop(recorder);
      }
      exchange.allow(ETH);
      recorder = record(t, archive, [...exchange.args(), ...SHARDS]);
      await gapsOnce(t, recorder, archive, (all) => all.every(isClosed));
      await recordSome(recorder, 10);
      await stop(recorder);
      await check(t, exchange, archive);
    });

    test("topics that move to another connection lose nothing outside rows", async (t) => {
      const archive = path.join(temporary(t), "tape");
      const exchange = await numbered(t, { symbols: ["BTCUSD", "ETHUSD"] });
      const plans = [
        [BTC, ETH, SHARDS],
        [ETH, BTC, SHARDS],
        [BTC, ETH, []],
        [ETH, BTC, SHARDS],
      ];
      for (const [first, second, more] of plans) {
        // with one connection a topic moves, and with two again
        const recorder = record(t, archive, [...exchange.args([first, second]), ...more]);
        await gapsOnce(t, recorder, archive, (all) => all.every(isClosed));
        await recordSome(recorder, 8);
        await stop(recorder);
      }
      await check(t, exchange, archive);
    });

    test("a topic that moved, got no data there, and gets no answer when it moves again has a row", async (t) => {
      const archive = path.join(temporary(t), "tape");
      const exchange = await numbered(t, { symbols: ["BTCUSD", "ETHUSD"] });
      let recorder = record(t, archive, [...exchange.args(), ...SHARDS]);
      await recorder.durableOn(BOTH);
      await recordSome(recorder, 8);
      await stop(recorder);
      exchange.silence();
      recorder = record(t, archive, exchange.args());
      await recorder.prints(/subscribed to 2 of 2/);
      await gapsOnce(t, recorder, archive, (all) => all.length > 0 && all.every(isClosed));
      await stop(recorder);
      exchange.speak();
      exchange.ignore(ETH);
      recorder = record(t, archive, [...exchange.args(), ...SHARDS]);
      await recordSome(recorder, 10);
      await stop(recorder);
      exchange.allow(ETH);
      recorder = record(t, archive, [...exchange.args(), ...SHARDS]);
      await gapsOnce(t, recorder, archive, (all) => all.every(isClosed));
      await recordSome(recorder, 10);
      await stop(recorder);
      await check(t, exchange, archive);
    });

    test("a topic that moved to a connection that is down has a row", async (t) => {
      const archive = path.join(temporary(t), "tape");
      const exchange = await numbered(t, { symbols: ["BTCUSD", "ETHUSD"] });
      const session = async (args) => {
        const recorder = record(t, archive, args);
        await recordSome(recorder, 8);
        await stop(recorder);
      };
      await session(exchange.args([BTC])); // it has more frames, so it will stay where it is
      await session(exchange.args([BTC, ETH]));
      exchange.cutOff(ETH);
      const recorder = record(t, archive, [...exchange.args([BTC, ETH]), ...SHARDS]); // ETH moves from shard 0 to 1
      await recordSome(recorder, 4);
      const rows = await gapsOf(t, archive);
      assert.deepEqual(
        rows.map((row) => [row.reason, row.shard, isOpen(row)]),
        [
          ["restart", 0, false],
          ["restart", 0, true],
        ]
      );
      exchange.allow(ETH);
      await gapsOnce(t, recorder, archive, (all) => all.every(isClosed));
      await recordSome(recorder, 10);
      await stop(recorder);
      await check(t, exchange, archive);
    });

    test("a topic that is no longer subscribed has no row", async (t) => {
      const archive = path.join(temporary(t), "tape");
      const exchange = await numbered(t, { symbols: ["BTCUSD", "ETHUSD"] });
      let recorder = record(t, archive, exchange.args());
      await recordSome(recorder, 4);
      exchange.refuse(ETH);
      exchange.drop();
      await gapsOnce(t, recorder, archive, (all) => all.some((row) => isOpen(row, ETH)));
      await stop(recorder);
      recorder = record(t, archive, exchange.args([BTC]));
      await gapsOnce(t, recorder, archive, (all) => all.every(isClosed));
      await recordSome(recorder, 8);
      await stop(recorder);
      const rows = await gapsOf(t, archive);
      assert.deepEqual(
        rows
          .filter((row) => row.topic !== null)
          .map((row) => [row.reason, `${row.topic}.${row.symbol}`, row.detail]),
        [["disconnect", ETH, "no longer subscribed"]]
      );
    });
  });

  describe("topics", { concurrency: 4 }, () => {
    for (const how of ["a refusal", "an unsubscription"])
      test(`a topic that the exchange withdraws by ${how} has an open row, until it is granted again`, async (t) => {
        const archive = path.join(temporary(t), "tape");
        const exchange = await numbered(t, { symbols: ["BTCUSD", "ETHUSD"] });
        const recorder = record(t, archive, exchange.args());
        await recordSome(recorder, 4);
        exchange.withdraw(ETH, how);
        await recorder.prints(/the exchange refused to subscribe trade\.ETHUSD/);
        const rows = await gapsOnce(t, recorder, archive, (all) =>
          all.some((row) => isOpen(row, ETH))
        );
        assert.deepEqual(
          rows.map((row) => [row.reason, row.cause, row.conn, row.symbol]),
          [["disconnect", "withdrawn", 1, "ETHUSD"]]
        );
        // It is requested again after 5 s.
        await gapsOnce(t, recorder, archive, (all) => all.every(isClosed));
        await recordSome(recorder, 10);
        await stop(recorder);
        await check(t, exchange, archive);
        const ends = await eventsOf(t, archive, "grant_end");
        assert.deepEqual(
          [ends[0].topic, ends[0].reason],
          [ETH, how === "a refusal" ? "refused" : "unsubscribed"]
        );
      });

    for (const [what, refuse, answered] of [
      ["refused", (x) => x.refuse(ETH), /refused to subscribe/],
      ["unanswered", (x) => x.ignore(ETH), /did not answer/],
    ])
      for (const again of ["at last", "in a later session"])
        test(
          `a topic that is ${what} after a reconnect has an open row, until it is granted ${again}`,
          { skip: what === "unanswered" && tooLong },
          async (t) => {
            const archive = path.join(temporary(t), "tape");
            const exchange = await numbered(t, { symbols: ["BTCUSD", "ETHUSD"] });
            let recorder = record(t, archive, exchange.args());
            await recordSome(recorder, 4);
            refuse(exchange);
            // One request for both topics gets no answer; the next connection requests each of them alone.
            exchange.drop();
            await recorder.prints(answered);
            if (what === "unanswered") exchange.drop();
            const rows = await gapsOnce(
              t,
              recorder,
              archive,
              (all) => all.some((row) => isOpen(row, ETH)) && !all.some((row) => isOpen(row))
            );
            assert.deepEqual(
              rows.filter((row) => isOpen(row, ETH)).map((row) => row.reason),
              ["disconnect"],
              JSON.stringify(rows)
            );
            // The other topic is complete meanwhile.
            const other = (await gapsOf(t, archive)).filter((row) => row.symbol === "BTCUSD");
            assert.deepEqual(other, []);
            if (again === "in a later session") {
              await stop(recorder);
              recorder = record(t, archive, exchange.args());
              const later = await gapsOnce(t, recorder, archive, (all) =>
                all.some((row) => row.reason === "restart" && isClosed(row))
              );
              assert.equal(
                later.filter((row) => isOpen(row, ETH)).length,
                1,
                JSON.stringify(later)
              );
            }
            exchange.allow(ETH);
            await gapsOnce(t, recorder, archive, (all) => all.every(isClosed));
            await recordSome(recorder, 10);
            await stop(recorder);
            await check(t, exchange, archive);
            // A selection of one topic has its own row, and not the other's.
            for (const [topic, count] of [
              [ETH, 1],
              [BTC, 0],
            ]) {
              const own = await jsonList(t, ["gaps", "-a", archive, "--topic", topic, "--json"], {
                status: 1,
              });
              assert.equal(
                own.filter((row) => row.topic !== null).length,
                count,
                JSON.stringify(own)
              );
              const replayed = await json(
                t,
                ["replay", "-a", archive, "--topic", topic, "--json"],
                { status: 1 }
              );
              assert.equal(
                replayed.gaps.filter((row) => row.topic !== null).length,
                count,
                JSON.stringify(replayed.gaps)
              );
            }
          }
        );
  });
});

test(
  "the gap of a connection that sends only pongs reaches from its last data to the next",
  { skip: tooLong },
  async (t) => {
    const archive = path.join(temporary(t), "tape");
    const exchange = await numbered(t);
    // The recorder pings every 20 s.
    const recorder = record(t, archive, [...exchange.args(), "--stale-after", "22s"]);
    await recordSome(recorder, 4);
    exchange.silence();
    await recorder.prints(/no data for 22 s[^]*subscribed to 1 of 1/);
    // Silent on the new connection, too: an acknowledgement does not end the gap.
    const silent = await gapsOnce(t, recorder, archive, (all) => all.length > 0);
    assert.deepEqual(
      silent.map((row) => [row.reason, row.to_ns]),
      [["stale", null]]
    );
    exchange.speak();
    await gapsOnce(t, recorder, archive, (all) => all.length > 0 && all.every(isClosed));
    await recordSome(recorder, 10);
    await stop(recorder);
    assert.ok(exchange.requests.filter((request) => request.op === "ping").length > 0);
    const { rows } = await check(t, exchange, archive);
    assert.deepEqual(
      rows.map((row) => row.reason),
      ["stale"]
    );
  }
);
