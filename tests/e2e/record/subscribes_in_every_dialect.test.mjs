// The recorder with exchanges of every dialect (dialect_exchanges.mjs): its requests and authentication, their answers, frames
// before answers, and the same after a reconnect. Expected values: docs/wire.md 1 to 1.5, and the frames that the exchanges
// sent.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { describe } from "node:test";
import {
  eventsOf,
  jsonLines,
  jsonList,
  listening,
  run,
  tapedeck,
  temporary,
} from "../support/harness.mjs";
import {
  ENV,
  exchange,
  FAMILIES,
  KEY,
  recorderArgs,
  SECRET,
  signature,
} from "../support/dialect_exchanges.mjs";
import { scriptedServer } from "../support/scripted_server.mjs";
import { nothingLeaked, nothingLeakedInText } from "../support/secret_search.mjs";
import { Recorder } from "../support/recorders.mjs";
import { test } from "../support/npm_packages.mjs";

/** Record two connections of a family; the exchange closes the first. */
async function twice(t, name, more = []) {
  const dir = temporary(t);
  const archive = path.join(dir, "tape");
  let isLive;
  const live = new Promise((resolve) => (isLive = resolve));
  const server = await exchange(t, dir, name, {
    after: (ws, n) => (n === 1 ? ws.close(1001, "again") : isLive()),
  });
  const recorder = new Recorder(
    t,
    archive,
    recorderArgs(server, name, ["--commit-interval", "50ms", ...more]),
    ENV
  );
  await recorder.until(live);
  const { family } = server;
  const frames = family.frames.length * (family.requests === 0 ? 1 : 2);
  const control = family.requests + (family.auth ? 1 : 0) + (family.pings ? 1 : 0);
  await recorder.durableLine((durable) => durable.conn === 2 && durable.in >= frames + control);
  assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
  return { archive, server, recorder, frames, control };
}

describe("every dialect", { concurrency: 2 }, () => {
  for (const [name, family] of Object.entries(FAMILIES)) {
    test(`${name}: the recorder subscribes, reads the answer and records, also on a new connection`, async (t) => {
      const { archive, server, recorder, frames, control } = await twice(t, name);
      assert.equal(server.conns.length, 2, recorder.stderr);
      for (const conn of server.conns) {
        const asked = conn.requests.filter(
          (r) => r.pong === undefined && r.ping === undefined && r.op !== "ping"
        );
        assert.deepEqual([...conn.topics].sort(), [...family.wanted].sort());
        if (family.auth) {
          const [first] = asked;
          assert.equal(first.op, "auth", "authentication comes first");
          assert.deepEqual([first.args[0], first.args[2]], [KEY, signature(first.args[1])]);
          assert.equal(asked.length, family.requests + 1);
        } else {
          assert.equal(asked.length, family.requests);
        }
        if (family.auth) assert.ok(conn.isAuthentic, conn.url);
        if (family.pings)
          assert.ok(
            conn.requests.some((r) => Number.isInteger(r.pong)),
            "the server's ping is answered"
          );
      }
      const rows = await jsonLines(t, ["cat", "-a", archive, "--dir", "in"]);
      for (const conn of [1, 2]) {
        const own = rows.filter((row) => row.conn === conn);
        assert.equal(own.length, frames + control, JSON.stringify(own));
        assert.deepEqual(
          own.map((row) => row.ordinal),
          own.map((_, i) => i + 1)
        );
        const data = own.filter((row) => row.topic !== "_control").map((row) => row.data);
        assert.deepEqual(
          data,
          Array(frames / family.frames.length)
            .fill(family.frames)
            .flat()
        );
      }
      const events = await eventsOf(t, archive);
      const granted = events.filter(({ event, conn }) => event === "grant" && conn === 2);
      assert.deepEqual(
        granted.map((event) => event.topic).sort(),
        family.wanted.length > 0 ? [...family.wanted].sort() : ["*"]
      );
      const authentic = events.filter(({ event }) => event === "auth").map(({ state }) => state);
      assert.deepEqual(authentic, family.auth ? ["sent", "accepted", "sent", "accepted"] : []);
      const gaps = await jsonList(t, ["gaps", "-a", archive, "--json"], { status: 1 });
      // Other tests check frames that come twice.
      assert.deepEqual(
        gaps
          .filter((gap) => gap.reason !== "sequence")
          .map((gap) => [gap.reason, gap.to_ns !== null]),
        [["disconnect", true]]
      );
      if (family.auth) {
        const signatures = server.conns.map((conn) => conn.requests[0].args[2]);
        await nothingLeaked(archive, KEY, SECRET, ...signatures);
        nothingLeakedInText(recorder, KEY, SECRET, ...signatures);
      }
      await tapedeck(t, ["verify", "-a", archive]);
    });
  }

  test("requests have ids, at most 10 args in v3, comma lists in spot v1, one symbol with its parameters in spot v2", async (t) => {
    const asked = async (name, args) => {
      const dir = temporary(t);
      const requests = [];
      const server = await scriptedServer(t, dir, {
        message: (_ws, request) => requests.push(request),
      });
      const recorder = new Recorder(t, path.join(dir, "tape"), [
        `${server.url}${FAMILIES[name].path}`,
        "--family",
        name,
        "--ca-file",
        server.ca,
        ...args,
      ]);
      await recorder.durableLine((durable) => durable.out >= 1);
      await recorder.kill("SIGTERM");
      return requests;
    };
    const symbols = Array.from({ length: 25 }, (_, i) => `S${i}USDT`);
    const v3 = await asked("contract-v3", [
      "--topic",
      "publicTrade",
      ...symbols.flatMap((s) => ["--symbol", s]),
    ]);
    assert.deepEqual(
      v3.map((r) => r.args.length),
      [10, 10, 5]
    );
    assert.equal(new Set(v3.map((r) => r.req_id)).size, 3);
    const usdc = await asked("usdc-option", ["--topic", "recenttrades.BTC"]);
    assert.ok(typeof usdc[0].id === "string" && usdc[0].id !== "" && usdc[0].req_id === undefined);
    const v1 = await asked("spot-v1", [
      "--topic",
      "mergedDepth.1",
      "--topic",
      "trade",
      "--symbol",
      "BTCUSDT",
      "--symbol",
      "ETHUSDT",
      "--binary",
    ]);
    assert.deepEqual(v1, [
      {
        symbol: "BTCUSDT,ETHUSDT",
        topic: "mergedDepth",
        event: "sub",
        params: { dumpScale: 1, binary: true },
      },
      { symbol: "BTCUSDT,ETHUSDT", topic: "trade", event: "sub", params: { binary: true } },
    ]);
    const v2 = await asked("spot-v2", [
      "--topic",
      "kline.1m",
      "--symbol",
      "BTCUSDT",
      "--symbol",
      "ETHUSDT",
    ]);
    assert.deepEqual(
      v2,
      ["BTCUSDT", "ETHUSDT"].map((symbol) => ({
        topic: "kline",
        event: "sub",
        params: { symbol, klineType: "1m", binary: false },
      }))
    );
  });

  test("topics that the exchange refuses by name are reported, and the others are recorded", async (t) => {
    const dir = temporary(t);
    const archive = path.join(dir, "tape");
    const { speaks } = FAMILIES["v5-option"];
    const server = await exchange(t, dir, "v5-option", {
      behave: (ws, request) => {
        if (request.op === "subscribe")
          ws.send(
            speaks.answer(
              request,
              undefined,
              ["orderbook.25.NOSUCH"].filter((a) => request.args.includes(a))
            )
          );
        return true;
      },
    });
    const recorder = new Recorder(
      t,
      archive,
      recorderArgs(server, "v5-option", ["--symbol", "NOSUCH"]),
      ENV
    );
    await recorder.prints(/subscribed to 1 of 2 topics/);
    assert.match(recorder.stderr, /refused to subscribe orderbook\.25\.NOSUCH: .*failTopics/);
    await recorder.kill("SIGTERM");
    const of = async (kind) =>
      (await eventsOf(t, archive, kind)).map((event) => event.topics ?? event.topic);
    assert.deepEqual(await of("subscribe"), [
      "orderbook.25.BTC-27JUN25-90000-C,orderbook.25.NOSUCH",
    ]);
    assert.deepEqual(await of("grant"), ["orderbook.25.BTC-27JUN25-90000-C"]);
    assert.deepEqual(await of("grant_end"), ["orderbook.25.NOSUCH"]);
  });

  test("the first request of a new connection omits refused topics", async (t) => {
    const dir = temporary(t);
    const archive = path.join(dir, "tape");
    const { speaks } = FAMILIES["v5-linear"];
    const first = [];
    let again;
    const isBack = new Promise((resolve) => (again = resolve));
    const server = await exchange(t, dir, "v5-linear", {
      behave: (ws, request, n) => {
        if (request.op !== "subscribe") return true;
        const bad = request.args.find((a) => a.endsWith("NOSUCH"));
        first[n] ??= request.args;
        ws.send(speaks.answer(request, bad && `error:handler not found,topic:${bad}`));
        if (n === 1 && bad && request.args.length === 1) ws.close(1001);
        if (n === 2) again();
        return true;
      },
    });
    const recorder = new Recorder(
      t,
      archive,
      recorderArgs(server, "v5-linear", ["--symbol", "NOSUCH"]),
      ENV
    );
    await recorder.until(isBack);
    await recorder.kill("SIGTERM");
    assert.deepEqual(first[1], [
      "orderbook.50.BTCUSDT",
      "orderbook.50.ETHUSDT",
      "orderbook.50.NOSUCH",
    ]);
    assert.deepEqual(first[2], ["orderbook.50.BTCUSDT", "orderbook.50.ETHUSDT"]);
  });
});

describe("refused credentials", { concurrency: 2 }, () => {
  for (const [name, words] of [
    ["v5-private", /Params Error/],
    ["usdc-private", /3303006/],
    ["spot-private", /"auth":"fail"/],
    ["copytrade", /error:USVC1111/],
  ])
    test(`${name}: refused credentials are an event and an error with the exchange's text, and nothing is subscribed`, async (t) => {
      const dir = temporary(t);
      const archive = path.join(dir, "tape");
      const server = await exchange(t, dir, name);
      const wrong = { env: { TEST_KEY: KEY, TEST_SECRET: "another-secret" } };
      const recorder = new Recorder(t, archive, recorderArgs(server, name), wrong);
      await recorder.prints(/ error tapedeck record: .*refused the credentials/);
      assert.match(recorder.stderr, words);
      assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
      const [conn] = server.conns;
      assert.deepEqual(
        conn.requests.filter((r) => r.pong === undefined).map((r) => r.op),
        ["auth"]
      );
      const refused = (await eventsOf(t, archive, "auth")).filter(
        (event) => event.state === "refused"
      );
      assert.ok(refused.length > 0);
      assert.match(refused[0].detail, words);
      await nothingLeaked(
        archive,
        KEY,
        "another-secret",
        conn.requests.find((r) => r.op === "auth").args[2]
      );
      nothingLeakedInText(recorder, KEY, "another-secret");
      const strict = await run(
        t,
        "tapedeck-record",
        ["record", "-a", path.join(dir, "strict"), ...recorderArgs(server, name, ["--strict"])],
        { status: 4, ...wrong }
      );
      assert.match(strict.stderr, words);
    });

  // Each family, at an exchange that knows the secret; its texts are in docs/wire.md 1.1.
  const REFUSED = [
    ["inverse", "/realtime", ["--topic", "order"], /refused the credentials: .*error:USVC1111/],
    [
      "copytrade",
      "/realtime_private",
      ["--topic", "copyTradeOrder"],
      /refused the credentials: .*error:USVC1111/,
    ],
    [
      "contract-v3",
      "/contract/private/v3",
      ["--topic", "user.order.contractAccount"],
      /refused the credentials: .*Params Error/,
    ],
    ["v5-private", "/v5/private", ["--topic", "order"], /refused the credentials: .*Params Error/],
    [
      "usdc-private",
      "/trade/option/usdc/private/v1",
      ["--topic", "user.order"],
      /refused the credentials: .*3303006/,
    ],
    ["spot-private", "/spot/ws", [], /refused the credentials: .*"auth":"fail"/],
  ];
  test("the simulated exchange refuses a wrong secret with each family's text: an event, an error, and with strict the end", async (t) => {
    const dir = temporary(t);
    const families = [...new Set(REFUSED.map(([name]) => name))];
    const sim = await listening(
      t,
      ["sim", "--families", families.join(","), "--secret", "the right secret"],
      dir
    );
    for (const [name, address, args, words] of REFUSED) {
      const archive = path.join(dir, `${name}-${args.at(-1) ?? "op"}`);
      const how = [
        "record",
        "-a",
        archive,
        `${sim.url}${address}`,
        "--family",
        name,
        "--ca-file",
        sim.ca,
        ...args,
        "--api-key-env",
        "TEST_KEY",
        "--api-secret-env",
        "TEST_SECRET",
        "--strict",
      ];
      const { stderr } = await run(t, "tapedeck-record", how, {
        status: 4,
        env: { TEST_KEY: KEY, TEST_SECRET: "a wrong secret" },
      });
      assert.match(stderr, words);
      const refused = (await eventsOf(t, archive, "auth")).filter(
        (event) => event.state === "refused"
      );
      assert.equal(refused.length, 1, name);
      assert.match(refused[0].detail, words);
      await nothingLeaked(archive, KEY, "a wrong secret");
      for (const secret of [KEY, "a wrong secret"]) assert.ok(!stderr.includes(secret), stderr);
    }
  });

  test("record of a private family without credentials prints what to configure", async (t) => {
    const dir = temporary(t);
    const { stderr } = await run(
      t,
      "tapedeck-record",
      ["record", "-a", path.join(dir, "tape"), "--family", "v5-private", "--topic", "order"],
      { status: 2 }
    );
    assert.match(
      stderr,
      /family 'v5-private' is private: it needs credentials\n.*--api-key-env.*api_key_env/
    );
    const other = await run(
      t,
      "tapedeck-record",
      ["record", "-a", path.join(dir, "tape"), "--family", "binance-usdm-private", "--topic", "x"],
      { status: 2 }
    );
    assert.match(other.stderr, /record cannot log in to family 'binance-usdm-private'\n.*tap/);
  });
});

describe("connection plans", { concurrency: 2 }, () => {
  const symbols = Array.from({ length: 900 }, (_, i) => `SYMBOL${String(i).padStart(4, "0")}USDT`);

  test("v5: no connection requests more than 21,000 characters; symbols are read from a file", async (t) => {
    const dir = temporary(t);
    const archive = path.join(dir, "tape");
    const list = path.join(dir, "symbols.txt");
    fs.writeFileSync(list, `# what is traded\n${symbols.join("\n")}\n`);
    const conns = new Map();
    const { speaks } = FAMILIES["v5-linear"];
    const server = await scriptedServer(t, dir, {
      message: (ws, request, n) => {
        if (request.op !== "subscribe") return;
        conns.set(n, [...(conns.get(n) ?? []), ...request.args]);
        ws.send(speaks.answer(request));
      },
    });
    const args = [
      `${server.url}/v5/public/linear`,
      "--family",
      "v5-linear",
      "--ca-file",
      server.ca,
      "--topic",
      "orderbook.50",
      "--topic",
      "publicTrade",
      "--symbols-file",
      list,
    ];
    const recorder = new Recorder(t, archive, args);
    const plan = [
      ...symbols.map((s) => `orderbook.50.${s}`),
      ...symbols.map((s) => `publicTrade.${s}`),
    ];
    while ([...conns.values()].flat().length < plan.length) await recorder.durableLine();
    assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
    assert.deepEqual([...conns.values()].flat().sort(), plan.sort());
    assert.ok(conns.size >= Math.ceil(plan.join("").length / 21000), String(conns.size));
    for (const topics of conns.values())
      assert.ok(topics.join("").length <= 21000, String(topics.join("").length));
  });

  test("a configuration's max_topics_per_connection, audit and symbols_file are obeyed", async (t) => {
    const dir = temporary(t);
    const conns = new Map();
    const server = await scriptedServer(t, dir, {
      message: (ws, request, n) => {
        if (request.op !== "subscribe") return;
        conns.set(n, [...(conns.get(n) ?? []), ...request.args]);
        ws.send(JSON.stringify({ success: true, ret_msg: "", conn_id: "c", request }));
      },
    });
    fs.writeFileSync(path.join(dir, "symbols.txt"), "BTCUSD\nEOSUSD\n");
    const config = path.join(dir, "feeds.yaml");
    fs.writeFileSync(
      config,
      `commit_interval: 50ms\nfeeds:\n  - family: inverse\n    url: ${server.url}/realtime\n    ca_file: ${server.ca}\n` +
        `    topics: [trade, orderBookL2_25]\n    symbols_file: ${dir}/symbols.txt\n    audit: true\n    max_topics_per_connection: 3\n`
    );
    const recorder = new Recorder(t, path.join(dir, "tape"), ["-c", config]);
    const wanted = ["trade", "orderBookL2_25", "klineV2.1", "orderBook_200.100ms"].flatMap(
      (topic) => [`${topic}.BTCUSD`, `${topic}.EOSUSD`]
    );
    while ([...conns.values()].flat().length < wanted.length) await recorder.durableLine();
    assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
    assert.deepEqual([...conns.values()].flat().sort(), wanted.sort());
    assert.deepEqual([...conns.values()].map((topics) => topics.length).sort(), [2, 3, 3]);
    for (const shard of [0, 1, 2])
      assert.match(recorder.stderr, new RegExp(`inverse \\(shard ${shard}\\): connected`));
  });

  test("a wildcard in a dialect without wildcards is a configuration error", async (t) => {
    const dir = temporary(t);
    const { stderr } = await run(
      t,
      "tapedeck-record",
      [
        "record",
        "-a",
        path.join(dir, "tape"),
        "--family",
        "contract-v3",
        "--topic",
        "publicTrade.*",
      ],
      { status: 2 }
    );
    assert.match(stderr, /topic 'publicTrade\.\*'.*no '\*'[^]*symbols_file/);
  });
});
