// A recorder's surroundings: wrong configurations, foreign files, missing permissions, full disks, signals.
// Expected values: docs/design.md ("Exit status", "Archive on disk", "Common grammar"), and the files written here.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { after, describe } from "node:test";
import {
  BIN,
  filesBelow,
  json,
  jsonLines,
  jsonList,
  Program,
  run,
  segments,
  tapedeck,
  temporary,
} from "../support/harness.mjs";
import { scriptedServer, trade } from "../support/scripted_server.mjs";
import {
  withoutMount,
  checkAnnounced,
  feedArgs,
  Recorder,
  simulator,
  smallDisk,
} from "../support/recorders.mjs";
import { test } from "../support/npm_packages.mjs";

/** Runs a command as a user who owns nothing here. */
const UNPRIVILEGED =
  process.getuid() === 0 ? ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] : [];

/** Stands for a test where the first test that needs a fixture makes it for the whole file: node:test runs an after() that is
 *  called within a test at the end of that test. */
const atEnd = [];
const file = { after: (then) => atEnd.push(then) };
after(() => atEnd.forEach((then) => then()));

describe("configuration", { concurrency: 2 }, () => {
  const FEED =
    "feeds:\n  - family: v5-linear\n    topics: [publicTrade]\n    symbols: [BTCUSDT]\n    url: ws://127.0.0.1:1/v5/public/linear\n";
  const withLine = (line) => `${FEED}    ${line}\n`; // line 6
  const feedOf = (...lines) => `feeds:\n  - ${lines.join("\n    ")}\n`; // lines 2 and following
  const many = Array.from(
    { length: 65 },
    (_, i) => `  - {name: f${i}, family: inverse, topics: [trade]}\n`
  ).join("");
  /** Name, text, line of the error (null: the whole file), and words: the key, what was found, what is allowed or how to fix it. */
  const rows = [
    [
      "an unknown key",
      "feeds:\n  - family: inverse\n    tpoics: [trade.*]\n",
      3,
      ["'tpoics'", "did you mean 'topics'?"],
    ],
    ["a key like no other", withLine("xyzzy: 1"), 6, ["'xyzzy'", "--help lists them"]],
    [
      "an unknown key of the recorder",
      "comit_interval: 1s\n" + FEED,
      1,
      ["'comit_interval'", "did you mean 'commit_interval'?"],
    ],
    [
      "an option's name as a key",
      withLine("stale-after: 5s"),
      6,
      ["'stale-after'", "did you mean 'stale_after'?"],
    ],
    [
      "a singular",
      feedOf("family: v5-linear", "topic: [publicTrade]"),
      3,
      ["'topic'", "did you mean 'topics'?"],
    ],
    [
      "an option of the command line only",
      "duration: 1h\n" + FEED,
      1,
      ["'duration'", "--help lists them"],
    ],
    [
      "a duration that is none",
      "commit_interval: soon\n" + FEED,
      1,
      ["commit_interval: 'soon'", "200ms"],
    ],
    [
      "a duration without a unit",
      withLine("stale_after: 5"),
      6,
      ["stale_after: '5'", "ns, us, ms, s, m, h or d"],
    ],
    [
      "a duration in bytes",
      withLine("stale_after: 5MiB"),
      6,
      ["stale_after: '5MiB'", "ns, us, ms, s, m, h or d"],
    ],
    ["a size in seconds", "ring: 64s\n" + FEED, 1, ["ring: '64s'", "K, M, G, T"]],
    ["a size that is too small", "ring: 1MiB\n" + FEED, 1, ["ring: '1MiB'", "33554433 to 16G"]],
    [
      "a size that is too large",
      "min_free: 2000T\n" + FEED,
      1,
      ["min_free: '2000T'", "0 to 1024T"],
    ],
    [
      "a number that is none",
      withLine("max_topics_per_connection: many"),
      6,
      ["max_topics_per_connection: 'many'", "expected digits"],
    ],
    [
      "a negative number",
      withLine("max_topics_per_connection: -1"),
      6,
      ["max_topics_per_connection: '-1'", "expected digits"],
    ],
    [
      "a number out of bounds",
      withLine("max_topics_per_connection: 1000000"),
      6,
      ["max_topics_per_connection: '1000000'", "0 to 100000"],
    ],
    [
      "a time limit that a connection cannot have",
      withLine("connect_timeout: 61s"),
      6,
      ["connect_timeout: '61s'", "1 ms to 1 m"],
    ],
    [
      "a value out of bounds, after the feeds",
      FEED + "commit_interval: 1h\n",
      6,
      ["commit_interval: '1h'", "10 ms to 1 m"],
    ],
    ["a choice that is none", "overload: panic\n" + FEED, 1, ["overload: 'panic'", "pause, drop"]],
    [
      "another net",
      withLine("net: testnet"),
      6,
      ["net: 'testnet'", "main, test", "did you mean 'test'?"],
    ],
    [
      "an unknown preset",
      withLine("http_preset: ccxtx"),
      6,
      ["no requests of 'ccxtx' are known", "did you mean 'ccxt'?"],
    ],
    [
      "a truth value that is none",
      withLine("strict: perhaps"),
      6,
      ["strict: 'perhaps'", "true nor false"],
    ],
    ["yes", withLine("audit: yes"), 6, ["audit: 'yes'", "true nor false"]],
    ["an empty value", withLine("name:"), 6, ["name: the value is empty", "NAME"]],
    [
      "a key given twice",
      withLine("strict: true\n    strict: false"),
      7,
      ["'strict' is given twice", "once is allowed"],
    ],
    [
      "a key of the recorder given twice",
      "overload: drop\noverload: pause\n" + FEED,
      2,
      ["'overload' is given twice", "once is allowed"],
    ],
    [
      "a list where a text belongs",
      feedOf("family: [inverse]", "topics: [trade.*]"),
      2,
      ["family: found a list", "one plain value"],
    ],
    [
      "a mapping where a text belongs",
      withLine("ca_file: {a: b}"),
      6,
      ["ca_file: found a mapping", "one plain value"],
    ],
    [
      "a mapping where a list belongs",
      feedOf("family: inverse", "topics: {a: b}"),
      3,
      ["topics: found a mapping", "a list of plain texts"],
    ],
    [
      "a list in a list",
      feedOf("family: inverse", "topics:", "  - trade", "  - [trade]"),
      5,
      ["topics: found a list or mapping in the list", "plain texts"],
    ],
    [
      "an empty text in a list",
      feedOf("family: inverse", "topics: ['']"),
      3,
      ["topics: the value is empty", "TOPIC"],
    ],
    [
      "a text where the feeds belong",
      "feeds: v5-linear\n",
      1,
      ["feeds: found a plain value", "a list, whose entries begin with '- '"],
    ],
    [
      "a mapping where the feeds belong",
      "feeds:\n  family: v5-linear\n",
      2,
      ["feeds: found a mapping", "a list, whose entries begin with '- '"],
    ],
    [
      "a text where a feed belongs",
      "feeds:\n  - v5-linear\n",
      2,
      ["expected keys with values", "family: v5-linear"],
    ],
    [
      "a list at the top",
      "- family: v5-linear\n",
      1,
      ["expected keys with values", "feeds: [...]"],
    ],
    [
      "no feeds",
      "commit_interval: 1s\n",
      1,
      ["feeds: no feed is given", "1 to 64", "- family: v5-linear"],
    ],
    [
      "an empty list of feeds",
      "commit_interval: 1s\nfeeds: []\n",
      2,
      ["feeds: no feed is given", "1 to 64"],
    ],
    ["more feeds than are allowed", "feeds:\n" + many, 66, ["feeds: more than 64"]],
    ["an empty file", "", null, ["expected keys with values", "feeds: [...]"]],
    ["only comments", "# feeds\n", null, ["expected keys with values", "feeds: [...]"]],
    ["a file that is too large", FEED + `# ${"x".repeat(1 << 20)}\n`, null, ["at most 1048576"]],
    [
      "a byte that is no UTF-8",
      Buffer.concat([Buffer.from(FEED + "    name: "), Buffer.from([0xff, 0x0a])]),
      6,
      ["invalid leading UTF-8 octet", "must be text in UTF-8"],
    ],
    [
      "a zero byte",
      withLine("name: a\0b"),
      6,
      ["control characters are not allowed", "must be text in UTF-8"],
    ],
    [
      "a tab before a list",
      "feeds:\n\t- family: inverse\n",
      2,
      ["cannot start any token", "spaces only"],
    ],
    ["a tab before a key", FEED + "\tstrict: true\n", 6, ["tab character", "spaces only"]],
    [
      "a key without a colon",
      "feeds:\n  - family: inverse\n    topics [trade]\n",
      4,
      ["expected ':'", "KEY: VALUE"],
    ],
    [
      "keys that are not below each other",
      "feeds:\n  - family: inverse\n   topics: [trade.*\n",
      3,
      ["the keys of a mapping equally"],
    ],
    ["an alias of nothing", feedOf("family: inverse", "topics: *nowhere"), 3, ["undefined alias"]],
    [
      "a merge key",
      "feeds:\n  - &a {family: inverse, topics: [trade.BTCUSD]}\n  - <<: *a\n    name: b\n",
      3,
      ["'<<'", "write the keys out"],
    ],
    ["two documents", FEED + "---\n" + FEED, 7, ["a second document", "one is allowed"]],
    [
      "an unknown family",
      feedOf("family: outverse", "topics: [trade.*]"),
      2,
      ["family: there is no family 'outverse'", "did you mean 'inverse'?", "tapedeck topics"],
    ],
    [
      "a family of another exchange",
      feedOf("topics: [trade.*]", "family: gemini"),
      3,
      ["family: there is no family 'gemini'", "v5-linear, v5-inverse"],
    ],
    [
      "neither family nor URL",
      feedOf("topics: [trade.*]"),
      2,
      ["a feed needs a family, a URL, or both"],
    ],
    [
      "no topics",
      feedOf("family: inverse"),
      2,
      ["topics: no topic is given", "tapedeck topics --family inverse"],
    ],
    [
      "an empty list of topics",
      feedOf("family: inverse", "topics: []"),
      3,
      ["topics: no topic is given", "tapedeck topics --family inverse"],
    ],
    [
      "a topic that the family does not have",
      FEED.replace("publicTrade", "publicTrades"),
      3,
      [
        "topics: family v5-linear has no topic 'publicTrades.BTCUSDT'",
        "did you mean 'publicTrade'?",
        "allow_unknown_topic",
      ],
    ],
    [
      "a topic of another family",
      FEED.replace("publicTrade", "instrument_info"),
      3,
      ["topics: family v5-linear has no topic", "tapedeck topics --family v5-linear"],
    ],
    [
      "a topic without its symbol",
      FEED.replace("    symbols: [BTCUSDT]\n", ""),
      3,
      ["topics: ", "topic 'publicTrade' needs a symbol", "publicTrade.NAME"],
    ],
    [
      "a star in a family without lists",
      feedOf("family: v5-linear", "topics: [publicTrade.*]"),
      3,
      ["topics: ", "no list and no '*'", "symbols_file"],
    ],
    [
      "a symbol with a blank",
      FEED.replace("BTCUSDT", "BTC USDT"),
      4,
      ["symbols: 'BTC USDT'", "blanks, quotes"],
    ],
    [
      "two feeds of one name",
      "feeds:\n  - {family: inverse, topics: [trade.*]}\n  - {family: inverse, topics: [trade.*]}\n",
      3,
      ["name: two feeds are called 'inverse'", "another name"],
    ],
    [
      "a name that is a path",
      withLine("name: ../x"),
      6,
      ["name: '../x'", "1 to 63 letters, digits"],
    ],
    [
      "a URL of no kind",
      feedOf("family: inverse", "url: https://stream.bybit.com/realtime", "topics: [trade.*]"),
      3,
      ["url: ", "'https://stream.bybit.com/realtime'", "wss:// nor ws://"],
    ],
    [
      "a URL that no family has",
      feedOf("topics: [trade.*]", "url: wss://example.com/x"),
      3,
      ["url: no known family", "example.com", "one of: inverse"],
    ],
    [
      "a URL without a host",
      feedOf("family: inverse", "url: wss://", "topics: [trade.*]"),
      3,
      ["url: ", "the host is missing", "wss://HOST[:PORT]/PATH"],
    ],
    [
      "a URL with a port that is none",
      feedOf("family: inverse", "url: wss://localhost:99999/", "topics: [trade.*]"),
      3,
      ["url: ", "'99999' is not a port (0 to 65535)"],
    ],
    [
      "a URL with a user",
      feedOf("family: inverse", "url: wss://me:hunter2@localhost/", "topics: [trade.*]"),
      3,
      ["url: ", "a user name is not allowed"],
    ],
    [
      "a URL of another family",
      feedOf(
        "family: v5-spot",
        "topics: [publicTrade.BTCUSDT]",
        "url: wss://stream.bybit.com/v5/public/linear"
      ),
      4,
      ["url: ", "'v5-linear', not of 'v5-spot'", "leave url out"],
    ],
    [
      "topics that the exchange sends at two addresses",
      feedOf("family: binance-usdm", "topics: [aggTrade, depth@100ms]", "symbols: [BTCUSDT]"),
      2,
      ["'aggTrade' at /market, and 'depth@100ms' at /public", "two feeds", "name: NAME"],
    ],
    [
      "an address of the exchange at which it does not send the topics",
      feedOf(
        "family: binance-usdm",
        "url: wss://fstream.binance.com/stream",
        "topics: [aggTrade.BTCUSDT]"
      ),
      3,
      ["url: ", "does not send these topics", "leave url out", "/market/"],
    ],
    [
      "a symbols file that is absent",
      withLine("symbols_file: nowhere.txt"),
      6,
      ["symbols_file: ", "'nowhere.txt'", "No such file"],
    ],
    [
      "a CA file that is absent",
      withLine("ca_file: nowhere.pem"),
      6,
      ["ca_file: ", "'nowhere.pem'", "No such file"],
    ],
    [
      "a key without a secret",
      withLine("api_key_env: A"),
      2,
      ["api_secret_env: ", "one is missing", "api_secret_env: BYBIT_SECRET"],
    ],
    [
      "a secret without a key",
      withLine("api_secret_env: A"),
      2,
      ["api_key_env: ", "one is missing", "api_key_env: BYBIT_KEY"],
    ],
    [
      "a private family without credentials",
      feedOf("family: v5-private", "topics: [order]"),
      2,
      ["api_key_env: family 'v5-private' is private", "api_key_env: BYBIT_KEY"],
    ],
    [
      "compressed frames that the family does not have",
      withLine("binary: true"),
      6,
      ["binary: family 'v5-linear' has no compressed frames", "spot-v1 and spot-v2"],
    ],
    [
      "an HTTP request without a name",
      withLine("http: ['https://h/']"),
      6,
      ["http: 'https://h/'", "NAME@EVERY=URL"],
    ],
    [
      "an HTTP request of another kind",
      withLine("http: ['a=wss://h/']"),
      6,
      ["http: ", "'wss://h/'", "http:// nor https://"],
    ],
    [
      "an HTTP request more often than is allowed",
      withLine("http: ['a@10ms=https://h/']"),
      6,
      ["http: ", "'10ms'", "1 s to 30 d are allowed"],
    ],
    [
      "two HTTP requests of one name",
      withLine("http: ['a=https://h/', 'a=https://h/']"),
      6,
      ["http: two HTTP requests are called 'a'"],
    ],
    [
      "an HTTP request's name that is a path",
      withLine("http: ['a/b=https://h/']"),
      6,
      ["http: 'a/b'", "letters, digits"],
    ],
  ];
  for (const [name, text, line, words] of rows)
    test(`${name} is refused with file, line, key and what is allowed`, async (t) => {
      const dir = temporary(t);
      const file = path.join(dir, "feeds.yaml");
      fs.writeFileSync(file, text);
      for (const check of [[], ["--check"]]) {
        const end = await run(
          t,
          "tapedeck-record",
          ["record", ...check, "-a", path.join(dir, "tape"), "-c", file],
          { status: 2 }
        );
        const output = end.stdout + end.stderr;
        assert.ok(output.includes(line === null ? file : `${file}:${line}: `), output);
        for (const word of words) assert.ok(output.includes(word), `${word}: ${output}`);
        assert.ok(!output.includes("hunter2"), output);
      }
      if (fs.existsSync(path.join(dir, "tape")))
        assert.deepEqual(segments(path.join(dir, "tape")), [], "nothing was recorded");
    });

  test("anchors and aliases of values are read", async (t) => {
    const dir = temporary(t);
    const file = path.join(dir, "feeds.yaml");
    fs.writeFileSync(
      file,
      FEED.replace("[publicTrade]", "&both [publicTrade, orderbook.50]") +
        "  - family: v5-spot\n    topics: *both\n    symbols: [BTCUSDT]\n    url: ws://127.0.0.1:1/v5/public/spot\n"
    );
    const { topics } = await json(
      t,
      ["record", "--check", "-a", path.join(dir, "tape"), "-c", file, "--json"],
      { status: 1 }
    );
    assert.deepEqual(
      topics.map((row) => `${row.feed} ${row.topic}`),
      [
        "v5-linear publicTrade",
        "v5-linear orderbook.50",
        "v5-spot publicTrade",
        "v5-spot orderbook.50",
      ]
    );
  });

  test("a missing configuration file is an error that names it", async (t) => {
    const file = path.join(temporary(t), "nowhere.yaml");
    const end = await run(t, "tapedeck-record", ["record", "-a", file + ".tape", "-c", file], {
      status: null,
    });
    assert.ok([2, 4].includes(end.code), `${end.code}`);
    assert.ok(end.stderr.includes(file));
  });

  test("options of the command line obey the rules of a configuration", async (t) => {
    const dir = temporary(t);
    for (const [args, word] of [
      [["--family", "inverse"], "topic"],
      [["--family", "outverse", "--topic", "trade"], "outverse"],
      [["ftp://x/", "--family", "inverse", "--topic", "trade"], "wss://"],
      [["wss://x/", "wss://y/", "--family", "inverse", "--topic", "trade"], "wss://y/"],
      [["--family", "inverse", "--topic", "trade", "--commit-interval", "1h"], "1 m"],
      [["-c", "feeds.yaml", "--topic", "trade"], "--config"],
    ]) {
      const end = await run(
        t,
        "tapedeck-record",
        ["record", "-a", path.join(dir, "tape"), ...args],
        { status: 2 }
      );
      assert.ok(end.stderr.includes(word), `${args.join(" ")}: ${end.stderr}`);
    }
  });
});

/** A copy of a small recording that ended cleanly, and its simulator, which still runs. */
let recorded;
async function recording(t) {
  const { archive: made, sim } = await (recorded ??= recordOnce());
  const dir = temporary(t);
  const archive = path.join(dir, "tape");
  fs.cpSync(made, archive, { recursive: true });
  return { dir, archive, sim };
}

async function recordOnce() {
  const dir = temporary(file);
  const archive = path.join(dir, "tape");
  const sim = await simulator(file, dir, [
    "--families",
    "inverse",
    "--symbols",
    "2",
    "--rate",
    "2000",
  ]);
  await run(undefined, "tapedeck-record", [
    "record",
    "-a",
    archive,
    ...feedArgs(sim, "inverse"),
    "--max-frames",
    "600",
    "--commit-interval",
    "100ms",
  ]);
  return { archive, sim };
}

describe("files", { concurrency: 2 }, () => {
  test("verbs skip foreign files in an archive, and report them", async (t) => {
    const { archive, sim } = await recording(t);
    const before = (await json(t, ["replay", "-a", archive, "--json"])).digest;
    const day = path.dirname(
      path.join(
        archive,
        filesBelow(archive).find((f) => f.endsWith(".mcap") && f.startsWith("capture"))
      )
    );
    fs.writeFileSync(path.join(archive, "notes.txt"), "mine\n");
    fs.writeFileSync(path.join(day, "holiday.jpg"), "no segment\n");
    fs.mkdirSync(path.join(archive, "capture", "lost+found"));
    fs.writeFileSync(path.join(day, ".hidden.mcap"), "");
    const verdict = await tapedeck(t, ["verify", "-a", archive]);
    assert.match(verdict.stdout + verdict.stderr, /holiday\.jpg/);
    fs.rmSync(path.join(archive, "catalog.sqlite"));
    await tapedeck(t, ["reindex", "-a", archive]);
    assert.deepEqual((await json(t, ["replay", "-a", archive, "--json"])).digest, before);
    // Recording into it continues.
    await run(t, "tapedeck-record", [
      "record",
      "-a",
      archive,
      ...feedArgs(sim, "inverse"),
      "--max-frames",
      "100",
    ]);
    assert.ok(
      fs.existsSync(path.join(day, "holiday.jpg")) && fs.existsSync(path.join(archive, "notes.txt"))
    );
  });

  test("a file with a segment's name and other content is damage, and the rest is still read", async (t) => {
    const { archive } = await recording(t);
    const segment = filesBelow(archive).find((f) => f.endsWith(".mcap") && f.startsWith("capture"));
    const other = segment.replace(/-000001\.mcap$/, "-000002.mcap");
    const frames = (await jsonLines(t, ["cat", "-a", archive, "--dir", "in"])).length;
    fs.writeFileSync(path.join(archive, other), "MCAP? no\n");
    const verdict = await tapedeck(t, ["verify", "-a", archive, "--json"], { status: null });
    assert.equal(verdict.code, 3, verdict.stdout);
    assert.ok(verdict.stdout.includes(path.basename(other)), verdict.stdout);
    const cat = await tapedeck(t, ["cat", "-a", archive, "--dir", "in"], { status: null });
    assert.equal(cat.stdout.trim().split("\n").length, frames);
  });

  test("a finished segment that is missing is damage, and verify names it", async (t) => {
    const { archive } = await recording(t);
    const segment = filesBelow(archive).find((f) => f.endsWith(".mcap") && f.startsWith("capture"));
    fs.rmSync(path.join(archive, segment));
    const verdict = JSON.parse(
      (await tapedeck(t, ["verify", "-a", archive, "--json"], { status: 3 })).stdout
    );
    assert.equal(verdict.verdict, "damaged");
    assert.ok(
      JSON.stringify(verdict.findings).includes(path.basename(segment)),
      JSON.stringify(verdict.findings)
    );
    // Nor do readers report the rest as complete.
    for (const args of [
      ["replay", "-a", archive, "--json"],
      ["cat", "-a", archive],
      ["ls", "-a", archive],
      ["info", "-a", archive],
    ]) {
      const end = await tapedeck(t, args, { status: 3 });
      assert.match(end.stderr, new RegExp(`missing: ${segment}`));
    }
  });

  test("verbs report a segment without read permission", { skip: canDropRights() }, async (t) => {
    const { dir, archive } = await recording(t);
    const programs = programsForAll();
    fs.chmodSync(dir, 0o755);
    openToAll(archive);
    const segment = filesBelow(archive).find((f) => f.endsWith(".mcap") && f.startsWith("capture"));
    fs.chmodSync(path.join(archive, segment), 0o000);
    for (const args of [
      ["cat", "-a", archive],
      ["replay", "-a", archive, "--json"],
      ["verify", "-a", archive],
      ["info", "-a", archive],
    ]) {
      const end = await new Program(t, path.join(programs, "tapedeck"), args, {
        under: UNPRIVILEGED,
      }).ended;
      assert.equal(end.code, 3, `${args[0]}: ${end.code} ${end.stderr}`);
      assert.ok(
        (end.stdout + end.stderr).includes(path.basename(segment)),
        `${args[0]}: ${end.stdout} ${end.stderr}`
      );
      assert.match(end.stdout + end.stderr, /ermission denied/);
      assert.doesNotMatch(end.stdout + end.stderr, /not there|missing|unexpected file/, args[0]);
    }
  });

  test(
    "readers need no write permission, with a catalog and without",
    { skip: canDropRights() },
    async (t) => {
      const { dir, archive } = await recording(t);
      const programs = programsForAll();
      const expected = (await json(t, ["replay", "-a", archive, "--json"])).digest;
      const cat = (await tapedeck(t, ["cat", "-a", archive])).stdout;
      fs.chmodSync(dir, 0o755);
      for (const catalog of ["there", "gone"]) {
        fs.chmodSync(archive, 0o755);
        if (catalog === "gone")
          for (const f of fs.readdirSync(archive).filter((f) => f.startsWith("catalog.sqlite")))
            fs.rmSync(path.join(archive, f));
        openToAll(archive);
        const before = filesBelow(archive).sort();
        const nobody = async (args, status = 0) => {
          const end = await new Program(t, path.join(programs, "tapedeck"), args, {
            under: UNPRIVILEGED,
          }).ended;
          assert.equal(end.code, status, `${args[0]}, catalog ${catalog}: ${end.stderr}`);
          return end.stdout;
        };
        assert.deepEqual(
          JSON.parse(await nobody(["replay", "-a", archive, "--json"])).digest,
          expected
        );
        assert.equal(await nobody(["cat", "-a", archive]), cat);
        await nobody(["gaps", "-a", archive, "--json"]);
        await nobody(["info", "-a", archive, "--json"]);
        await nobody(["ls", "-a", archive, "--json"]);
        await nobody(["verify", "-a", archive], catalog === "gone" ? 1 : 0);
        // A verb that writes reports why it cannot, and changes nothing.
        const end = await new Program(
          t,
          path.join(programs, "tapedeck-record"),
          [
            "record",
            "-a",
            archive,
            "wss://127.0.0.1:1/realtime",
            "--family",
            "inverse",
            "--topic",
            "trade.*",
          ],
          { under: UNPRIVILEGED }
        ).ended;
        assert.equal(end.code, 4, end.stderr);
        assert.match(end.stderr, /ermission denied/);
        assert.deepEqual(filesBelow(archive).sort(), before);
        if (catalog === "there") continue;
        // --catalog elsewhere is the only file that is written.
        const own = temporary(t);
        fs.chmodSync(own, 0o777);
        const elsewhere = ["-a", archive, "--catalog", path.join(own, "tape.sqlite")];
        await nobody(["reindex", ...elsewhere]);
        assert.deepEqual(fs.readdirSync(own), ["tape.sqlite"]);
        await nobody(["verify", ...elsewhere]);
        assert.deepEqual(
          JSON.parse(await nobody(["replay", ...elsewhere, "--json"])).digest,
          expected
        );
        for (const [out, args] of [
          ["with", elsewhere],
          ["without", ["-a", archive]],
        ])
          await nobody([
            "export",
            "-q",
            ...args,
            "--format",
            "jsonl",
            "--format",
            "parquet",
            "--out",
            path.join(own, out),
          ]);
        assert.deepEqual(filesBelow(path.join(own, "with")), filesBelow(path.join(own, "without")));
        for (const file of filesBelow(path.join(own, "with")))
          assert.deepEqual(
            fs.readFileSync(path.join(own, "with", file)),
            fs.readFileSync(path.join(own, "without", file)),
            file
          );
        await nobody(["days", ...elsewhere]);
        assert.deepEqual(filesBelow(archive).sort(), before);
      }
    }
  );

  test(
    "record --check reports an archive, and a folder for a new one, that its user may not write",
    { skip: canDropRights() },
    async (t) => {
      const { dir, archive, sim } = await recording(t);
      const programs = programsForAll();
      const ca = path.join(programs, "sim-ca.pem");
      fs.copyFileSync(sim.ca, ca);
      fs.chmodSync(ca, 0o644);
      fs.chmodSync(dir, 0o755);
      openToAll(archive);
      const closed = path.join(dir, "closed");
      fs.mkdirSync(closed, { mode: 0o555 });
      for (const [where, fault] of [
        [archive, archive],
        [path.join(closed, "new/tape"), closed],
      ]) {
        const end = await new Program(
          t,
          path.join(programs, "tapedeck"),
          ["record", "--check", "-a", where, ...feedArgs({ ...sim, ca }, "inverse"), "--json"],
          { under: UNPRIVILEGED }
        ).ended;
        assert.equal(end.code, 1, end.stdout + end.stderr);
        const failed = JSON.parse(end.stdout).checks.filter((row) => row.state === "failed");
        assert.deepEqual(
          failed.map((row) => [row.area, row.subject]),
          [["archive", where]]
        );
        assert.ok(
          failed[0].text.includes(`'${fault}`) && /ermission denied/.test(failed[0].text),
          failed[0].text
        );
        assert.match(failed[0].hint, /write/);
      }
    }
  );
});

describe("free space", { concurrency: 2, skip: withoutMount() }, () => {
  /** An archive on a small disk, beside another file that fills the disk. */
  async function crowded(t, mebibytes, filler) {
    const dir = temporary(t);
    const { mountPoint, pathOutside, under } = await smallDisk(t, dir, mebibytes);
    const otherFile = path.join(pathOutside, "others");
    fs.writeFileSync(otherFile, Buffer.alloc(filler * 1024 * 1024, 1));
    const copy = path.join(dir, "copy");
    return {
      dir,
      otherFile,
      archive: path.join(pathOutside, "tape"),
      record: (args) => new Recorder(t, path.join(mountPoint, "tape"), args, { under }),
      /** The archive as it is now, where every program can read it. */
      copied: () => {
        fs.rmSync(copy, { recursive: true, force: true });
        fs.cpSync(path.join(pathOutside, "tape"), copy, { recursive: true });
        return copy;
      },
    };
  }

  test("a full disk ends the recorder with 4, and every announced frame is in the archive", async (t) => {
    const disk = await crowded(t, 8, 6);
    const sim = await simulator(t, disk.dir, [
      "--families",
      "inverse",
      "--symbols",
      "5",
      "--rate",
      "20000",
    ]);
    const recorder = disk.record([
      ...feedArgs(sim, "inverse"),
      "--commit-interval",
      "50ms",
      "--min-free",
      "0",
    ]);
    const end = await recorder.ended;
    assert.equal(end.code, 4, end.stderr);
    assert.match(end.stderr, /[Nn]o space left/);
    await sim.program.kill("SIGTERM");
    const copy = disk.copied();
    await tapedeck(t, ["recover", "-a", copy]);
    const verdict = await tapedeck(t, ["verify", "-a", copy], { status: null });
    assert.ok([0, 1].includes(verdict.code), verdict.stdout + verdict.stderr);
    const { announced } = await checkAnnounced(t, copy, "inverse", sim.truth, [recorder]);
    assert.ok(announced > 100, `${announced} frames were announced`);
  });

  test("below min_free the recorder stops in order with 4 and does not start; with space it records again", async (t) => {
    const disk = await crowded(t, 48, 39);
    const sim = await simulator(t, disk.dir, [
      "--families",
      "inverse",
      "--symbols",
      "5",
      "--rate",
      "20000",
    ]);
    const args = [...feedArgs(sim, "inverse"), "--commit-interval", "50ms", "--min-free", "8MiB"];
    const first = disk.record(args);
    const end = await first.ended;
    assert.equal(end.code, 4, end.stderr);
    assert.match(
      end.stderr,
      /nearly full: 7\.\d MiB are free, 8\.0 MiB must stay free \(min_free\)/
    );
    assert.match(end.stderr, /--min-free/);
    // As after any stop: no open segment, every frame durable, the archive sound.
    assert.deepEqual(
      filesBelow(disk.archive).filter((f) => f.startsWith("capture") && f.endsWith(".open")),
      []
    );
    await tapedeck(t, ["verify", "-a", disk.copied()]);

    fs.appendFileSync(disk.otherFile, Buffer.alloc(1024 * 1024, 1)); // the space of the catalog's log is free
    const content = () =>
      filesBelow(disk.archive)
        .filter((f) => !f.endsWith(".lock"))
        .sort()
        .map((f) => [f, fs.readFileSync(path.join(disk.archive, f))]);
    const before = content();
    const refused = await disk.record(args).ended;
    assert.equal(refused.code, 4, refused.stderr);
    assert.match(refused.stderr, /must stay free \(min_free\), .* more/);
    assert.deepEqual(content(), before);

    fs.rmSync(disk.otherFile);
    const again = disk.record([...args, "--max-frames", "500"]);
    assert.equal((await again.ended).code, 0, again.stderr);
    await sim.program.kill("SIGTERM");
    const copy = disk.copied();
    await tapedeck(t, ["verify", "-a", copy]);
    const { announced, kept } = await checkAnnounced(t, copy, "inverse", sim.truth, [first, again]);
    assert.equal(announced, kept, "everything that was received is durable");
    const gaps = await jsonList(t, ["gaps", "-a", copy, "--json"], { status: 1 });
    assert.deepEqual(
      gaps.map((gap) => [gap.reason, gap.to_ns !== null]),
      [["restart", true]]
    );
  });

  test("a disk that another program fills stops a recorder without frames, too; 5 % is the default here", async (t) => {
    const disk = await crowded(t, 40, 1);
    const server = await scriptedServer(t, disk.dir, { opened: (ws) => ws.send(trade(1)) });
    const recorder = disk.record([
      ...feedArgs(server, "inverse", ["trade.BTCUSD"]),
      "--commit-interval",
      "50ms",
    ]);
    await recorder.durableLine((durable) => durable.in >= 1);
    fs.writeFileSync(disk.otherFile, Buffer.alloc(38.5 * 1024 * 1024, 1));
    const end = await recorder.ended;
    assert.equal(end.code, 4, end.stderr);
    assert.match(end.stderr, /2\.0 MiB must stay free \(min_free\)/);
    await tapedeck(t, ["verify", "-a", disk.copied()]);
  });
});

describe("signals", { concurrency: 3 }, () => {
  for (const signal of ["SIGINT", "SIGTERM"])
    test(`${signal}: the recorder makes every frame durable, finishes its segments and exits with 0`, async (t) => {
      const dir = temporary(t);
      const archive = path.join(dir, "tape");
      const sim = await simulator(t, dir, [
        "--families",
        "inverse",
        "--symbols",
        "2",
        "--rate",
        "1000",
      ]);
      // With an hour between commits only the end makes frames durable.
      const recorder = new Recorder(t, archive, [
        ...feedArgs(sim, "inverse"),
        "--commit-interval",
        "60s",
      ]);
      await recorder.prints(/subscribed to/);
      const end = await recorder.kill(signal);
      assert.equal(end.code, 0, end.stderr);
      const durable = recorder.durable.get("inverse|1|0|0");
      assert.equal(recorder.summary().in, durable.in);
      assert.equal(recorder.summary().out, durable.out);
      assert.deepEqual(
        filesBelow(archive).filter((f) => f.startsWith("capture") && f.endsWith(".open")),
        []
      );
      await tapedeck(t, ["verify", "-a", archive]);
      await sim.program.kill("SIGTERM");
      await checkAnnounced(t, archive, "inverse", sim.truth, [recorder]);
    });

  test("a second signal ends the recorder at once, and the archive is recoverable", async (t) => {
    const dir = temporary(t);
    const archive = path.join(dir, "tape");
    // A peer that never answers a close keeps the recorder waiting for up to some seconds.
    const server = await scriptedServer(t, dir, {
      opened: (ws) => {
        ws.send(trade(1));
        ws.close = () => {};
        ws._receiver.removeAllListeners("conclude");
      },
    });
    const recorder = new Recorder(t, archive, [
      ...feedArgs(server, "inverse", ["trade.BTCUSD"]),
      "--commit-interval",
      "50ms",
    ]);
    await recorder.durableLine((durable) => durable.in >= 2);
    const started = Date.now();
    recorder.child.kill("SIGTERM");
    // Two signals within 0.1 s count as one (base/cli/stop_signal.c): send them until it ends.
    const asking = setInterval(() => recorder.child.kill("SIGTERM"), 150);
    const end = await recorder.ended;
    clearInterval(asking);
    assert.ok(Date.now() - started < 10_000, `${Date.now() - started} ms`);
    assert.equal(end.code, 128 + 15, end.stderr);
    await tapedeck(t, ["recover", "-a", archive]);
    await tapedeck(t, ["verify", "-a", archive]);
    assert.ok((await jsonLines(t, ["cat", "-a", archive, "--dir", "in"])).length >= 2);
  });

  test("--duration and --max-frames end the recorder with 0", async (t) => {
    const dir = temporary(t);
    const sim = await simulator(t, dir, [
      "--families",
      "inverse",
      "--symbols",
      "2",
      "--rate",
      "1000",
    ]);
    const recorder = new Recorder(t, path.join(dir, "a"), [
      ...feedArgs(sim, "inverse"),
      "--max-frames",
      "100",
    ]);
    assert.equal((await recorder.ended).code, 0, recorder.stderr);
    assert.equal(recorder.summary().in, 100);
    const other = new Recorder(t, path.join(dir, "b"), [
      ...feedArgs(sim, "inverse"),
      "--duration",
      "3s",
    ]); // long enough to connect on a busy machine
    assert.equal((await other.ended).code, 0, other.stderr);
    assert.ok(other.summary().elapsed_s >= 3 && other.summary().elapsed_s < 30);
  });

  test("cat ends without a fault when its reader exits", async (t) => {
    const { archive } = await recording(t);
    const out = execFileSync("sh", [
      "-c",
      `"$1" cat -a "$2" | head -n 1`,
      "sh",
      path.join(path.resolve(BIN), "tapedeck"),
      archive,
    ]);
    assert.equal(JSON.parse(out.toString()).ordinal, 1);
  });
});

// ---- permissions on this machine -------------------------------------------------------------------

/** All users may read; only this user may write. */
function openToAll(archive) {
  for (const file of fs.readdirSync(archive, { recursive: true })) {
    const name = path.join(archive, file);
    fs.chmodSync(name, fs.statSync(name).isDirectory() ? 0o555 : 0o444);
  }
  fs.chmodSync(archive, 0o555);
}

/** A copy of the programs that every user may run: the tree may be in a home that is closed to others. */
let copied;
const programsForAll = () => (copied ??= copyPrograms());

function copyPrograms() {
  const dir = temporary(file);
  for (const name of fs.readdirSync(BIN)) {
    fs.copyFileSync(path.join(BIN, name), path.join(dir, name));
    fs.chmodSync(path.join(dir, name), 0o755);
  }
  fs.chmodSync(dir, 0o755);
  return dir;
}

/** Reason to skip tests that need a user who may not write, or false. */
function canDropRights() {
  if (process.getuid() !== 0) return false; // this user has no write permission itself
  return spawnSync(UNPRIVILEGED[0], [...UNPRIVILEGED.slice(1), "true"]).status === 0
    ? false
    : "needs setpriv";
}
