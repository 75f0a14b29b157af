// Patterns of symbols: the recorder follows the exchange's list of instruments. Expected: the lists that the test writes, the
// exchange's own account of sent frames, and docs/recording.md ("All symbols").
import assert from "node:assert/strict";
import { once } from "node:events";
import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import { describe } from "node:test";
import {
  eventsOf,
  json,
  jsonLines,
  jsonList,
  run,
  tapedeck,
  temporary,
  tooLong,
} from "../support/harness.mjs";
import { test } from "../support/npm_packages.mjs";
import { compareWithTruth, feedArgs, Recorder, simulator } from "../support/recorders.mjs";

/** A simulated exchange whose list of instruments the test writes. */
async function listedExchange(t, dir, symbols, rate, first, family = "v5-linear") {
  const file = path.join(dir, "instruments");
  const list = (lines) => {
    fs.writeFileSync(`${file}.new`, lines.map((line) => `${line}\n`).join(""));
    fs.renameSync(`${file}.new`, file);
  };
  list(first);
  const server = await simulator(t, dir, [
    "--families",
    family,
    "--symbols",
    String(symbols),
    "--rate",
    String(rate),
    "--instruments-file",
    file,
  ]);
  return { server, list };
}

const args = (server, topics, ...symbols) => [
  ...feedArgs(server, "v5-linear", topics),
  ...symbols.flatMap((symbol) => ["--symbol", symbol]),
  "--commit-interval",
  "100ms",
  "--instruments-every",
  "1s",
];

/** Symbols that a configuration would record: those of sent requests. */
const requested = async (t, archive) =>
  (await eventsOf(t, archive, "subscribe"))
    .filter(({ state }) => state === "sent")
    .flatMap(({ topics }) => topics.split(","))
    .map((topic) => topic.split(".").at(-1));

const logs = (recorder, symbol, words) =>
  recorder.prints(new RegExp(`v5-linear: ${symbol} ${words}`));

describe("listed instruments", { concurrency: true }, () => {
  test("listed instruments begin, ended ones are not missing, and all else is undisturbed", async (t) => {
    const dir = temporary(t);
    const archive = path.join(dir, "tape");
    const { server, list } = await listedExchange(t, dir, 12, 400, [
      "BTCUSDT",
      "ETHUSDT",
      "LTCUSDT PreLaunch",
      "XRPUSDT",
    ]);
    const recorder = new Recorder(
      t,
      archive,
      args(server, ["publicTrade", "orderbook.50"], "*", "!XRP*")
    );
    await recorder.durableAfter(3);
    await recorder.prints(/2 of 4 listed instruments are chosen/);
    list(["BTCUSDT", "ETHUSDT", "LTCUSDT", "EOSUSDT", "XRPUSDT", "ADAUSDT"]);
    for (const symbol of ["LTCUSDT", "EOSUSDT"]) await logs(recorder, symbol, "is listed");
    await recorder.durableAfter(recorder.durableLines + 5);
    list([]); // a list without instruments is a fault of the exchange
    await recorder.prints(/the list of instruments is not used: the list has no instrument/);
    list(["BTCUSDT", "EOSUSDT", "ADAUSDT", "LTCUSDT Closed"]);
    for (const symbol of ["LTCUSDT", "ETHUSDT"]) await logs(recorder, symbol, "has ended");
    await recorder.durableAfter(recorder.durableLines + 5);
    assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);

    const events = await eventsOf(t, archive, "subscribe");
    const ended = events.filter(({ state }) => state === "ended");
    assert.deepEqual(
      new Set(ended.map(({ topics, detail }) => `${topics} ${detail}`)),
      new Set(
        ["LTCUSDT", "ETHUSDT"].flatMap((symbol) => [
          `publicTrade.${symbol} instrument ended`,
          `orderbook.50.${symbol} instrument ended`,
        ])
      )
    );
    assert.deepEqual(await jsonList(t, ["gaps", "-a", archive, "--json"]), []);
    // One connection, with every frame that was sent on it, in order: no other topic was disturbed.
    const [connection, ...more] = await compareWithTruth(t, archive, "v5-linear", server.truth);
    assert.equal(more.length, 0);
    assert.ok(connection.data > 0);
    // Each symbol is asked for while it is subscribed, and all of that is clean.
    const days = (await json(t, ["days", "-a", archive, "--json"])).days;
    const span = (symbol) => Number(days.find((day) => day.symbol === symbol).asked_ns);
    assert.deepEqual(
      days.map(({ symbol }) => symbol),
      ["ADAUSDT", "BTCUSDT", "EOSUSDT", "ETHUSDT", "LTCUSDT"]
    );
    assert.ok(
      days.every(({ clean_percent }) => clean_percent === 100),
      JSON.stringify(days)
    );
    assert.ok(
      span("LTCUSDT") < span("EOSUSDT") && span("ETHUSDT") < span("BTCUSDT"),
      JSON.stringify(days)
    );
    const frames = await jsonLines(t, [
      "cat",
      "-a",
      archive,
      "--topic",
      "orderbook.50",
      "--symbol",
      "LTCUSDT",
    ]);
    assert.ok(frames.length > 0);
    assert.ok(!(await requested(t, archive)).includes("XRPUSDT"));
    await tapedeck(t, ["verify", "-a", archive]);
    await tapedeck(t, ["replay", "-a", archive]);
  });

  test("a recorder that starts again subscribes what is listed now", async (t) => {
    const dir = temporary(t);
    const archive = path.join(dir, "tape");
    const { server, list } = await listedExchange(t, dir, 6, 300, ["BTCUSDT", "ETHUSDT"]);
    const first = new Recorder(t, archive, args(server, ["publicTrade"], "*USDT"));
    await first.durableAfter(3);
    await first.kill("SIGKILL");
    list(["BTCUSDT", "EOSUSDT"]);
    const second = new Recorder(t, archive, args(server, ["publicTrade"], "*USDT"));
    await second.durableAfter(3);
    assert.equal((await second.kill("SIGTERM")).code, 0, second.stderr);
    assert.deepEqual([...new Set(await requested(t, archive))].sort(), [
      "BTCUSDT",
      "EOSUSDT",
      "ETHUSDT",
    ]);
    const gaps = await jsonList(t, ["gaps", "-a", archive, "--json"], { status: 1 });
    assert.deepEqual(
      gaps.map(({ reason, topic }) => [reason, topic]),
      [["crash", null]]
    );
    await tapedeck(t, ["verify", "-a", archive]);
  });

  test("if the list cannot be read, the archive's symbols are recorded until it can", async (t) => {
    const dir = temporary(t);
    const archive = path.join(dir, "tape");
    const { server, list } = await listedExchange(t, dir, 6, 300, [
      "BTCUSDT",
      "ETHUSDT",
      "XRPUSDT",
    ]);
    const first = new Recorder(t, archive, args(server, ["publicTrade"], "*", "!XRP*"));
    await first.durableAfter(3);
    await first.kill("SIGKILL");
    list([]);
    const second = new Recorder(t, archive, args(server, ["publicTrade"], "*", "!XRP*"));
    await second.prints(
      /cannot read the list of instruments.*until it can be read, the 2 symbols are recorded that this archive has/
    );
    await second.durableAfter(2);
    list(["BTCUSDT", "EOSUSDT"]);
    await logs(second, "EOSUSDT", "is listed");
    await logs(second, "ETHUSDT", "has ended");
    await second.durableAfter(second.durableLines + 3);
    assert.equal((await second.kill("SIGTERM")).code, 0, second.stderr);
    assert.deepEqual([...new Set(await requested(t, archive))].sort(), [
      "BTCUSDT",
      "EOSUSDT",
      "ETHUSDT",
    ]);
    const gaps = await jsonList(t, ["gaps", "-a", archive, "--json"], { status: 1 });
    assert.deepEqual(
      gaps.map(({ reason, topic }) => [reason, topic]),
      [["crash", null]]
    );
    // Patterns that match nothing are a fault of theirs.
    const none = await run(
      t,
      "tapedeck-record",
      ["record", "-a", archive, ...args(server, ["publicTrade"], "BTC*", "!*USDT")],
      { status: 2 }
    );
    assert.match(none.stderr, /the symbols' patterns match none of 2 instruments/);
  });

  test("a stop while the list is read ends the recorder", async (t) => {
    const dir = temporary(t);
    const archive = path.join(dir, "tape");
    const { server } = await listedExchange(t, dir, 1, 100, ["BTCUSDT"]);
    const first = new Recorder(t, archive, args(server, ["publicTrade"], "*"));
    await first.durableAfter(1);
    assert.equal((await first.kill("SIGTERM")).code, 0, first.stderr);
    const sockets = [];
    const silent = net
      .createServer((socket) => sockets.push(socket.on("error", () => {})))
      .listen(0, "127.0.0.1");
    t.after(() => {
      silent.close();
      for (const socket of sockets) socket.destroy();
    });
    await once(silent, "listening");
    const url = `ws://127.0.0.1:${silent.address().port}/v5/public/linear`;
    const stops = {
      SIGTERM: (recorder) => recorder.kill("SIGTERM"),
      "ctl stop": () => tapedeck(t, ["ctl", archive, "stop"]),
    };
    for (const [name, stop] of Object.entries(stops)) {
      const connected = once(silent, "connection");
      const recorder = new Recorder(t, archive, [
        url,
        "--family",
        "v5-linear",
        "--topic",
        "publicTrade",
        "--symbol",
        "*",
      ]);
      await connected;
      await stop(recorder);
      assert.match(
        (await recorder.ended).stderr,
        /cannot read the list of instruments at .*: the recorder stops/,
        name
      );
    }
    await tapedeck(t, ["verify", "-a", archive]);
  });

  test("without a list, or with none that matches, the recorder ends and names the reason", async (t) => {
    const dir = temporary(t);
    const { server, list } = await listedExchange(t, dir, 3, 100, ["BTCUSDT"]);
    const record = (...more) =>
      run(
        t,
        "tapedeck-record",
        ["record", "-a", path.join(dir, "tape"), ...args(server, ["publicTrade"], ...more)],
        { status: null }
      );
    const none = await record("*PERP");
    assert.equal(none.code, 2);
    assert.match(
      none.stderr,
      /feed 'v5-linear': cannot read the list of instruments at https:.*instruments-info.*: the symbols' patterns match none of 1 instruments/
    );
    list([]);
    const empty = await record("*");
    assert.equal(empty.code, 2);
    assert.match(empty.stderr, /the list has no instrument[^]*hint: name the symbols/);
    const only = await record("!BTC*");
    assert.match(only.stderr, /all patterns exclude symbols[^]*'\*' is all/);
    const option = await run(
      t,
      "tapedeck-record",
      [
        "record",
        "-a",
        path.join(dir, "tape"),
        "--family",
        "contract-v3",
        "--topic",
        "tickers",
        "--symbol",
        "*",
      ],
      { status: 2 }
    );
    assert.match(option.stderr, /family 'contract-v3' has no list of instruments/);
    assert.ok(!fs.existsSync(path.join(dir, "tape", "journal")));
  });

  test("a feed whose list cannot be read keeps no other feed from recording, and begins when it can", async (t) => {
    const dir = temporary(t);
    const archive = path.join(dir, "tape");
    const { server, list } = await listedExchange(t, dir, 3, 300, [], "v5-linear,v5-inverse");
    const url = (family) => `${server.url}/v5/public/${family}`;
    const file = path.join(dir, "feeds.yaml");
    const feed = (family, symbols) =>
      `  - family: v5-${family}\n    url: ${url(family)}\n    ca_file: ${server.ca}\n    topics: [publicTrade]\n    symbols: [${symbols}]\n`;
    fs.writeFileSync(
      file,
      `commit_interval: 100ms\nfeeds:\n${feed("linear", '"*"')}    instruments_every: 1s\n${feed("inverse", "BTCUSD")}`
    );
    const recorder = new Recorder(t, archive, ["--config", file]);
    await recorder.prints(
      /feed 'v5-linear': cannot read the list of instruments .*the feed's listed symbols are recorded once it can be read/
    );
    await recorder.prints(/v5-inverse: subscribed to 1 of 1/);
    await recorder.durableLine((line) => line.feed === "v5-inverse" && line.in > 3);
    const { feeds } = await json(t, ["ctl", archive, "status", "--json"]);
    assert.deepEqual(
      feeds.map(({ topics, live_connections, connections }) => [
        topics,
        live_connections,
        connections,
      ]),
      [
        [0, 0, 1],
        [1, 1, 1],
      ]
    );
    list(["BTCUSDT", "ETHUSDT"]);
    await logs(recorder, "ETHUSDT", "is listed");
    await recorder.durableLine((line) => line.feed === "v5-linear" && line.in > 3);
    assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
    assert.deepEqual([...new Set(await requested(t, archive))].sort(), [
      "BTCUSD",
      "BTCUSDT",
      "ETHUSDT",
    ]);
    assert.deepEqual(await jsonList(t, ["gaps", "-a", archive, "--json"]), []);
    await tapedeck(t, ["verify", "-a", archive]);
  });

  test("a list that cannot be read keeps no other feed from a reload or from another recorder", async (t) => {
    const dir = temporary(t);
    const archive = path.join(dir, "tape"),
      file = path.join(dir, "feeds.yaml");
    const { server, list } = await listedExchange(t, dir, 3, 300, [], "v5-linear,v5-inverse");
    const write = (inverse, linear) =>
      fs.writeFileSync(
        file,
        "commit_interval: 100ms\nfeeds:\n" +
          Object.entries({ inverse, linear })
            .filter(([, symbols]) => symbols !== undefined)
            .map(
              ([family, symbols]) =>
                `  - family: v5-${family}\n    url: ${server.url}/v5/public/${family}\n    ca_file: ${server.ca}\n    topics: [publicTrade]\n    symbols: [${symbols}]\n    instruments_every: 1s\n`
            )
            .join("")
      );
    const reload = async () => (await json(t, ["ctl", archive, "reload", "--json"])).reload;
    const waits =
      /cannot read the list of instruments .*the feed's listed symbols are recorded once it can be read/;
    write("BTCUSD");
    const first = new Recorder(t, archive, ["--config", file]);
    await first.durableLine((line) => line.feed === "v5-inverse" && line.in > 3);
    write("BTCUSD, ETHUSD", '"BTC*"');
    assert.deepEqual(await reload(), {
      feeds_added: 1,
      feeds_removed: 0,
      topics_added: 1,
      topics_removed: 0,
    });
    await first.prints(waits);
    write("BTCUSD, ETHUSD", '"*"'); // a change of the patterns of a feed that waits
    assert.equal((await reload()).feeds_added, 0);
    const next = new Recorder(t, archive, ["--config", file, "--replace"]);
    await next.prints(waits);
    assert.equal((await first.ended).code, 0, first.stderr + next.stderr);
    await next.durableLine((line) => line.feed === "v5-inverse" && line.in > 3);
    list(["BTCUSDT", "ETHUSDT"]);
    await next.durableLine((line) => line.feed === "v5-linear" && line.in > 3);
    list([]);
    write("BTCUSD", '"ETH*"'); // of a list that was read, the last reading counts
    assert.deepEqual(await reload(), {
      feeds_added: 0,
      feeds_removed: 0,
      topics_added: 0,
      topics_removed: 2,
    });
    assert.equal((await next.kill("SIGTERM")).code, 0, next.stderr);
    assert.deepEqual([...new Set(await requested(t, archive))].sort(), [
      "BTCUSD",
      "BTCUSDT",
      "ETHUSD",
      "ETHUSDT",
    ]);
    assert.deepEqual(await jsonList(t, ["gaps", "-a", archive, "--json"]), []);
    await tapedeck(t, ["verify", "-a", archive]);
  });

  test("options have a list for each coin, and one topic of trades", async (t) => {
    const dir = temporary(t);
    const archive = path.join(dir, "tape");
    const names = (
      await json(t, ["sim", "--list", "--families", "v5-option", "--symbols", "20", "--json"])
    ).rows
      .filter(({ kind }) => kind === "symbol")
      .map(({ name }) => name);
    const [btc, eth] = ["BTC-", "ETH-"].map((coin) =>
      names.filter((name) => name.startsWith(coin))
    );
    const [first, second, third, ...others] = btc;
    const { server, list } = await listedExchange(
      t,
      dir,
      20,
      400,
      [first, second, ...eth],
      "v5-option"
    );
    const options = (...symbols) => [
      ...feedArgs(server, "v5-option", ["tickers", "publicTrade"]),
      ...symbols.flatMap((symbol) => ["--symbol", symbol]),
      "--commit-interval",
      "100ms",
      "--instruments-every",
      "1s",
    ];
    const recorder = new Recorder(
      t,
      archive,
      options("BTC-*", ...others.map((name) => `!${name}`))
    );
    await recorder.durableAfter(3);
    assert.match(recorder.stderr, /2 of 2 listed instruments are chosen/);
    list([first, third, ...btc.slice(4), ...eth]);
    await recorder.prints(new RegExp(`${third} is listed`));
    await recorder.prints(new RegExp(`${second} has ended`));
    await recorder.durableAfter(recorder.durableLines + 3);
    assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
    const events = await eventsOf(t, archive, "subscribe");
    const topics = (wanted) =>
      events.filter(({ state }) => state === wanted).flatMap((event) => event.topics.split(","));
    assert.deepEqual(
      topics("sent").sort(),
      [`publicTrade.BTC`, ...[first, second, third].map((name) => `tickers.${name}`)].sort()
    );
    assert.deepEqual(topics("ended"), [`tickers.${second}`]);
    assert.deepEqual(await jsonList(t, ["gaps", "-a", archive, "--json"]), []);
    const urls = (await eventsOf(t, archive, "http")).map(({ url }) => url);
    assert.ok(
      urls.length > 0 && urls.every((url) => /category=option&limit=1000&baseCoin=BTC$/.test(url)),
      urls.join("\n")
    );

    // All coins; and again without the list, from the archive: a coin is not a symbol.
    const all = new Recorder(t, archive, options("*"));
    await all.durableAfter(3);
    assert.equal((await all.kill("SIGTERM")).code, 0, all.stderr);
    list([]);
    const past = new Recorder(t, archive, options("*"));
    await past.prints(/until it can be read, the \d+ symbols are recorded that this archive has/);
    await past.durableAfter(2);
    assert.equal((await past.kill("SIGTERM")).code, 0, past.stderr);
    const requests = (await eventsOf(t, archive, "subscribe"))
      .filter(({ state }) => state === "sent")
      .flatMap((event) => event.topics.split(","));
    assert.ok(requests.includes("publicTrade.ETH") && requests.includes(`tickers.${eth[0]}`));
    assert.ok(
      requests.every((topic) =>
        /^publicTrade\.(BTC|ETH|SOL|XRP|MNT|DOGE)$|^tickers\.[A-Z]+-.*-[CP]$/.test(topic)
      ),
      requests.join(" ")
    );
  });

  test("connections get about the same number of frames, once these are known, and then keep their topics", async (t) => {
    const dir = temporary(t),
      archive = path.join(dir, "tape");
    const server = await simulator(t, dir, [
      "--families",
      "v5-linear",
      "--symbols",
      "6",
      "--rate",
      "600",
    ]);
    const topics = [
      "orderbook.50.BTCUSDT",
      "tickers.LTCUSDT",
      "orderbook.50.ETHUSDT",
      "tickers.XRPUSDT",
      "orderbook.50.EOSUSDT",
      "tickers.EOSUSDT",
    ];
    const options = [
      ...feedArgs(server, "v5-linear", topics),
      "--max-topics-per-connection",
      "5",
      "--commit-interval",
      "100ms",
    ];
    /** Frames of a session: topic -> [shard, frames]. */
    const session = async () => {
      const recorder = new Recorder(t, archive, options);
      await recorder.durableAfter(20);
      assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
      const found = new Map();
      for (const { topic, symbol, shard, session } of await jsonLines(t, [
        "cat",
        "-a",
        archive,
        "--dir",
        "in",
        "--topic",
        "orderbook.50",
        "--topic",
        "tickers",
      ]))
        if (session === recorder.firstSession)
          found.set(`${topic}.${symbol}`, [shard, (found.get(`${topic}.${symbol}`)?.[1] ?? 0) + 1]);
      return found;
    };
    const share = (of) =>
      [0, 1].map((at) =>
        [...of.values()].filter(([shard]) => shard === at).reduce((sum, [, n]) => sum + n, 0)
      );
    const shards = (of) => [...of].map(([topic, [shard]]) => `${topic} ${shard}`).sort();
    const first = await session(),
      second = await session(),
      third = await session();
    const [books, tickers] = share(first); // dealt in the order in which they are given
    assert.ok(books > 3 * tickers, `${share(first)}`);
    assert.ok(Math.max(...share(second)) < 2 * Math.min(...share(second)), `${share(second)}`);
    assert.deepEqual(shards(third), shards(second));
    const gaps = await jsonList(t, ["gaps", "-a", archive, "--json"], { status: 1 });
    assert.deepEqual(
      gaps.map(({ reason, topic, to_ns: to }) => [reason, topic, to !== null]),
      Array(4).fill(["restart", null, true])
    );
    await tapedeck(t, ["verify", "-a", archive]);
  });

  test(
    "a list of two pages, more connections than one, and an instrument that is listed again",
    { skip: tooLong },
    async (t) => {
      const dir = temporary(t);
      const archive = path.join(dir, "tape");
      const names = (
        await json(t, ["sim", "--list", "--families", "v5-linear", "--symbols", "1100", "--json"])
      ).rows
        .filter(({ kind }) => kind === "symbol")
        .map(({ name }) => name);
      assert.equal(names.length, 1100);
      const { server, list } = await listedExchange(t, dir, 1100, 200, names.slice(0, 1050));
      const recorder = new Recorder(t, archive, [
        ...args(server, ["publicTrade"], "all"),
        "--max-topics-per-connection",
        "400",
      ]);
      await recorder.prints(/shard 2\): subscribed to/); // on a slow machine, some requests may be unanswered then
      assert.match(recorder.stderr, /1050 of 1050 listed instruments are chosen/);
      list(names.slice(1)); // 50 more and one less: the third connection is filled
      await logs(recorder, names[1099], "is listed");
      await logs(recorder, names[0], "has ended");
      list(names);
      await logs(recorder, names[0], "is listed");
      await recorder.durableAfter(recorder.durableLines + 3);
      assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
      const topics = await requested(t, archive);
      assert.equal(new Set(topics).size, 1100);
      const connects = await eventsOf(t, archive, "connect");
      assert.deepEqual(connects.map(({ shard }) => shard).sort(), [0, 1, 2]);
      const rows = await jsonList(t, ["gaps", "-a", archive, "--json"]);
      // Between its two listings the instrument was not asked for, which shows if it had frames.
      assert.ok(
        rows.every(({ reason, symbol }) => reason === "not_subscribed" && symbol === names[0]),
        JSON.stringify(rows)
      );
      // The names of pages are in the recorded requests.
      const urls = (await eventsOf(t, archive, "http")).map(({ url }) => url);
      assert.ok(
        urls.some((url) => /limit=1000&cursor=first%3D1000$/.test(url)),
        urls.join("\n")
      );
    }
  );
});
