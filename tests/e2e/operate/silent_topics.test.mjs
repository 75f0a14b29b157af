// Topics that are granted and never send a frame: named by every verb, and neither clean nor proven. The frames are made up here, so
// the times are known; docs/completeness.md ("Granted and silent") defines what a silence means.
import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import { importLines, json, manifestOf, tapedeck, temporary } from "../support/harness.mjs";
import { jsonOf, readSavedPage } from "../support/saved_page.mjs";

const NOON = Date.parse("2026-08-09T12:00:00Z");
const DATE = "2026-08-09";

const ask = (id, topics) => ["out", { op: "subscribe", req_id: id, args: topics }];
const answer = (id, success) => [
  "in",
  { success, ret_msg: success ? "" : "Invalid symbol", conn_id: "c", req_id: id, op: "subscribe" },
];
const book = (i) => [
  "in",
  {
    topic: "orderbook.50.BTCUSDT",
    type: i === 0 ? "snapshot" : "delta",
    ts: NOON,
    cts: NOON,
    data: {
      s: "BTCUSDT",
      b: [["10", String(i + 1)]],
      a: i === 0 ? [["12", "1"]] : [],
      u: 100 + i,
      seq: 1000 + i,
    },
  },
];
const candle = (i, volume) => {
  const start = NOON + i * 1000 - ((NOON + i * 1000) % 60_000);
  return [
    "in",
    {
      topic: "kline.1.BTCUSDT",
      type: "snapshot",
      ts: NOON + i * 1000,
      data: [
        {
          start,
          end: start + 59_999,
          interval: "1",
          open: "11",
          close: "11",
          high: "11",
          low: "11",
          volume,
          turnover: volume,
          confirm: false,
          timestamp: NOON + i * 1000,
        },
      ],
    },
  ];
};

/** An archive in which these topics are granted, and a book and the frames of `more` come each second. */
async function recorded(t, topics, { seconds = 120, more = () => [], refused = [] } = {}) {
  const frames = [
    [NOON, ask("1", ["orderbook.50.BTCUSDT", ...topics])],
    [NOON + 1, answer("1", true)],
  ];
  refused.forEach((topic, i) =>
    frames.push(
      [NOON + 2 + 2 * i, ask(`r${i}`, [topic])],
      [NOON + 3 + 2 * i, answer(`r${i}`, false)]
    )
  );
  for (let i = 0; i < seconds; i++)
    for (const [k, frame] of [book(i), ...more(i)].entries())
      frames.push([NOON + 100 + i * 1000 + k, frame]);
  return importLines(
    t,
    frames.map(([ms, [dir, data]]) => ({ recv_ns: `${ms}000000`, conn: 0, dir, data })),
    { family: "v5-linear" }
  );
}

const states = (answer) =>
  Object.fromEntries(
    answer.silent.map((row) => [
      row.topic,
      `${row.state}${row.overdue ? " overdue" : ""}${row.proven ? " proven" : ""}`,
    ])
  );
const topicOf = (answer, name) => answer.days[0].topics.find((row) => row.topic === name);

test("trades and candles without a frame are named and unproven, and leave the book clean", async (t) => {
  const archive = await recorded(t, [
    "publicTrade.BTCUSDT",
    "kline.1.BTCUSDT",
    "allLiquidation.BTCUSDT",
  ]);
  const named = {
    allLiquidation: "granted",
    "kline.1": "granted overdue",
    publicTrade: "granted overdue",
  };
  const days = await json(t, ["days", archive, "--json"], { status: 1 });
  assert.deepEqual(states(days), named);
  for (const name of ["publicTrade", "kline.1", "allLiquidation"]) {
    const row = topicOf(days, name);
    assert.deepEqual(
      [row.clean_ns, row.unproven_ns, row.reasons, row.proof],
      [0, row.asked_ns, "silent", "unverifiable"],
      name
    );
  }
  const own = topicOf(days, "orderbook.50");
  assert.deepEqual([own.clean_ns, own.unproven_ns, own.reasons], [own.asked_ns, 0, null]);
  assert.ok(days.days[0].clean_percent < 50);
  assert.equal(days.days[0].reasons, "silent");

  const replay = await json(t, ["replay", archive, "--json"], { status: 1 });
  assert.deepEqual([states(replay), replay.verdict], [named, "incomplete"]);
  const text = (await tapedeck(t, ["replay", archive], { status: 1 })).stdout;
  assert.match(
    text,
    /\nComplete: no, 2 topics silent that should send frames; 1 topic unproven: no frame came\.\n$/
  );
  assert.match(
    text,
    /\n {4}v5-linear publicTrade BTCUSDT: granted, and silent, although it should send frames steadily\n/
  );
  assert.deepEqual(states(await json(t, ["info", archive, "--json"])), named);
  assert.match(
    (await tapedeck(t, ["info", archive])).stdout,
    /v5-linear allLiquidation BTCUSDT: granted, and silent\n/
  );
  assert.deepEqual(
    states(await json(t, ["replay", archive, "--json", "--topic", "orderbook.50"])),
    {}
  ); // nothing silent is selected

  const exported = async (name, args, status) => {
    await tapedeck(
      t,
      [
        "export",
        "-q",
        archive,
        "--format",
        "tardis-csv",
        "--out",
        path.join(archive, "..", name),
        ...args,
      ],
      { status }
    );
    return manifestOf(path.join(archive, "..", name)).days[0];
  };
  const all = await exported("all", ["--type", "trades", "--type", "incremental_book_L2"], 1);
  assert.deepEqual(
    [all.verdict, all.silent.map((row) => row.topic)],
    ["incomplete", ["allLiquidation", "kline.1", "publicTrade"]]
  );
  const clean = await exported("clean", ["--only-clean", "--type", "incremental_book_L2"], 0);
  assert.deepEqual(
    [
      clean.verdict,
      clean.not_clean,
      clean.files.map((file) => file.type),
      clean.files[0].rows > 100,
    ],
    ["complete", [], ["incremental_book_L2"], true]
  );
});

test("a silence that is usual changes no verdict", async (t) => {
  const archive = await recorded(t, ["allLiquidation.BTCUSDT"]);
  const days = await json(t, ["days", archive, "--json"], { status: 0 });
  assert.deepEqual(
    [states(days), days.clean, days.not_clean, days.days[0].clean_percent, days.days[0].reasons],
    [{ allLiquidation: "granted" }, 1, 0, 100, null]
  );
  assert.equal(topicOf(days, "allLiquidation").clean_ns, 0);
  assert.match(
    (await tapedeck(t, ["replay", archive])).stdout,
    /\nComplete: yes; 1 topic unproven: no frame came\.\n$/
  );
  // Half a minute proves nothing of a topic that speaks steadily, either.
  const short = await recorded(t, ["publicTrade.BTCUSDT"], { seconds: 30 });
  assert.deepEqual(states(await json(t, ["days", short, "--json"], { status: 0 })), {
    publicTrade: "granted",
  });
  assert.match(
    (await tapedeck(t, ["replay", short])).stdout,
    /\nComplete: yes; 1 topic unproven: no frame came\.\n$/
  );
});

test("only topics without a frame are a day that is neither clean nor a fault", async (t) => {
  const archive = await recorded(t, ["adlAlert.USDT"]);
  const days = await json(t, ["days", archive, "--symbol", "USDT", "--json"], { status: 0 });
  assert.deepEqual(
    [days.clean, days.unproven_days, days.not_clean, days.days[0].clean_percent],
    [0, 1, 0, 0]
  );
  const page = path.join(temporary(t), "page.html");
  await tapedeck(t, ["report", archive, "--html", page]);
  const saved = jsonOf(readSavedPage(page), "verb/days").results[0];
  assert.deepEqual(
    saved.days
      .filter(({ symbol }) => symbol === "USDT")
      .map(({ day, feed, clean_percent, reasons }) => [day, feed, clean_percent, reasons]),
    [["2026-08-09", "v5-linear", 0, null]]
  );
  assert.deepEqual(states(saved), { adlAlert: "granted" });
  assert.match(
    (
      await tapedeck(
        t,
        [
          "export",
          archive,
          "--format",
          "jsonl",
          "--symbol",
          "USDT",
          "--only-clean",
          "--out",
          path.join(archive, "x"),
        ],
        { status: 4 }
      )
    ).stderr,
    /no symbol has a clean day/
  );
});

test("candles without a volume prove that there were no trades", async (t) => {
  const topics = ["publicTrade.BTCUSDT", "kline.1.BTCUSDT"];
  const none = await recorded(t, topics, { more: (i) => [candle(i, "0")] });
  const days = await json(t, ["days", none, "--json"], { status: 0 });
  const trades = topicOf(days, "publicTrade");
  assert.deepEqual(
    [states(days), trades.clean_ns, trades.proof],
    [{ publicTrade: "granted proven" }, trades.asked_ns, "proven"]
  );
  assert.match((await tapedeck(t, ["replay", none])).stdout, /\nComplete: yes\.\n$/);
  const some = await recorded(t, topics, { more: (i) => [candle(i, i < 60 ? "0" : "3")] });
  assert.deepEqual(states(await json(t, ["days", some, "--json"], { status: 1 })), {
    publicTrade: "granted overdue",
  });
  await tapedeck(t, ["replay", some], { status: 1 });
  // Candles that end early, begin late or pause prove nothing about the rest.
  for (const has of [(i) => i < 100, (i) => i >= 100, (i) => i < 10 || i > 150]) {
    const part = await recorded(t, topics, {
      seconds: 200,
      more: (i) => (has(i) ? [candle(i, "0")] : []),
    });
    for (const verb of ["days", "replay"])
      assert.deepEqual(
        states(await json(t, [verb, part, "--json"], { status: 1 })),
        { publicTrade: "granted overdue" },
        verb
      );
  }
});

test("refused topics are named", async (t) => {
  const archive = await recorded(t, [], { refused: ["publicTrade.GONEUSDT"] });
  for (const verb of ["info", "days", "replay"]) {
    const [row, ...others] = (await json(t, [verb, archive, "--json"], { status: 0 })).silent;
    assert.deepEqual(
      [row.topic, row.symbol, row.state, row.overdue, others],
      ["publicTrade", "GONEUSDT", "refused", false, []],
      verb
    );
    assert.match(
      (await tapedeck(t, [verb, archive])).stdout,
      /v5-linear publicTrade GONEUSDT: refused\n/
    );
  }
});

test("a topic that is silent on a selected day only is unproven there", async (t) => {
  const archive = await recorded(t, ["publicTrade.BTCUSDT"], {
    seconds: 150,
    more: (i) =>
      i === 0
        ? [
            [
              "in",
              {
                topic: "publicTrade.BTCUSDT",
                type: "snapshot",
                ts: NOON,
                data: [
                  {
                    i: "00000000-0000-4000-8000-000000000001",
                    T: NOON,
                    p: "11",
                    v: "1",
                    S: "Buy",
                    s: "BTCUSDT",
                    L: "PlusTick",
                    BT: false,
                    seq: 1,
                  },
                ],
              },
            ],
          ]
        : [],
  });
  assert.deepEqual(states(await json(t, ["days", archive, "--json"], { status: 0 })), {});
  const days = await json(t, ["days", archive, "--from", `${DATE}T12:00:30Z`, "--json"], {
    status: 1,
  });
  assert.equal(topicOf(days, "publicTrade").clean_ns, 0);
});

const trade = (i) => [
  "in",
  {
    topic: "publicTrade.BTCUSDT",
    type: "snapshot",
    ts: NOON,
    data: [
      {
        i: `00000000-0000-4000-8000-${String(i).padStart(12, "0")}`,
        T: NOON + i * 1000,
        p: "11",
        v: "1",
        S: "Buy",
        s: "BTCUSDT",
        L: "PlusTick",
        BT: false,
        seq: i + 1,
      },
    ],
  },
];
const TOPICS = ["orderbook.50.BTCUSDT", "publicTrade.BTCUSDT"];

/** An archive in which both topics are granted on connection 0, and the book after a minute on `next`; the book sends frames until
 * then, and from second `again` on with a new snapshot. */
async function grantedAgain(t, { next, again = Infinity, seconds = 300 }) {
  const frames = [
    [NOON, 0, ask("1", TOPICS)],
    [NOON + 1, 0, answer("1", true)],
  ];
  for (let i = 0; i < seconds; i++) {
    const conn = i < 60 ? 0 : next;
    if (i === 60 && next === 0)
      frames.push(
        [NOON + 60_000, 0, ["out", { op: "unsubscribe", req_id: "9", args: TOPICS.slice(0, 1) }]],
        [
          NOON + 60_001,
          0,
          ["in", { success: true, ret_msg: "", conn_id: "c", req_id: "9", op: "unsubscribe" }],
        ]
      );
    if (i === 60)
      frames.push(
        [NOON + 60_010, next, ask("2", TOPICS.slice(0, 1))],
        [NOON + 60_011, next, answer("2", true)]
      );
    if (i < 60) frames.push([NOON + 100 + i * 1000, conn, book(i)]);
    else if (i >= again)
      frames.push([
        NOON + 100 + i * 1000,
        conn,
        i === again
          ? ["in", { ...book(0)[1], data: { ...book(0)[1].data, u: 100 + i, seq: 1000 + i } }]
          : book(i),
      ]);
    frames.push([NOON + 101 + i * 1000, 0, trade(i)]);
  }
  return importLines(
    t,
    frames.map(([ms, conn, [dir, data]]) => ({ recv_ns: `${ms}000000`, conn, dir, data })),
    { family: "v5-linear" }
  );
}

for (const next of [1, 0])
  test(`a book that is granted again on ${next ? "another" : "its"} connection and sends nothing is overdue from then on`, async (t) => {
    const archive = await grantedAgain(t, { next });
    const named = { "orderbook.50": "granted overdue" };
    const replay = await json(t, ["replay", archive, "--json"], { status: 1 });
    assert.deepEqual(
      [replay.verdict, states(replay), replay.books[0].broken],
      ["incomplete", named, true]
    );
    assert.match(
      (await tapedeck(t, ["replay", archive], { status: 1 })).stdout,
      /orderbook\.50 BTCUSDT: granted again, and silent, although it should send frames at once\n/
    );
    const days = await json(t, ["days", archive, "--json"], { status: 1 });
    const own = topicOf(days, "orderbook.50");
    // On its own connection it was not asked for, for 11 ms.
    const [reasons, clean_ns, left_out_ns] = next
      ? ["silent", 60_010_000_000, 0]
      : ["not_subscribed, silent", 59_999_000_000, 11_000_000];
    assert.deepEqual(
      [own.reasons, own.missing_ns, own.clean_ns, own.not_subscribed_ns],
      [reasons, own.asked_ns - clean_ns, clean_ns, left_out_ns]
    );
    assert.deepEqual(
      [topicOf(days, "publicTrade").clean_ns, days.clean],
      [topicOf(days, "publicTrade").asked_ns, 0]
    );
    // Later, long after the grant, the same holds.
    const later = ["--from", `${DATE}T12:03:00Z`];
    assert.deepEqual(
      states(await json(t, ["replay", archive, "--json", ...later], { status: 1 })),
      named
    );
    assert.deepEqual(
      states(await json(t, ["days", archive, "--json", ...later], { status: 1 })),
      named
    );
    const out = path.join(archive, "..", "out");
    await tapedeck(
      t,
      [
        "export",
        "-q",
        archive,
        "--format",
        "tardis-csv",
        "--type",
        "incremental_book_L2",
        "--out",
        out,
      ],
      { status: 1 }
    );
    assert.equal(manifestOf(out).days[0].verdict, "incomplete");
    await tapedeck(
      t,
      [
        "export",
        "-q",
        archive,
        "--format",
        "tardis-csv",
        "--type",
        "incremental_book_L2",
        "--only-clean",
        "--out",
        `${out}2`,
      ],
      { status: 4 }
    );
  });

test("a first frame that comes minutes after the grant ends a gap", async (t) => {
  const archive = await grantedAgain(t, { next: 1, again: 200 });
  const replay = await json(t, ["replay", archive, "--json"], { status: 1 });
  const from = String(BigInt(NOON + 60_011) * 1_000_000n),
    to = String(BigInt(NOON + 200_100) * 1_000_000n);
  assert.deepEqual(
    replay.gaps.map((row) => [row.reason, row.topic, String(row.from_ns), String(row.to_ns)]),
    [["stale", "orderbook.50", from, to]]
  );
  assert.deepEqual(
    [replay.verdict, states(replay), replay.books[0].broken],
    ["incomplete", {}, false]
  );
  assert.equal(
    topicOf(await json(t, ["days", archive, "--json"], { status: 1 }), "orderbook.50").missing_ns,
    140_089_000_000
  );
  const out = path.join(archive, "..", "out");
  await tapedeck(
    t,
    [
      "export",
      "-q",
      archive,
      "--format",
      "tardis-csv",
      "--type",
      "incremental_book_L2",
      "--out",
      out,
    ],
    { status: 1 }
  );
  assert.deepEqual(
    manifestOf(out).days[0].found_gaps.map((row) => row.reason),
    ["stale"]
  );
  // Neither silence of less than a minute after the grant, nor a snapshot within the minute, is a gap.
  const short = await grantedAgain(t, { next: 1, seconds: 100 });
  assert.deepEqual(states(await json(t, ["replay", short, "--json"])), {});
  assert.deepEqual(states(await json(t, ["days", short, "--json"])), {});
  const soon = await grantedAgain(t, { next: 1, again: 61 });
  const { gaps } = await json(t, ["replay", soon, "--json"], { status: 1 });
  assert.deepEqual(
    gaps.map(({ cause }) => cause),
    ["only another connection had frames"] // until it was followed
  );
});
