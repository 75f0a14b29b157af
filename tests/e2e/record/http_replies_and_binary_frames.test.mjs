// Recordings beside text frames: HTTP replies, on channels of their own, and binary frames. Expected values: the bytes that
// the servers of this file sent; docs/recording.md ("HTTP beside frames") for the rest.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import https from "node:https";
import path from "node:path";
import { describe } from "node:test";
import zlib from "node:zlib";
import {
  BIN,
  eventsOf,
  jsonLines,
  jsonList,
  run,
  tapedeck,
  temporary,
} from "../support/harness.mjs";
import { FAMILIES } from "../support/dialect_exchanges.mjs";
import { acknowledge, certificate, scriptedServer, trade } from "../support/scripted_server.mjs";
import { feedArgs, Recorder } from "../support/recorders.mjs";
import { npm, test } from "../support/npm_packages.mjs";

const TRADE = ["trade.BTCUSD"];

/** An HTTPS server with the certificate of an exchange; answer(request, response, n): the n-th request of that path. */
async function restServer(t, exchange, answer) {
  const { files } = exchange;
  const seen = [];
  let waiting = [];
  const server = https.createServer(
    { cert: fs.readFileSync(files.cert), key: fs.readFileSync(files.key) },
    (request, response) => {
      seen.push(request.url);
      waiting = waiting.filter((check) => !check());
      answer(request, response, seen.filter((url) => url === request.url).length);
    }
  );
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  /** Wait until a path was requested this many times. */
  const asked = (url, times) =>
    new Promise((resolve) => {
      const check = () => seen.filter((u) => u === url).length >= times && (resolve(), true);
      if (!check()) waiting.push(check);
    });
  return { url: `https://127.0.0.1:${server.address().port}`, seen, asked };
}

// These tests mostly wait: HTTP requests are a second apart.
describe("recordings beside text frames", { concurrency: true }, () => {
  describe("HTTP beside frames", { concurrency: 3 }, () => {
    test("HTTP replies are recorded raw, in order with the frames, on channels of their own; replay does not count them", async (t) => {
      const dir = temporary(t);
      const archive = path.join(dir, "tape");
      let socket;
      const exchange = await scriptedServer(t, dir, {
        message: (ws, request) => {
          acknowledge(ws, request);
          ws.send(trade(1));
          socket = ws;
        },
      });
      const body =
        '{ "retCode":0,\n "result": {"list":[{"symbol":"BTCUSD","tickSize":"0.50"}]} }\n';
      const api = await restServer(t, exchange, (request, response, n) => {
        assert.equal(request.method, "GET");
        response.end(request.url.startsWith("/v5/") ? body : `status ${n}`);
      });
      const config = path.join(dir, "feeds.yaml");
      fs.writeFileSync(
        config,
        `commit_interval: 50ms\nfeeds:\n  - family: inverse\n    url: ${exchange.url}/realtime\n    ca_file: ${exchange.ca}\n` +
          `    topics: [trade.BTCUSD]\n    http:\n      - instruments@1h=${api.url}/v5/market/instruments-info?category=inverse\n` +
          `      - status@2s=${api.url}/status\n`
      );
      const recorder = new Recorder(t, archive, ["-c", config]);
      // After the first replies another frame, and then the second reply to the request that is repeated every 2 s.
      await recorder.until(api.asked("/status", 2));
      socket.send(trade(2));
      await recorder.durableLine((durable) => durable.in >= 3);
      assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
      assert.equal(api.seen.filter((url) => url.includes("instruments")).length, 1);

      const rows = await jsonLines(t, ["cat", "-a", archive]);
      const replies = rows.filter((row) => row.dir === "http");
      assert.deepEqual(
        new Set(replies.map((row) => row.topic)),
        new Set(["http.instruments", "http.status"])
      );
      assert.equal(replies.find((row) => row.topic === "http.instruments").data, body);
      assert.equal(replies.find((row) => row.topic === "http.status").data, "status 1");
      assert.ok(
        replies.every((row) => !row.symbol),
        JSON.stringify(replies)
      );
      const times = rows.map((row) => row.recv_ns); // rounded to 256 ns as numbers, and 1 ns apart in one read
      assert.ok(
        times.every((time, i) => i === 0 || time >= times[i - 1]),
        "receive times rise over frames and replies"
      );
      const at = (test) => rows.findIndex(test);
      assert.ok(at((row) => row.data === trade(1)) < at((row) => row.data === "status 1"));
      assert.ok(at((row) => row.data === "status 1") < at((row) => row.data === trade(2)));
      // The bytes alone, by topic and direction.
      const raw = execFileSync(path.join(BIN, "tapedeck"), [
        "cat",
        "-a",
        archive,
        "--raw",
        "--dir",
        "http",
        "--topic",
        "http.instruments",
      ]);
      assert.equal(raw.toString(), `${body}\n`);
      assert.equal(
        (await jsonList(t, ["ls", "-a", archive, "--topic", "http.instruments", "--json"])).length,
        1
      );
      assert.match(
        (await tapedeck(t, ["ls", "-a", archive, "--topic", "http.instrumnts"], { status: 4 }))
          .stderr,
        /did you mean 'http\.instruments'/
      );
      const events = await eventsOf(t, archive, "http");
      assert.ok(events.every((event) => event.state === "kept" && event.code === 200));
      const first = events.find((event) => event.what === "instruments");
      assert.deepEqual(
        [first.url, first.bytes],
        [`${api.url}/v5/market/instruments-info?category=inverse`, Buffer.byteLength(body)]
      );
      const inbound = rows.filter((row) => row.dir === "in");
      const report = JSON.parse(
        (await tapedeck(t, ["replay", "-a", archive, "--json"], { status: null })).stdout
      );
      assert.deepEqual(
        [report.frames, report.frames - report.out - report.http, report.control],
        [rows.length, inbound.length, 1]
      );
      assert.equal(
        report.bytes,
        rows.reduce((sum, row) => sum + Buffer.byteLength(row.data), 0)
      );
      const summary = recorder.summary();
      assert.deepEqual(
        [summary.http_replies, summary.http_failures, summary.frames, summary.in],
        [replies.length, 0, rows.length, inbound.length]
      );
      await tapedeck(t, ["verify", "-a", archive]);
    });

    test("a failed request is an event and a warning with its reason, and never stops the feed", async (t) => {
      const dir = temporary(t);
      const archive = path.join(dir, "tape");
      const exchange = await scriptedServer(t, dir, {});
      const other = { files: certificate(temporary(t), { name: "other" }) }; // another CA
      const api = await restServer(t, exchange, (request, response) => {
        if (request.url === "/500") response.writeHead(500).end("database is on fire");
        else if (request.url === "/302") response.writeHead(302, { Location: "/ok" }).end();
        else if (request.url === "/large") response.end(Buffer.alloc((8 << 20) + 1, "x"));
        else if (request.url === "/gzip")
          response.writeHead(200, { "Content-Encoding": "gzip" }).end(zlib.gzipSync('{"gzip":1}'));
        else if (request.url === "/deflate")
          response
            .writeHead(200, { "content-encoding": "Deflate" })
            .end(zlib.deflateSync('{"deflate":1}'));
        else if (request.url === "/identity")
          response.writeHead(200, { "Content-Encoding": "identity" }).end("identity");
        else if (request.url === "/br")
          response
            .writeHead(200, { "Content-Encoding": "br" })
            .end(zlib.brotliCompressSync('{"br":1}'));
        else if (request.url === "/bomb")
          response
            .writeHead(200, { "Content-Encoding": "gzip" })
            .end(zlib.gzipSync(Buffer.alloc((8 << 20) + 1)));
        else if (request.url === "/cut")
          response.writeHead(200, { "Content-Length": 100 }).end("short", () => response.destroy());
        else response.end("{}");
      });
      const untrusted = await restServer(t, other, (_request, response) => response.end("{}"));
      const rows = [
        ["500", `${api.url}/500`, "status", /HTTP status 500: database is on fire/, 500],
        ["302", `${api.url}/302`, "status", /HTTP status 302 .*not followed/, 302],
        ["large", `${api.url}/large`, "too_large", /more than 8388608 bytes/, 200],
        ["cut", `${api.url}/cut`, "closed_by_peer", /in the middle of its reply/, 200],
        ["no_listener", "https://127.0.0.1:1/", "connect", /no answer at/, undefined],
        ["untrusted", `${untrusted.url}/`, "tls_untrusted", /certificate|trust/i, undefined],
        ["br", `${api.url}/br`, "encoding", /Content-Encoding cannot be decoded/, 200],
        ["bomb", `${api.url}/bomb`, "encoding", /Content-Encoding cannot be decoded/, 200],
        ...["gzip", "deflate", "identity"].map((name) => [name, `${api.url}/${name}`]),
        ["good", `${api.url}/ok`],
      ];
      const recorder = new Recorder(t, archive, [
        ...feedArgs(exchange, "inverse", TRADE),
        "--commit-interval",
        "50ms",
        ...rows.flatMap(([name, url]) => ["--http", `${name}@1h=${url}`]),
      ]);
      for (const [name, , cause, words] of rows) {
        if (cause === undefined) continue;
        const warning = await recorder.prints(
          new RegExp(`warning tapedeck record: inverse: no HTTP reply for '${name}': (.*)`)
        );
        assert.match(warning[1], words);
      }
      await recorder.until(api.asked("/ok", 1));
      for (const ws of exchange.sockets.clients) ws.send(trade(7));
      await recorder.durableLine((durable) => durable.in >= 2);
      assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
      const events = await eventsOf(t, archive, "http");
      for (const [name, , cause, words, code] of rows) {
        const event = events.find((row) => row.what === name);
        assert.equal(event.state, cause === undefined ? "kept" : "failed");
        if (cause === undefined) continue;
        assert.deepEqual([event.cause, event.code], [cause, code]);
        assert.match(event.detail, words);
      }
      const replies = (await jsonLines(t, ["cat", "-a", archive, "--dir", "http"])).map((row) => [
        row.topic,
        row.data,
      ]);
      assert.deepEqual(replies, [
        ["http.gzip", '{"gzip":1}'],
        ["http.deflate", '{"deflate":1}'],
        ["http.identity", "identity"],
        ["http.good", "{}"],
      ]);
      assert.deepEqual(await jsonList(t, ["gaps", "-a", archive, "--json"]), []);
      assert.ok(
        (await jsonLines(t, ["cat", "-a", archive, "--dir", "in"])).some(
          (row) => row.data === trade(7)
        )
      );
      await tapedeck(t, ["verify", "-a", archive]);
    });

    test("the recorder repeats its requests after it has subscribed again, and redacts replies like frames", async (t) => {
      const dir = temporary(t);
      const archive = path.join(dir, "tape");
      const KEY = "k3yK3Yk3yK3Yk3y";
      const exchange = await scriptedServer(t, dir, {
        message: (ws, request, n) => {
          ws.send(JSON.stringify({ success: true, ret_msg: "", conn_id: "c", request }));
          if (request.op === "subscribe") ws.n = n;
        },
      });
      const api = await restServer(t, exchange, (request, response, n) => {
        if (request.url === "/refused")
          return response.writeHead(400).end(`${"x".repeat(290)}${KEY}`); // a log line has 300 bytes of it
        response.end(JSON.stringify({ n, key: KEY }));
        if (n === 1) for (const ws of exchange.sockets.clients) ws.close(1001);
      });
      const env = { TEST_KEY: KEY, TEST_SECRET: "s3cr3tS3cr3t" };
      const recorder = new Recorder(
        t,
        archive,
        [
          ...feedArgs(exchange, "inverse", ["order"]),
          "--commit-interval",
          "50ms",
          "--api-key-env",
          "TEST_KEY",
          "--api-secret-env",
          "TEST_SECRET",
          "--http",
          `snapshot@1h=${api.url}/x?key=${KEY}`,
          "--http",
          `refused@1h=${api.url}/refused`,
        ],
        { env }
      );
      await recorder.until(api.asked(`/x?key=${KEY}`, 2));
      const [refused] = await recorder.prints(/no HTTP reply for 'refused': .*/);
      assert.ok(!refused.includes(KEY.slice(0, 5)), refused);
      assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
      assert.ok(exchange.received.upgrades >= 2);
      const replies = await jsonLines(t, ["cat", "-a", archive, "--dir", "http"]);
      assert.equal(JSON.parse(replies[0].data).key, "*".repeat(KEY.length));
      const events = await eventsOf(t, archive, "http");
      assert.ok(
        events
          .filter((event) => event.what === "snapshot")
          .every((event) => event.url === `${api.url}/x?key=${"*".repeat(KEY.length)}`),
        JSON.stringify(events)
      );
      await tapedeck(t, ["verify", "-a", archive]);
    });

    test("a wrong request is a configuration error", async (t) => {
      const dir = temporary(t);
      for (const [text, words] of [
        ["instruments", /NAME=URL/],
        ["a@1ms=https://h/", /1 s/],
        ["a=wss://h/", /https:\/\//],
        ["a/b=https://h/", /not a valid name/],
      ]) {
        const end = await run(
          t,
          "tapedeck-record",
          [
            "record",
            "-a",
            path.join(dir, "tape"),
            "--family",
            "inverse",
            "--topic",
            "trade",
            "--http",
            text,
          ],
          { status: 2 }
        );
        assert.match(end.stderr, words);
      }
    });
  });

  describe("binary frames", { concurrency: 3 }, () => {
    for (const [name, compress] of [
      ["gzip", zlib.gzipSync],
      ["zlib", zlib.deflateSync],
      ["raw deflate", zlib.deflateRawSync],
      ["an unknown format", (b) => Buffer.from(b).reverse()],
    ])
      test(`${name}: a binary frame is recorded unchanged, as a binary message`, async (t) => {
        const dir = temporary(t);
        const archive = path.join(dir, "tape");
        const { frames, speaks, path: where } = FAMILIES["spot-v1"];
        const sent = frames.map((frame) => compress(Buffer.from(frame)));
        const exchange = await scriptedServer(t, dir, {
          message: (ws, request) => {
            if (request.event !== "sub") return;
            assert.equal(request.params.binary, true);
            ws.send(speaks.answer(request));
            for (const frame of sent) ws.send(frame, { binary: true });
            ws.close(1000);
          },
        });
        const args = [
          exchange.url + where,
          "--family",
          "spot-v1",
          "--ca-file",
          exchange.ca,
          "--topic",
          "trade",
          "--symbol",
          "BTCUSDT",
          "--binary",
          "--until-close",
        ];
        await run(t, "tapedeck-record", ["record", "-a", archive, ...args]);
        const raw = execFileSync(path.join(BIN, "tapedeck"), [
          "cat",
          "-a",
          archive,
          "--raw",
          "--dir",
          "in",
        ]);
        assert.ok(
          raw.indexOf(Buffer.concat([sent[0], Buffer.from("\n")])) >= 0,
          raw.toString("hex")
        );
        const [file] = fs
          .readdirSync(path.join(archive, "capture"), { recursive: true })
          .filter((f) => f.endsWith(".mcap"));
        assert.equal(await binaryMessages(path.join(archive, "capture", file)), sent.length);
        const report = JSON.parse(
          (await tapedeck(t, ["replay", "-a", archive, "--json"], { status: null })).stdout
        );
        assert.equal(report.frames - report.out, 1 + sent.length);
        // The decoder inflates it: the channel has the topic, replay the trade.
        const isCompressed = name !== "an unknown format";
        assert.deepEqual([report.decoded, report.undecoded], isCompressed ? [1, 0] : [0, 1]);
        const [row] = await jsonLines(t, [
          "cat",
          "-a",
          archive,
          "--dir",
          "in",
          "--topic",
          isCompressed ? "trade" : "_unknown",
        ]);
        assert.equal(row.symbol || null, isCompressed ? "BTCUSDT" : null);
        await tapedeck(t, ["verify", "-a", archive]);
      });
  });
});

/** Messages on channels whose opcode is binary, by @mcap/core. */
async function binaryMessages(file) {
  const { McapStreamReader } = npm("@mcap/core");
  const { loadDecompressHandlers } = npm("@mcap/support");
  const reader = new McapStreamReader({ decompressHandlers: await loadDecompressHandlers() });
  reader.append(fs.readFileSync(file));
  const opcodes = new Map();
  let count = 0;
  for (let record; (record = reader.nextRecord());) {
    if (record.type === "Channel") opcodes.set(record.id, record.metadata.get("opcode"));
    if (record.type === "Message" && opcodes.get(record.channelId) === "2") count++;
  }
  return count;
}
