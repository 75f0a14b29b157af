// A running recorder gets another configuration, by `tapedeck ctl` or SIGHUP, and answers questions. Expected: the exchange's own
// account of sent frames, the configurations that the test writes, and docs/recording.md ("A running recorder").
import assert from "node:assert/strict";
import { once } from "node:events";
import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import { describe } from "node:test";
import {
  BIN,
  eventsOf,
  eventually,
  json,
  jsonLines,
  jsonList,
  Program,
  run,
  segments,
  tapedeck,
  temporary,
  tooLong,
} from "../support/harness.mjs";
import { test } from "../support/npm_packages.mjs";
import { compareWithTruth, PATHS, Recorder, simulator } from "../support/recorders.mjs";

/** Clients of the control socket that send nothing, and too much. */
const RUDE = `import os, socket, sys
found = os.stat(sys.argv[1])
clients = [socket.socket(socket.AF_UNIX) for _ in range(2)]
for client in clients: client.connect("\\0tapedeck-control-%x-%x" % (found.st_dev, found.st_ino))
clients[1].send(b"x" * 1000)
print("connected", flush=True)
sys.stdin.read()`;

const FAMILIES = ["v5-linear", "v5-inverse", "v5-spot"];

/** An exchange, a configuration that the test writes (family -> {topics, symbols, more}), and a recorder of it. */
async function recorded(t, families, { rate = 300, args = [] } = {}) {
  const dir = temporary(t);
  const archive = path.join(dir, "tape"),
    file = path.join(dir, "feeds.yaml");
  const server = await simulator(t, dir, [
    "--families",
    FAMILIES.join(),
    "--symbols",
    "4",
    "--rate",
    String(rate),
  ]);
  const write = (feeds, more = "") =>
    fs.writeFileSync(
      file,
      `${more}feeds:\n` +
        Object.entries(feeds)
          .map(
            ([family, { topics, symbols, more = "" }]) =>
              `  - family: ${family}\n    url: ${server.url}${PATHS[family]}\n    ca_file: ${server.ca}\n    topics: [${topics}]\n    symbols: [${symbols}]\n${more}`
          )
          .join("")
    );
  write(families);
  const recorder = new Recorder(t, archive, ["-c", file, "--commit-interval", "100ms", ...args]);
  const ctl = (...words) => json(t, ["ctl", archive, ...words, "--json"]);
  const refused = async (pattern) => {
    const { stderr } = await tapedeck(t, ["ctl", archive, "reload"], { status: 4 });
    assert.match(stderr, pattern);
  };
  return { dir, archive, file, server, write, recorder, ctl, refused };
}

const durableOf = async (recorder, feed, more) => {
  for (let n = 0; n < more;)
    n += (await recorder.durableLine((row) => row.feed === feed && row.in > 1)) !== undefined;
};

/** The ledger's rows of topics that were not asked for in between; there must be no others. */
async function leftOut(t, archive) {
  const rows = await jsonList(t, ["gaps", "-a", archive, "--json"]);
  assert.ok(
    rows.every(({ reason, origin }) => reason === "not_subscribed" && origin === "us"),
    JSON.stringify(rows)
  );
  return rows.map(({ topic, symbol }) => `${topic} ${symbol}`).sort();
}

describe("another configuration", { concurrency: true }, () => {
  test("feeds, topics and symbols come and go, and no frame of any other is missing", async (t) => {
    const before = {
      "v5-linear": { topics: "publicTrade, tickers", symbols: "BTCUSDT, ETHUSDT" },
      "v5-inverse": { topics: "publicTrade", symbols: "BTCUSD" },
    };
    const { archive, server, write, recorder, ctl } = await recorded(t, before);
    await durableOf(recorder, "v5-linear", 3);
    await durableOf(recorder, "v5-inverse", 2);
    assert.deepEqual((await ctl("reload")).reload, {
      feeds_added: 0,
      feeds_removed: 0,
      topics_added: 0,
      topics_removed: 0,
    });
    write({
      "v5-linear": { topics: "publicTrade, orderbook.50", symbols: "BTCUSDT, EOSUSDT" },
      "v5-spot": { topics: "publicTrade", symbols: "BTCUSDT" },
    });
    assert.deepEqual((await ctl("reload")).reload, {
      feeds_added: 1,
      feeds_removed: 1,
      topics_added: 3,
      topics_removed: 3,
    });
    await durableOf(recorder, "v5-linear", 3);
    await durableOf(recorder, "v5-spot", 3);
    const status = await ctl("status");
    assert.deepEqual(
      status.feeds.map(({ feed, topics, connections, live_connections: live }) => [
        feed,
        topics,
        connections,
        live,
      ]),
      [
        ["v5-linear", 4, 1, 1],
        ["v5-spot", 1, 1, 1],
      ]
    );
    assert.equal(status.reloads, 2);
    assert.equal(status.reload_error, null);
    assert.ok(
      status.frames > 0 && status.elapsed_s > 0 && status.gaps === 0,
      JSON.stringify(status)
    );
    assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);

    const ended = (await eventsOf(t, archive, "subscribe")).filter(
      ({ state }) => state === "ended"
    );
    assert.deepEqual(
      new Set(ended.map(({ topics, detail }) => `${topics} ${detail}`)),
      new Set(
        ["publicTrade.ETHUSDT", "tickers.BTCUSDT", "tickers.ETHUSDT", "publicTrade.BTCUSD"].map(
          (topic) => `${topic} removed from the configuration`
        )
      )
    );
    assert.deepEqual(await jsonList(t, ["gaps", "-a", archive, "--json"]), []);
    for (const family of FAMILIES) {
      const [connection, ...more] = await compareWithTruth(t, archive, family, server.truth);
      assert.ok(more.length === 0 && connection.data > 0, family);
    }
    const { days } = await json(t, ["days", "-a", archive, "--json"]);
    assert.deepEqual(
      days.map(({ feed, symbol, clean_percent: percent }) => `${feed} ${symbol} ${percent}`),
      [
        "v5-inverse BTCUSD 100",
        "v5-linear BTCUSDT 100",
        "v5-linear EOSUSDT 100",
        "v5-linear ETHUSDT 100",
        "v5-spot BTCUSDT 100",
      ]
    );
    await tapedeck(t, ["verify", "-a", archive]);
    await tapedeck(t, ["replay", "-a", archive]);
  });

  test("topics that are taken out and come back lack no trades", async (t) => {
    const of = (symbols, topics = "publicTrade, kline.1") => ({ "v5-linear": { topics, symbols } });
    const { archive, server, write, recorder, ctl } = await recorded(t, of("BTCUSDT, ETHUSDT"));
    const candles = async (symbol, more) => {
      const count = () =>
        fs.readFileSync(server.truth, "utf8").split(`"topic":"kline.1","symbol":"${symbol}"`)
          .length;
      const enough = count() + more;
      await eventually(`${more} candles of ${symbol}`, () => count() >= enough);
    };
    await durableOf(recorder, "v5-linear", 2);
    await candles("ETHUSDT", 4);
    write(of("BTCUSDT"));
    await ctl("reload");
    await candles("BTCUSDT", 3);
    write(of("BTCUSDT, ETHUSDT"));
    await ctl("reload");
    await candles("ETHUSDT", 3);
    write(of("BTCUSDT, ETHUSDT", "kline.1"));
    await ctl("reload");
    await candles("BTCUSDT", 7); // a reading waits 5 s for its trades
    write(of("BTCUSDT, ETHUSDT"));
    await ctl("reload");
    await candles("BTCUSDT", 2);
    assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
    assert.deepEqual(await leftOut(t, archive), [
      "kline.1 ETHUSDT",
      "publicTrade BTCUSDT",
      "publicTrade ETHUSDT",
      "publicTrade ETHUSDT",
    ]);
    const { stdout } = await tapedeck(t, ["replay", "-a", archive], { status: 1 });
    assert.match(stdout, /^Complete: no, 4 parts not subscribed\.$/m);
  });

  test("trades that are taken out and back within one reading of a candle are not missing", async (t) => {
    const of = (symbols) => ({ "v5-linear": { topics: "publicTrade, kline.1", symbols } });
    const { archive, server, write, recorder, ctl } = await recorded(t, of("BTCUSDT, ETHUSDT"));
    const more = async (topic, symbol, wanted) => {
      const count = () =>
        fs.readFileSync(server.truth, "utf8").split(`"topic":"${topic}","symbol":"${symbol}"`)
          .length;
      const enough = count() + wanted;
      await eventually(`${wanted} frames of ${topic} of ${symbol}`, () => count() >= enough);
    };
    await durableOf(recorder, "v5-linear", 2);
    for (let round = 0; round < 2; round++) {
      await more("kline.1", "ETHUSDT", 4);
      write(of("BTCUSDT"));
      await ctl("reload");
      await more("publicTrade", "BTCUSDT", 20);
      write(of("BTCUSDT, ETHUSDT"));
      await ctl("reload"); // the first reading is the one of before
    }
    await more("kline.1", "ETHUSDT", 4);
    assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
    const names = await leftOut(t, archive);
    assert.deepEqual(new Set(names), new Set(["kline.1 ETHUSDT", "publicTrade ETHUSDT"]));
  });

  test("a feed that was removed has a gap only if a later session records it again", async (t) => {
    const both = {
      "v5-linear": { topics: "publicTrade", symbols: "BTCUSDT, ETHUSDT" },
      "v5-inverse": { topics: "publicTrade", symbols: "BTCUSD" },
    };
    const { archive, file, write, recorder, ctl, refused } = await recorded(t, both);
    await durableOf(recorder, "v5-linear", 2);
    await durableOf(recorder, "v5-inverse", 2);
    write({ "v5-linear": { topics: "publicTrade", symbols: "BTCUSDT" } });
    assert.deepEqual((await ctl("reload")).reload, {
      feeds_added: 0,
      feeds_removed: 1,
      topics_added: 0,
      topics_removed: 1,
    });
    await durableOf(recorder, "v5-linear", 2);
    write(both);
    await refused(
      /feeds\.yaml:7: name: the feed 'v5-inverse' was removed from this session\n.*start the recorder again/
    );
    await recorder.kill("SIGTERM");
    assert.deepEqual(await jsonList(t, ["gaps", "-a", archive, "--json"]), []);
    const second = new Recorder(t, archive, ["-c", file, "--commit-interval", "100ms"]);
    await durableOf(second, "v5-linear", 2);
    await durableOf(second, "v5-inverse", 2);
    await second.kill("SIGTERM");
    const gaps = await jsonList(t, ["gaps", "-a", archive, "--json"], { status: 1 });
    assert.deepEqual(
      gaps.map(({ feed, reason, topic, symbol }) => [feed, reason, topic, symbol]).sort(),
      [
        ["v5-inverse", "restart", null, null],
        ["v5-linear", "not_subscribed", "publicTrade", "ETHUSDT"],
        ["v5-linear", "restart", null, null],
      ]
    );
    await tapedeck(t, ["verify", "-a", archive]);
  });

  test("a configuration that cannot be used changes nothing, and the error names file, line and key", async (t) => {
    const first = { "v5-linear": { topics: "publicTrade", symbols: "BTCUSDT" } };
    const { archive, file, server, write, recorder, ctl, refused } = await recorded(t, first);
    await durableOf(recorder, "v5-linear", 2);
    const rows = [
      [() => fs.writeFileSync(file, "feeds: [\n"), /feeds\.yaml:\d+: /],
      [() => fs.rmSync(file), /cannot read '.*feeds\.yaml'/],
      [
        () => write({ "v5-linear": { topics: "publicTrad", symbols: "BTCUSDT" } }),
        /feeds\.yaml:5: .*has no topic 'publicTrad\.BTCUSDT'/,
      ],
      [
        () =>
          write({
            "v5-linear": {
              topics: "publicTrade",
              symbols: "BTCUSDT",
              more: "    stale_after: 7s\n",
            },
          }),
        /feeds\.yaml:7: .*'stale-after' cannot change while the feed is recorded/,
      ],
      [
        () => write({ "v5-linear": { topics: "publicTrade", symbols: "'*'" } }),
        /feeds\.yaml:6: .*first pattern of symbols/,
      ],
      [() => write(first, "overload: drop\n"), /'overload' cannot change while recording/],
      [
        () => write({ ...first, "v5-spot": { topics: "nothing", symbols: "BTCUSDT" } }),
        /feeds\.yaml:10: .*has no topic 'nothing\.BTCUSDT'/,
      ],
      [
        () =>
          write({
            ...first,
            "v5-spot": {
              topics: "publicTrade",
              symbols: "BTCUSDT",
              more: "    symbols_file: nowhere\n",
            },
          }),
        /'nowhere'/,
      ],
    ];
    for (const [change, pattern] of rows) {
      change();
      await refused(pattern);
    }
    assert.match((await ctl("status")).reload_error, /'nowhere'/);
    assert.equal((await ctl("status")).reloads, 0);
    await recorder.prints(
      /the new configuration is not used, recording continues with the old one/
    );
    write({ "v5-linear": { topics: "publicTrade", symbols: "BTCUSDT, ETHUSDT" } });
    recorder.child.kill("SIGHUP");
    await recorder.prints(
      /the configuration was read again: 0 feeds added, 0 removed; 1 topic added, 0 removed/
    );
    await durableOf(recorder, "v5-linear", 2);
    assert.equal((await ctl("status")).reload_error, null);
    await recorder.kill("SIGTERM");
    const [connection, ...more] = await compareWithTruth(t, archive, "v5-linear", server.truth);
    assert.ok(more.length === 0 && connection.data > 0);
    assert.deepEqual(await jsonList(t, ["gaps", "-a", archive, "--json"]), []);
  });

  test("a file of symbols is read again", async (t) => {
    const names = path.join(temporary(t), "names");
    fs.writeFileSync(names, "ETHUSDT\n");
    const { recorder, ctl, archive, server } = await recorded(t, {
      "v5-linear": {
        topics: "publicTrade",
        symbols: "BTCUSDT",
        more: `    symbols_file: ${names}\n`,
      },
    });
    await durableOf(recorder, "v5-linear", 2);
    fs.writeFileSync(names, "EOSUSDT\n");
    assert.deepEqual((await ctl("reload")).reload, {
      feeds_added: 0,
      feeds_removed: 0,
      topics_added: 1,
      topics_removed: 1,
    });
    assert.deepEqual((await ctl("reload")).reload, {
      feeds_added: 0,
      feeds_removed: 0,
      topics_added: 0,
      topics_removed: 0,
    });
    await eventually(
      "frames of the symbol that came",
      async () =>
        (await jsonLines(t, ["cat", "-a", archive, "--symbol", "EOSUSDT"], { status: null }))
          .length > 0,
      recorder
    );
    await recorder.kill("SIGTERM");
    const [connection, ...more] = await compareWithTruth(t, archive, "v5-linear", server.truth);
    assert.ok(more.length === 0 && connection.data > 0);
  });

  test("patterns of symbols change, too", async (t) => {
    const { recorder, write, ctl, archive } = await recorded(t, {
      "v5-linear": { topics: "publicTrade", symbols: "'*', '!ETH*'" },
    });
    await recorder.prints(/3 of 4 listed instruments are chosen/);
    await durableOf(recorder, "v5-linear", 2);
    write({ "v5-linear": { topics: "publicTrade", symbols: "'*', '!BTC*'" } });
    assert.deepEqual((await ctl("reload")).reload, {
      feeds_added: 0,
      feeds_removed: 0,
      topics_added: 0,
      topics_removed: 1,
    });
    await recorder.prints(/v5-linear: ETHUSDT is listed: recording begins/);
    await durableOf(recorder, "v5-linear", 2);
    await recorder.kill("SIGTERM");
    const events = await eventsOf(t, archive, "subscribe");
    assert.deepEqual(
      events.filter(({ state }) => state === "ended").map(({ topics, detail }) => [topics, detail]),
      [["publicTrade.BTCUSDT", "removed from the configuration"]]
    );
    assert.deepEqual(await jsonList(t, ["gaps", "-a", archive, "--json"]), []);
  });

  test("a stop does not wait for the list of instruments of a new feed", async (t) => {
    const { recorder, file, archive } = await recorded(t, {
      "v5-linear": { topics: "publicTrade", symbols: "BTCUSDT" },
    });
    const silent = net.createServer();
    silent.listen(0, "127.0.0.1");
    await once(silent, "listening");
    await durableOf(recorder, "v5-linear", 1);
    fs.appendFileSync(
      file,
      `  - family: v5-inverse\n    url: wss://127.0.0.1:${silent.address().port}${PATHS["v5-inverse"]}\n    topics: [publicTrade]\n    symbols: ['*']\n`
    );
    const asked = once(silent, "connection");
    const reload = tapedeck(t, ["ctl", archive, "reload"], { status: 4 });
    const [client] = await asked;
    const begin = performance.now();
    assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
    assert.ok(performance.now() - begin < 10_000, `stopped after ${performance.now() - begin} ms`); // 20 s are the limit of two requests
    assert.match((await reload).stderr, /the recorder stops$/m);
    client.destroy();
    silent.close();
  });
});

describe("many changes", () => {
  const READING_S = 2,
    CHANGES = 20;

  test(
    "600 symbols, of which 20 come and 20 go, beside 20 reloads: each is requested, and nothing else is touched",
    { skip: tooLong },
    async (t) => {
      const dir = temporary(t);
      const archive = path.join(dir, "tape"),
        file = path.join(dir, "feeds.yaml"),
        listed = path.join(dir, "instruments");
      const names = (
        await json(t, ["sim", "--list", "--families", "v5-linear", "--symbols", "600", "--json"])
      ).rows
        .filter(({ kind }) => kind === "symbol")
        .map(({ name }) => name);
      const list = (from, to) => {
        fs.writeFileSync(
          `${listed}.new`,
          names
            .map((name, i) => `${name}${i < from ? " Closed" : ""}\n`)
            .slice(0, to)
            .join("")
        );
        fs.renameSync(`${listed}.new`, listed);
      };
      list(0, 580);
      const server = await simulator(t, dir, [
        "--families",
        "v5-linear,v5-inverse,v5-spot",
        "--symbols",
        "600",
        "--rate",
        "400",
        "--instruments-file",
        listed,
      ]);
      const feed = (family, topics, symbols) =>
        `  - family: ${family}\n    url: ${server.url}${PATHS[family]}\n    ca_file: ${server.ca}\n    topics: [${topics}]\n    symbols: [${symbols}]\n`;
      const write = (more) =>
        fs.writeFileSync(
          file,
          "feeds:\n" +
            feed("v5-linear", "publicTrade", "'*'") +
            `    instruments_every: ${READING_S}s\n    max_topics_per_connection: 200\n` +
            feed("v5-inverse", "publicTrade", "BTCUSD") +
            feed("v5-spot", "publicTrade", more ? "BTCUSDT, ETHUSDT" : "BTCUSDT")
        );
      write(false);
      const recorder = new Recorder(t, archive, ["-c", file, "--commit-interval", "100ms"], {
        deadlineMs: 400_000,
      });
      for (let shard = 0; shard < 3; shard++)
        await recorder.prints(new RegExp(`shard ${shard}\\): subscribed to`));
      const at = new Map();
      for (let i = 0; i < CHANGES; i++) {
        list(i + 1, 581 + i);
        at.set(names[580 + i], Date.now());
        write(i % 2 === 0);
        assert.deepEqual((await json(t, ["ctl", archive, "reload", "--json"])).reload, {
          feeds_added: 0,
          feeds_removed: 0,
          topics_added: i % 2 === 0 ? 1 : 0,
          topics_removed: i % 2,
        });
        await recorder.prints(new RegExp(`${names[580 + i]} is listed`));
        await recorder.prints(new RegExp(`${names[i]} has ended`));
      }
      await durableOf(recorder, "v5-linear", 5);
      assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
      const events = await eventsOf(t, archive, "subscribe");
      const delays = [];
      for (const [symbol, written] of at) {
        const sent = events.find(
          ({ state, topics }) =>
            state === "sent" && topics.split(",").includes(`publicTrade.${symbol}`)
        );
        assert.ok(sent, `${symbol} was never requested`);
        delays.push(sent.at_ns / 1e6 - written);
      }
      t.diagnostic(
        `requested after at most ${Math.max(...delays).toFixed(0)} ms, a reading every ${READING_S} s`
      );
      assert.equal(
        events.filter(({ state, detail }) => state === "ended" && detail === "instrument ended")
          .length,
        CHANGES
      );
      assert.deepEqual(new Set(await leftOut(t, archive)), new Set(["publicTrade ETHUSDT"])); // of v5-spot
      for (const family of ["v5-linear", "v5-inverse", "v5-spot"]) {
        const connections = await compareWithTruth(t, archive, family, server.truth);
        assert.equal(connections.length, family === "v5-linear" ? 4 : 1, family); // of 580 topics, the last of three connections has 193
        assert.ok(
          connections.every(({ data }) => data > 0),
          family
        );
      }
    }
  );
});

describe("questions and commands", { concurrency: true }, () => {
  test("rotate begins segments, stop ends the recorder", async (t) => {
    const { archive, recorder, ctl } = await recorded(t, {
      "v5-linear": { topics: "publicTrade", symbols: "BTCUSDT" },
    });
    await durableOf(recorder, "v5-linear", 2);
    assert.deepEqual(await ctl("rotate"), { rotating: true });
    await durableOf(recorder, "v5-linear", 3);
    assert.equal(segments(archive).length, 1); // finished; the next one is open
    assert.match(
      (await tapedeck(t, ["ctl", archive, "status"])).stdout,
      /^feed .*frames\/s[^]*^v5-linear +live +1 [^]*^0 gaps  0 books broken  0 frames dropped$/m
    );
    assert.deepEqual(await ctl("stop"), { stopping: true });
    assert.equal((await recorder.ended).code, 0, recorder.stderr);
    assert.equal(segments(archive).length, 2);
    await tapedeck(t, ["verify", "-a", archive]);
    assert.deepEqual(await jsonList(t, ["gaps", "-a", archive, "--json"]), []);
  });

  test("without a recorder, and to wrong commands, the error names what to do", async (t) => {
    const { archive, recorder } = await recorded(t, {
      "v5-linear": { topics: "publicTrade", symbols: "BTCUSDT" },
    });
    await durableOf(recorder, "v5-linear", 1);
    assert.match(
      (await tapedeck(t, ["ctl", archive, "pause"], { status: 2 })).stderr,
      /'pause' is no command[^]*status, top, reload, rotate and stop/
    );
    assert.match(
      (await tapedeck(t, ["ctl", "-a", archive, archive, "status"], { status: 2 })).stderr,
      /given twice/
    );
    // A client that sends nothing or too much delays others by seconds at most.
    const rude = new Program(t, "/usr/bin/python3", ["-c", RUDE, archive], { stdin: true });
    await rude.line(() => true);
    await tapedeck(t, ["ctl", archive, "status"]);
    await recorder.kill("SIGKILL");
    assert.match(
      (await tapedeck(t, ["ctl", archive, "status"], { status: 4 })).stderr,
      /no recorder runs in[^]*hint: /
    );
    assert.match(
      (await tapedeck(t, ["ctl", path.join(archive, "nowhere"), "status"], { status: 4 })).stderr,
      /no archive: cannot find the folder/
    );
    const again = new Recorder(t, archive, [
      "--family",
      "v5-linear",
      "ws://127.0.0.1:1/v5/public/linear",
      "--topic",
      "publicTrade.BTCUSDT",
    ]);
    await again.prints(/cannot connect|refused/);
    assert.match(
      (await tapedeck(t, ["ctl", archive, "reload"], { status: 4 })).stderr,
      /no configuration file[^]*--config FILE/
    );
    again.child.kill("SIGHUP"); // as the end of a terminal
    assert.equal((await again.ended).code, 4);
  });

  test(
    "another user gets no answer",
    { skip: process.getuid() !== 0 && "needs root" },
    async (t) => {
      const { dir, archive, recorder } = await recorded(t, {
        "v5-linear": { topics: "publicTrade", symbols: "BTCUSDT" },
      });
      await durableOf(recorder, "v5-linear", 1);
      const program = path.join(dir, "tapedeck-record");
      fs.copyFileSync(path.join(BIN, "tapedeck-record"), program);
      for (const name of [dir, archive, program]) fs.chmodSync(name, 0o777);
      const end = await run(t, program, ["ctl", archive, "status"], {
        status: null,
        under: ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"],
      });
      assert.equal(end.code, 4, end.stderr);
      assert.match(end.stderr, /refused to answer: only its user and root may ask it/);
      await recorder.kill("SIGTERM");
    }
  );
});
