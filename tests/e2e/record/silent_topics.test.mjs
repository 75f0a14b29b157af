// Topics that the exchange grants and never sends, or refuses: the recorder's warning, its metrics and its state. The clock is moved,
// so nothing waits for the minute of docs/completeness.md ("Granted and silent").
import assert from "node:assert/strict";
import path from "node:path";
import { eventually, json, tapedeck, temporary } from "../support/harness.mjs";
import { MovedClock, withoutMovedClock } from "../support/moved_clock.mjs";
import { test } from "../support/npm_packages.mjs";
import { feedArgs, Recorder } from "../support/recorders.mjs";
import { acknowledge, scriptedServer, trade } from "../support/scripted_server.mjs";

const SILENT = ["instrument_info.100ms.BTCUSD", "liquidation.BTCUSD"],
  GONE = "trade.GONEUSD";

/** Trades come all the time; SILENT is granted, GONE is refused. */
async function exchange(t, dir) {
  let id = 0;
  const server = await scriptedServer(t, dir, {
    message: (ws, request) =>
      acknowledge(
        ws,
        request,
        request.args.includes(GONE) ? { success: false, ret_msg: "error:topic does not exist" } : {}
      ),
  });
  const timer = setInterval(() => {
    for (const ws of server.sockets.clients) ws.send(trade(++id));
  }, 20);
  t.after(() => clearInterval(timer));
  return server;
}

test(
  "silent and refused topics have a warning, metrics and a state",
  { skip: withoutMovedClock },
  async (t) => {
    const dir = temporary(t),
      archive = path.join(dir, "tape");
    const clock = new MovedClock(dir);
    const server = await exchange(t, dir);
    const recorder = new Recorder(
      t,
      archive,
      [
        ...feedArgs(server, "inverse", ["trade.BTCUSD", ...SILENT, GONE]),
        "--status-listen",
        "127.0.0.1:0",
        "--commit-interval",
        "100ms",
      ],
      clock.options
    );
    const [, url] = await recorder.prints(/metrics and state are at (http:\S+)/);
    await recorder.prints(/subscribed to 3 of 4 topics/);
    /** The numbers of topics, once they are these. */
    const topics = async (expected) => {
      for (;;) {
        const text = await (await fetch(`${url}metrics`)).text();
        const found = ["granted", "silent", "overdue", "refused"].map((name) =>
          Number(new RegExp(`^tapedeck_feed_topics_${name}\\{.*\\} (\\d+)$`, "m").exec(text)[1])
        );
        if (JSON.stringify(found) === JSON.stringify(expected)) return;
        await recorder.durableAfter(recorder.durableLines + 1);
      }
    };
    await topics([3, 2, 0, 1]);
    assert.doesNotMatch(recorder.stderr, /without a frame/);
    clock.set(61_000);
    await recorder.prints(
      /warning .*inverse: granted, but without a frame for a minute: instrument_info\.100ms\.BTCUSD\n/
    );
    await topics([3, 2, 1, 1]);
    const {
      feeds: [feed],
    } = JSON.parse(await (await fetch(`${url}status`)).text());
    assert.deepEqual(
      [feed.topics_granted, feed.topics_silent, feed.topics_overdue, feed.topics_refused],
      [3, 2, 1, 1]
    );
    assert.match(
      (await tapedeck(t, ["ctl", archive, "status"])).stdout,
      /granted +silent +refused/
    );
    assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
    assert.equal(recorder.stderr.match(/without a frame/g).length, 1);
    const { silent } = await json(t, ["replay", archive, "--json"], { status: 1 });
    assert.deepEqual(
      silent.map((row) => [row.topic, row.symbol, row.state, row.overdue]),
      [
        ["instrument_info.100ms", "BTCUSD", "granted", true],
        ["liquidation", "BTCUSD", "granted", false],
        ["trade", "GONEUSD", "refused", false],
      ]
    );
  }
);

test("topics of a feed that sends no frame at all are counted, too", async (t) => {
  const dir = temporary(t);
  // Binance answers a subscription; pings are not messages.
  const server = await scriptedServer(t, dir, {
    message: (ws, request) => ws.send(JSON.stringify({ result: null, id: request.id })),
  });
  const args = [
    `${server.url}/stream`,
    "--family",
    "binance-spot",
    "--ca-file",
    server.ca,
    "--topic",
    "trade",
    "--topic",
    "kline_1m",
    "--symbol",
    "BTCUSDT",
  ];
  const recorder = new Recorder(t, path.join(dir, "tape"), [
    ...args,
    "--status-listen",
    "127.0.0.1:0",
    "--stale-after",
    "1h",
  ]);
  const [, url] = await recorder.prints(/metrics and state are at (http:\S+)/);
  await eventually("2 topics are granted and silent", async () => {
    const answer = await fetch(`${url}status`);
    const text = await answer.text();
    if (answer.status === 503) return false; // it is starting
    const {
      feeds: [feed],
    } = JSON.parse(text);
    return feed.topics_granted === 2 && feed.topics_silent === 2;
  });
  assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
});
