// record --check: what a recording needs is tested with real servers, disks and locks, and nothing is written.
// Expected values: docs/recording.md ("Before recording"), docs/design.md ("Exit status"), and the archives that are recorded here.
import assert from "node:assert/strict";
import { once } from "node:events";
import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import { after, before, describe } from "node:test";
import { filesBelow, json, run, tapedeck, temporary } from "../support/harness.mjs";
import { certificate, scriptedServer } from "../support/scripted_server.mjs";
import { Recorder, simulator } from "../support/recorders.mjs";
import { test } from "../support/npm_packages.mjs";

const SYMBOLS = ["BTCUSDT", "ETHUSDT"];

/** Stands for a test where a fixture is made for the whole file. */
const atEnd = [];
const file = { after: (then) => atEnd.push(then) };
after(() => atEnd.forEach((then) => then()));

let exchange;
before(async () => {
  exchange = await simulator(file, temporary(file), [
    "--families",
    "v5-linear,v5-spot",
    "--symbols",
    "3",
    "--rate",
    "400",
  ]);
});

/** Lines of a feed in a configuration; more: further keys. */
function feed(family, more = {}) {
  const keys = {
    family,
    url: `${exchange.url}/v5/public/${family.slice(3)}`,
    ca_file: exchange.ca,
    topics: "[publicTrade, orderbook.50]",
    symbols: `[${SYMBOLS}]`,
    ...more,
  };
  const lines = Object.entries(keys)
    .filter(([, value]) => value !== null)
    .map(([key, value]) => `${key}: ${value}`);
  return `  - ${lines.join("\n    ")}\n`;
}

/** A folder with a configuration of these feeds. */
function configured(t, ...feeds) {
  const dir = temporary(t);
  fs.writeFileSync(path.join(dir, "feeds.yaml"), "feeds:\n" + feeds.join(""));
  return { dir, config: path.join(dir, "feeds.yaml"), archive: path.join(dir, "tape") };
}

const checked = ({ config, archive }, ...more) => [
  "record",
  "--check",
  "-a",
  archive,
  "-c",
  config,
  "--json",
  ...more,
];
const rows = (result, state) =>
  result.checks
    .filter((row) => row.state === state)
    .map(({ area, subject }) => `${area} ${subject}`)
    .sort();

/** The only check that is not good, which names how to fix it. */
function onlyFault(result, state = "failed") {
  const faults = result.checks.filter((row) => row.state !== "good");
  assert.equal(faults.length, 1, JSON.stringify(faults));
  assert.equal(faults[0].state, state);
  assert.equal(result.verdict, state);
  assert.ok(faults[0].hint.length > 10, faults[0].hint);
  for (const row of result.checks)
    assert.equal(row.hint === null, row.state === "good", JSON.stringify(row));
  return faults[0];
}

describe("record --check", { concurrency: 3 }, () => {
  test("a good configuration: every check is good, and the archive is not made", async (t) => {
    const at = configured(t, feed("v5-linear"), feed("v5-spot", { symbols: "[BTCUSDT]" }));
    const result = await json(t, checked(at));
    const host = exchange.url.slice("wss://".length);
    assert.deepEqual(rows(result, "good"), [
      `address ${host}`,
      `archive ${at.archive}`,
      "configuration v5-linear",
      "configuration v5-spot",
      `disk ${at.dir}`,
    ]);
    assert.equal(result.verdict, "good");
    assert.deepEqual(result.topics, [
      { feed: "v5-linear", topic: "publicTrade", symbols: 2, topics: 2, connections: 1 },
      { feed: "v5-linear", topic: "orderbook.50", symbols: 2, topics: 2, connections: 1 },
      { feed: "v5-spot", topic: "publicTrade", symbols: 1, topics: 1, connections: 1 },
      { feed: "v5-spot", topic: "orderbook.50", symbols: 1, topics: 1, connections: 1 },
    ]);
    assert.equal(result.connections, 2);
    assert.deepEqual(fs.readdirSync(at.dir), ["feeds.yaml"]);

    const text = (
      await tapedeck(
        t,
        checked(at).filter((arg) => arg !== "--json")
      )
    ).stdout;
    assert.match(text, /recording would start/);
    assert.match(text, /v5-spot +orderbook\.50 +1 +1 +1\n/);
  });

  test("settings of the recorder: what record refuses, the check refuses, and neither makes a folder", async (t) => {
    for (const [status, keys, area, text] of [
      [2, { status_listen: "9464" }, "configuration", /status_listen.*expected HOST:PORT/],
      [
        2,
        { status_listen: "127.0.0.1:99999" },
        "configuration",
        /status_listen.*expected HOST:PORT/,
      ],
      [1, { status_listen: "nohost.invalid:9464" }, "status", /no such address/],
      [1, { status_listen: "192.0.2.1:9464" }, "status", /cannot listen/], // RFC 5737: no machine has it
      [
        2,
        { min_free: "10GiB", retain_free: "1GiB" },
        "configuration",
        /retain_free.*more than min_free/,
      ],
    ]) {
      const at = configured(t, feed("v5-linear"));
      fs.appendFileSync(
        at.config,
        Object.entries(keys)
          .map(([key, value]) => `${key}: ${value}\n`)
          .join("")
      );
      const fault = onlyFault(await json(t, checked(at), { status }));
      assert.equal(fault.area, area);
      assert.match(fault.text, text);
      if (status === 2)
        await run(t, "tapedeck", ["record", "-a", at.archive, "-c", at.config], { status: 2 });
      assert.deepEqual(fs.readdirSync(at.dir), ["feeds.yaml"]);
    }
    for (const more of [
      { topics: "[none.such]" },
      { ca_file: "/nonexistent" },
      { symbols_file: "/nonexistent" },
      { api_key_env: "NO_KEY", api_secret_env: "NO_SECRET" },
    ]) {
      const at = configured(t, feed("v5-linear"), feed("v5-spot", more));
      await run(t, "tapedeck", ["record", "-a", at.archive, "-c", at.config], { status: 2 });
      assert.deepEqual(fs.readdirSync(at.dir), ["feeds.yaml"]);
    }
  });

  test("a port in use, or no list of instruments, leaves no folder of a new archive", async (t) => {
    const other = net.createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    t.after(() => other.close());
    const { port } = other.address();
    for (const [more, text] of [
      [
        ["--symbol", "BTCUSDT", "--status-listen", `127.0.0.1:${port}`],
        /--status-listen 127\.0\.0\.1:\d+: cannot listen/,
      ],
      [["--symbol", "*"], /cannot read the list of instruments/],
    ]) {
      const { dir, archive } = configured(t);
      const args = [
        "record",
        "-a",
        archive,
        "ws://127.0.0.1:1/v5/public/linear",
        "--family",
        "v5-linear",
        "--topic",
        "publicTrade",
        ...more,
      ];
      assert.match((await run(t, "tapedeck", args, { status: 4 })).stderr, text);
      assert.deepEqual(
        fs.readdirSync(dir).filter((name) => name !== "feeds.yaml"),
        []
      );
    }
  });

  test("a feed of the command line; more connections than one", async (t) => {
    const { dir, archive } = configured(t);
    const args = [
      `${exchange.url}/v5/public/linear`,
      "--family",
      "v5-linear",
      "--ca-file",
      exchange.ca,
      "--topic",
      "publicTrade",
      "--topic",
      "orderbook.50",
      ...SYMBOLS.flatMap((symbol) => ["--symbol", symbol]),
      "--max-topics-per-connection",
      "1",
    ];
    const result = await json(t, ["record", "--check", "-a", archive, ...args, "--json"]);
    assert.equal(result.connections, 4);
    assert.deepEqual(
      result.topics.map((row) => row.connections),
      [2, 2]
    );
    assert.deepEqual(fs.readdirSync(dir), ["feeds.yaml"]);
  });

  test("servers: refused, unknown, untrusted, of another name, silent, without TLS; the other feeds are checked", async (t) => {
    const other = certificate(temporary(t), { name: "other", names: ["DNS:elsewhere.example"] });
    const elsewhere = await scriptedServer(t, temporary(t), { certificate: other });
    const at = configured(
      t,
      feed("v5-linear", { name: "refused", url: "wss://127.0.0.1:1/v5/public/linear" }),
      feed("v5-linear", { name: "unknown", url: "wss://host.invalid/v5/public/linear" }),
      feed("v5-linear", { name: "untrusted", ca_file: null }),
      feed("v5-linear", {
        name: "misnamed",
        url: `${elsewhere.url}/v5/public/linear`,
        ca_file: other.ca,
      }),
      feed("v5-spot")
    );
    const result = await json(t, checked(at), { status: 1 });
    const host = exchange.url.slice("wss://".length);
    const failed = result.checks.filter((row) => row.state === "failed");
    assert.deepEqual(
      rows(result, "failed"),
      ["127.0.0.1:1", elsewhere.url.slice("wss://".length), "host.invalid", host]
        .map((each) => `address ${each}`)
        .sort()
    );
    const about = (subject) => failed.find((row) => row.subject === subject);
    assert.match(about("127.0.0.1:1").text, /refused/);
    assert.match(about("host.invalid").text, /no address/);
    assert.match(about(host).text, /not a CA that this system trusts|self-signed/);
    assert.match(about(host).hint, /ca_file/);
    assert.match(about(elsewhere.url.slice("wss://".length)).text, /elsewhere\.example/);
    for (const row of failed) assert.ok(row.hint.length > 10, JSON.stringify(row));
    // The same host with its CA is another row, which is good.
    assert.ok(rows(result, "good").includes(`address ${host}`));
    assert.ok(rows(result, "good").includes("configuration v5-spot"));
    assert.equal(result.connections, 5);
    assert.equal(elsewhere.received.upgrades, 0, "nothing was requested");
  });

  test("a server that accepts and stays silent fails within connect_timeout", async (t) => {
    const net = await import("node:net");
    const silent = net.createServer(() => {}).listen(0, "127.0.0.1");
    t.after(() => silent.close());
    await new Promise((resolve) => silent.once("listening", resolve));
    const at = configured(
      t,
      feed("v5-linear", {
        url: `wss://127.0.0.1:${silent.address().port}/v5/public/linear`,
        connect_timeout: "300ms",
      })
    );
    const row = onlyFault(await json(t, checked(at), { status: 1 }));
    assert.match(row.text, /did not answer in time/);
  });

  test("credentials: both variables must be set, and no value is printed", async (t) => {
    const private_ = feed("v5-private", {
      url: `${exchange.url}/v5/private`,
      topics: "[order]",
      symbols: null,
      api_key_env: "CHECK_KEY",
      api_secret_env: "CHECK_SECRET",
    });
    const at = configured(t, private_, feed("v5-spot"));
    const secret = "hunter2hunter2";
    const without = await run(t, "tapedeck", checked(at), {
      status: 1,
      env: { CHECK_KEY: secret },
    });
    const row = onlyFault(JSON.parse(without.stdout));
    assert.deepEqual([row.area, row.subject], ["credentials", "v5-private"]);
    assert.ok(row.text.includes(`${at.config}:`) && row.text.includes("CHECK_SECRET"), row.text);
    assert.match(row.hint, /CHECK_SECRET/);
    const both = await run(t, "tapedeck", checked(at), {
      env: { CHECK_KEY: secret, CHECK_SECRET: secret },
    });
    assert.ok(rows(JSON.parse(both.stdout), "good").includes("credentials v5-private"));
    for (const end of [without, both]) assert.ok(!(end.stdout + end.stderr).includes(secret));
  });

  test("too little space: as much must stay free as the disk does not have", async (t) => {
    const at = configured(t, feed("v5-spot"));
    const row = onlyFault(await json(t, checked(at, "--min-free", "1024T"), { status: 1 }));
    assert.equal(row.area, "disk");
    assert.match(row.text, /1024\.0 TiB must stay free|1\.0 PiB must stay free/);
    assert.match(row.hint, /min-free|space/);
  });

  test("an archive that cannot be a folder", async (t) => {
    const at = configured(t, feed("v5-spot"));
    fs.writeFileSync(at.archive, "a file\n");
    assert.equal(onlyFault(await json(t, checked(at), { status: 1 })).area, "archive");
    const below = { ...at, archive: path.join(at.archive, "tape") };
    assert.equal(
      (await json(t, checked(below), { status: 1 })).checks.find((row) => row.area === "archive")
        .state,
      "failed"
    );
  });

  test("a withdrawn or unknown topic that is allowed is doubtful", async (t) => {
    const at = configured(
      t,
      feed("v5-spot", { topics: "[publicTrade, somethingNew]", allow_unknown_topic: "true" })
    );
    const result = await json(t, checked(at), { status: 1 });
    assert.equal(result.verdict, "doubtful");
    assert.deepEqual([...new Set(rows(result, "doubtful"))], ["configuration v5-spot"]);
    assert.match(result.checks.find((row) => row.state === "doubtful").text, /somethingNew/);
  });

  test("two wrong feeds are both reported, with their lines, and the third is checked; the status is 2", async (t) => {
    const at = configured(
      t,
      feed("v5-linear", { topics: "[publicTrad]" }),
      feed("v5-spot", { name: "../x" }),
      feed("v5-spot")
    );
    const result = await json(t, checked(at), { status: 2 });
    const texts = result.checks.filter((row) => row.state === "failed").map((row) => row.text);
    assert.equal(texts.length, 2, JSON.stringify(texts));
    assert.ok(
      texts[0].startsWith(`${at.config}:5: `) || texts[1].startsWith(`${at.config}:5: `),
      texts.join("\n")
    );
    assert.ok(
      texts.some((text) => text.includes("../x") && /feeds\.yaml:\d+: /.test(text)),
      texts.join("\n")
    );
    assert.ok(rows(result, "good").includes("configuration v5-spot"));
  });

  test("usage errors are reported as record reports them", async (t) => {
    const at = configured(t, feed("v5-spot"));
    assert.match(
      (
        await tapedeck(t, ["record", "--check", "-c", at.config], {
          status: 2,
          env: { TAPEDECK_ARCHIVE: "" },
        })
      ).stderr,
      /no archive is given/
    );
    assert.match(
      (
        await tapedeck(
          t,
          ["record", "--check", "-a", at.archive, "-c", path.join(at.dir, "none.yaml")],
          { status: null }
        )
      ).stderr,
      /none\.yaml/
    );
    assert.match(
      (await tapedeck(t, [...checked(at), "--topic", "publicTrade"], { status: 2 })).stderr,
      /--config/
    );
  });

  test("an archive that exists: a running recorder locks the archive, and nothing is written", async (t) => {
    const at = configured(t, feed("v5-linear"));
    const recorder = new Recorder(t, at.archive, ["-c", at.config, "--commit-interval", "100ms"]);
    await recorder.durableLine((durable) => durable.in > 100);
    const row = onlyFault(await json(t, checked(at), { status: 1 }));
    assert.equal(row.area, "archive");
    assert.match(row.text, new RegExp(`in use: .*pid ${recorder.child.pid}, record, since`));
    assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);

    const files = () =>
      filesBelow(at.archive)
        .sort()
        .map((name) => [
          name,
          fs.statSync(path.join(at.archive, name)).mtimeMs,
          fs.readFileSync(path.join(at.archive, name), "base64"),
        ]);
    const asBefore = files();
    await json(t, checked(at));
    assert.deepEqual(files(), asBefore);
  });
});
