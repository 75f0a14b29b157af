// docs/exchanges.md, "An undescribed exchange": with its two documents the frames of an unknown exchange are recorded
// byte for byte, shown, cut and served.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { json, listening, parseLines, run, tapedeck, temporary } from "../support/harness.mjs";
import { scriptedServer } from "../support/scripted_server.mjs";
import { test } from "../support/npm_packages.mjs";

const frame = (topic, n) =>
  JSON.stringify({ stream: topic, data: { e: "depthUpdate", n, b: [["1.0", "2"]] } });

/** The page's documents, as files of a folder. */
function documents(dir) {
  const page = fs.readFileSync("docs/exchanges.md", "utf8");
  const [exchange, family] = [
    ...page.slice(page.indexOf("## An undescribed exchange")).matchAll(/```yaml\n([^`]*)```/g),
  ].map((match) => match[1]);
  const folder = path.join(dir, "documents");
  fs.mkdirSync(folder);
  fs.writeFileSync(path.join(folder, "mine.exchange.yaml"), exchange);
  fs.writeFileSync(path.join(folder, "mine.yaml"), family);
  return folder;
}

/** A server that sends three frames of each topic it knows, and closes after a heartbeat. */
async function server(t, dir) {
  const sent = [];
  return {
    sent,
    ...(await scriptedServer(t, dir, {
      message: (socket, { method, params, id }) => {
        if (method === "LIST_SUBSCRIPTIONS") {
          socket.send(JSON.stringify({ result: [], id }));
          if (sent.length >= 6) socket.close(1000); // of two topics: they may be requested one by one
          return;
        }
        const unknown = params.find((topic) => topic.startsWith("no"));
        socket.send(
          JSON.stringify(
            unknown
              ? { error: { code: 2, msg: `Invalid request: ${unknown}` }, id }
              : { result: null, id }
          )
        );
        for (const topic of unknown ? [] : params)
          for (let n = 0; n < 3; n++) {
            sent.push(frame(topic, n));
            socket.send(sent.at(-1));
          }
      },
    })),
  };
}

test("an undescribed exchange is recorded, cut and served as it came", async (t) => {
  const dir = temporary(t),
    folder = documents(dir),
    archive = path.join(dir, "tape");
  const peer = await server(t, dir);
  const fast = path.join(folder, "mine.exchange.yaml");
  fs.writeFileSync(fast, fs.readFileSync(fast, "utf8").replace("ping_s: 60", "ping_s: 1"));
  const record = (to, from, ...more) =>
    run(t, "tapedeck-record", [
      "record",
      "-q",
      "-a",
      to,
      "--families",
      folder,
      "--family",
      "mine",
      `${from.url}/stream`,
      "--ca-file",
      from.ca,
      "--topic",
      "btcusdt@depth",
      "--topic",
      "ethusdt@trade",
      "--allow-unknown-topic",
      "--until-close",
      ...more,
    ]);
  await record(archive, peer, "--topic", "nosuch@depth");

  const inbound = parseLines((await tapedeck(t, ["cat", "-a", archive, "--dir", "in"])).stdout);
  assert.deepEqual(
    inbound.filter((row) => row.topic !== "_control").map((row) => row.data),
    peer.sent
  );
  assert.ok(
    inbound.some((row) => row.topic === "_control" && row.data.includes("Invalid request"))
  );
  const events = parseLines((await tapedeck(t, ["cat", "-a", archive, "--events"])).stdout)
    .filter((row) => row.dir === "event")
    .map((row) => JSON.parse(row.data));
  assert.deepEqual(
    [...new Set(events.filter(({ event }) => event === "grant").map(({ topic }) => topic))].sort(),
    ["btcusdt@depth", "ethusdt@trade"]
  );
  assert.equal((await tapedeck(t, ["verify", archive])).code, 0);
  const report = await json(t, ["replay", "-a", archive, "--json"], { status: 1 });
  assert.deepEqual(report.undecoded_by_reason, { unknown_topic: peer.sent.length });

  const file = path.join(dir, "part.mcap");
  await tapedeck(t, ["cut", "-q", "-a", archive, "--out", file]);
  assert.deepEqual(
    parseLines((await tapedeck(t, ["cat", file, "--dir", "in"])).stdout)
      .filter((row) => row.topic !== "_control")
      .map((row) => row.data),
    peer.sent
  );

  const served = await listening(t, ["serve", "-a", archive, "--once", "--speed", "max"], dir);
  const again = path.join(dir, "again");
  await record(again, served);
  assert.deepEqual(
    parseLines((await tapedeck(t, ["cat", "-a", again, "--dir", "in"])).stdout)
      .filter((row) => row.topic !== "_control")
      .map((row) => row.data),
    peer.sent
  );

  const out = path.join(dir, "lines");
  await tapedeck(t, ["export", "-q", "-a", archive, "--format", "jsonl", "--out", out], {
    status: null,
  });
  const lines = parseLines(
    fs.readFileSync(
      path.join(
        out,
        fs.readdirSync(out).find((name) => name.endsWith(".jsonl"))
      ),
      "utf8"
    )
  );
  assert.deepEqual(
    lines.filter((line) => line.type === "raw").map((line) => line.error.topic),
    peer.sent.map((text) => JSON.parse(text).stream)
  );
});

const SHAPES = [
  ["a key", ["/stream"], (topic, n) => ({ stream: topic, data: n }), "{topic}"],
  [
    "parts of a list and numbers",
    ["/2", "/1/0/id"],
    (topic, n) => [n, [{ id: 7 }], topic, null],
    "{topic}.7",
  ],
  [
    "a part that is absent, and an escape",
    ["/arg/channel", "/arg/instId"],
    (topic, n) => ({ event: n, arg: { channel: topic } }),
    "{topic}",
  ],
];
for (const [what, pointers, shape, name] of SHAPES)
  test(`without a document: frames are recorded by the topic at ${what}, and cut, served and listed by it`, async (t) => {
    const dir = temporary(t),
      at = (file) => path.join(dir, file),
      sent = [];
    const put = (socket, text) => {
      sent.push(text);
      socket.send(text);
    };
    const peer = await scriptedServer(t, dir, {
      message: (socket, request) => {
        if (request.ask === "first") return put(socket, "no JSON");
        put(socket, JSON.stringify({ answer: request }));
        for (const topic of ["trade\u0041", "book"])
          for (let n = 0; n < 3; n++)
            put(socket, JSON.stringify(shape(topic, n)).replace("A", "\\u0041"));
        put(socket, JSON.stringify([]));
        socket.close(1000);
      },
    });
    const args = (from) => [
      `${from.url}/at/path?key=1`,
      "--ca-file",
      from.ca,
      "--feed",
      "mine",
      ...pointers.flatMap((pointer) => ["--raw-topic", pointer]),
      "--send",
      '{"ask":"first"}',
      "--send",
      '{"ask":"second"}',
      "--until-close",
    ];
    const texts = async (...more) =>
      parseLines((await tapedeck(t, ["cat", ...more])).stdout).map(({ topic, data }) => [
        topic,
        data,
      ]);
    await run(t, "tapedeck-record", ["record", "-q", "-a", at("tape"), ...args(peer)]);
    assert.deepEqual(peer.received.requests, [{ ask: "first" }, { ask: "second" }]);
    const inbound = await texts("-a", at("tape"), "--dir", "in");
    assert.deepEqual(
      inbound.map(([, data]) => data),
      sent
    );
    const topics = ["tradeA", "book"].map((topic) => name.replace("{topic}", topic));
    assert.deepEqual(
      inbound.map(([topic]) => topic),
      ["_unknown", "_unknown", ...topics.flatMap((topic) => [topic, topic, topic]), "_unknown"]
    );
    assert.deepEqual(await texts("-a", at("tape"), "--topic", topics[1]), inbound.slice(5, 8));
    assert.equal((await tapedeck(t, ["verify", at("tape")])).code, 0);
    const { topics: listed } = await json(t, ["info", "-a", at("tape"), "--json"]);
    assert.deepEqual(
      listed
        .filter(({ topic }) => topics.includes(topic))
        .map(({ topic, frames }) => [topic, frames]),
      [
        [topics[1], 3],
        [topics[0], 3],
      ]
    );
    const grants = parseLines((await tapedeck(t, ["cat", "-a", at("tape"), "--events"])).stdout)
      .filter(({ dir }) => dir === "event")
      .map(({ data }) => JSON.parse(data))
      .filter(({ event }) => event === "grant");
    assert.deepEqual(
      grants.map(({ topic }) => topic),
      ["*"]
    );

    await tapedeck(t, [
      "cut",
      "-q",
      "-a",
      at("tape"),
      "--topic",
      topics[0],
      "--out",
      at("part.mcap"),
    ]);
    assert.deepEqual(await texts(at("part.mcap"), "--dir", "in"), inbound.slice(2, 5));

    const served = await listening(t, ["serve", "-a", at("tape"), "--once", "--speed", "max"], dir);
    await run(t, "tapedeck-record", ["record", "-q", "-a", at("again"), ...args(served)]);
    assert.deepEqual(await texts("-a", at("again"), "--dir", "in"), inbound);

    await tapedeck(
      t,
      ["export", "-q", "-a", at("tape"), "--format", "jsonl", "--out", at("lines")],
      { status: null }
    );
    const lines = parseLines(
      fs.readFileSync(
        at(`lines/${fs.readdirSync(at("lines")).find((file) => file.endsWith(".jsonl"))}`),
        "utf8"
      )
    );
    assert.deepEqual(
      lines.map(({ error }) => error?.topic),
      inbound.map(([topic]) => (topic === "_unknown" ? null : topic))
    );
  });

test("without a document: pings of WebSocket prove what is complete, and the end of a connection is a gap", async (t) => {
  const dir = temporary(t),
    archive = path.join(dir, "tape");
  let pings = 0;
  const peer = await scriptedServer(t, dir, {
    opened: (socket, n) => {
      socket.send('{"stream":"a"}');
      socket.on("ping", () => {
        if (++pings % 2 === 0) socket.terminate();
        else socket.send('{"stream":"a"}');
      });
      if (n === 3) socket.close(1000);
    },
  });
  await run(t, "tapedeck-record", [
    "record",
    "-q",
    "-a",
    archive,
    `${peer.url}/`,
    "--ca-file",
    peer.ca,
    "--feed",
    "mine",
    "--raw-topic",
    "/stream",
    "--max-frames",
    "5",
  ]);
  const events = parseLines((await tapedeck(t, ["cat", "-a", archive, "--events"])).stdout)
    .filter(({ dir }) => dir === "event")
    .map(({ data }) => JSON.parse(data));
  const heartbeats = events
    .filter(({ event }) => event === "heartbeat")
    .map(({ what, dir }) => `${what} ${dir}`);
  assert.deepEqual([...new Set(heartbeats)].sort(), ["ping out", "pong in"]);
  const { gaps } = await json(t, ["gaps", "-a", archive, "--json"], { status: 1 });
  assert.ok(gaps.length >= 2 && gaps.every(({ topic }) => topic === null), JSON.stringify(gaps));
});

test("a raw feed that cannot be is refused, with what to change", async (t) => {
  const dir = temporary(t);
  const refused = async (args, words) =>
    assert.match(
      (
        await run(t, "tapedeck-record", ["record", "-a", path.join(dir, "tape"), ...args], {
          status: 2,
        })
      ).stderr,
      words
    );
  const raw = ["wss://example.com/", "--feed", "mine", "--raw-topic", "/stream"];
  await refused(
    ["wss://example.com/", "--raw-topic", "/stream"],
    /needs --feed[^]*a name for the archive/
  );
  await refused(["--feed", "mine", "--raw-topic", "/stream"], /needs --url/);
  await refused([...raw, "--topic", "a"], /--topic does not go with raw topics[^]*--send TEXT/);
  await refused([...raw, "--family", "okx"], /--family does not go with raw topics/);
  await refused(
    ["wss://example.com/", "--feed", "mine", "--raw-topic", "stream"],
    /a JSON pointer, such as \/arg\/channel, is expected, not 'stream'/
  );
  await refused(
    ["wss://example.com/", "--feed", "okx", "--raw-topic", "/stream"],
    /'okx' is another family/
  );
  await refused(
    ["--family", "okx", "--topic", "trades.BTC-USDT", "--send", "{}"],
    /family okx has topics[^]*--send is for feeds with --raw-topic/
  );
  fs.writeFileSync(
    path.join(dir, "recorder.yaml"),
    "feeds:\n  - name: mine\n    url: wss://example.com/\n    raw_topics: [/stream, arg]\n    send: ['{}']\n"
  );
  await refused(["--config", path.join(dir, "recorder.yaml")], /recorder\.yaml:4[^]*not 'arg'/);
});
