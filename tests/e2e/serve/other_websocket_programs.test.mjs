// WebSocket clients and servers of other projects: clients of serve and sim get each message of the tape unchanged, record
// records each message of the servers; plain and over TLS, with and without compression. The exchange's clients (ccxt,
// bybit-api) are in serve/exchange_clients.test.mjs.
import assert from "node:assert/strict";
import { once } from "node:events";
import fs from "node:fs";
import http from "node:http";
import https from "node:https";
import path from "node:path";
import { after, before, test as nodeTest } from "node:test";
import { acknowledge, certificate, trade } from "../support/scripted_server.mjs";
import {
  eventsOf,
  importFrames,
  listening,
  Program,
  rawFrames,
  run,
  tapedeck,
  temporary,
  wholeFile,
  wrapped,
} from "../support/harness.mjs";
import { npm, python, test } from "../support/npm_packages.mjs";

const { WebSocket, WebSocketServer } = npm("ws");
const undici = npm("undici");
const lws = (name) => wrapped(path.join("../interop", name));
const CHROMIUM = "/usr/bin/chromium";
const PAGES_OF_FILES = ["--allow-origin", "null"]; // newer Chromiums name no origin for them
const TOPIC = "publicTrade.BTCUSDT";
const SUBSCRIBE = JSON.stringify({ op: "subscribe", args: [TOPIC] });
const WORDS = [
  "plain",
  "\u00e9\u20ac\u{1f600}",
  "x".repeat(126),
  "y".repeat(70_000),
  "\u20ac".repeat(6000),
];
const FRAMES = Array.from({ length: 44 }, (_, i) =>
  JSON.stringify({ topic: TOPIC, type: "snapshot", ts: i, data: [], word: WORDS[i % 11] ?? "" })
);
const HOWS = [{}, { isTls: true }, { isDeflate: true }, { isTls: true, isDeflate: true }];
const nameOf = ({ isTls, isDeflate }) =>
  [isTls ? "TLS" : "plain", ...(isDeflate ? ["compressed"] : [])].join(", ");
const isLater = (text) => JSON.parse(text).topic !== undefined;

/** The messages that a program printed, and the close code. */
function printed(stdout) {
  const messages = stdout.trimEnd().split("\n");
  return { code: Number(messages.pop().split(" ")[1]), messages };
}

/** The messages of a client with the interface of browsers. */
function gathered(client) {
  const messages = [];
  client.onopen = () => client.send(SUBSCRIBE);
  client.onmessage = ({ data }) => messages.push(data);
  return new Promise(
    (resolve) =>
      (client.onclose = ({ code }) => resolve({ code, messages, extensions: client.extensions }))
  );
}

/** A web page that logs each message. */
const page = (url) => `<script>
  const ws = new WebSocket(${JSON.stringify(url)}), log = (word, text) => console.log(word + "@" + btoa(unescape(encodeURIComponent(text))) + "@");
  ws.onopen = () => ws.send(${JSON.stringify(SUBSCRIBE)});
  ws.onmessage = ({ data }) => log("message", data);
  ws.onclose = ({ code }) => log("closed", String(code));
</script>`;

async function inChromium(t, { url }) {
  const dir = temporary(t),
    file = path.join(dir, "page.html");
  fs.writeFileSync(file, page(url));
  const browser = new Program(t, CHROMIUM, [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--enable-logging=stderr",
    "--remote-debugging-port=0",
    "--ignore-certificate-errors",
    `--user-data-dir=${dir}/profile`,
    `file://${file}`,
  ]);
  await browser.prints(/closed@\w*=*@/);
  await browser.kill("SIGTERM");
  const logged = [...browser.stderr.matchAll(/(message|closed)@([^@]*)@/g)].map(
    ([, word, text]) => [word, Buffer.from(text, "base64").toString()]
  );
  return { code: Number(logged.pop()[1]), messages: logged.map(([, text]) => text) };
}

/** Each returns the messages that it got from a server. undici and Chromium always offer compression. */
const CLIENTS = {
  ws: {
    play: async (t, { url, ca, isDeflate }) =>
      gathered(
        new WebSocket(url, { ca: ca && fs.readFileSync(ca), perMessageDeflate: !!isDeflate })
      ),
  },
  undici: {
    hows: HOWS.slice(2),
    play: async (t, { url, ca }) =>
      gathered(
        new undici.WebSocket(url, {
          dispatcher: new undici.Agent({ connect: { ca: ca && fs.readFileSync(ca) } }),
        })
      ),
  },
  "Python websockets": {
    skip: python() === undefined && "needs Python's websockets (Debian: python3-websockets)",
    play: async (t, { url, ca, isDeflate }) =>
      printed(
        (
          await run(t, python(), [
            "tests/interop/client.py",
            url,
            SUBSCRIBE,
            isDeflate ? "deflate" : "plain",
            ...(ca ? [ca] : []),
          ])
        ).stdout
      ),
  },
  libwebsockets: {
    play: async (t, { url, ca, isDeflate }) =>
      printed(
        (
          await run(t, lws("lws_client"), [
            url,
            SUBSCRIBE,
            isDeflate ? "deflate" : "plain",
            ...(ca ? [ca] : []),
          ])
        ).stdout
      ),
  },
  Chromium: {
    hows: HOWS.slice(2),
    skip: !fs.existsSync(CHROMIUM) && `needs ${CHROMIUM}`,
    play: inChromium,
  },
};

const served = {}; // one server of serve for all clients, by nameOf()
const file = wholeFile(after);

before(async () => {
  const dir = temporary(file);
  const archive = await importFrames(null, dir, {
    family: "v5-linear",
    host: "/v5/public/linear",
    frames: FRAMES,
  });
  for (const how of HOWS.slice(0, 2))
    served[nameOf(how)] = await listening(
      file,
      ["serve", archive, "--speed", "max", ...PAGES_OF_FILES, ...(how.isTls ? [] : ["--plain"])],
      dir
    );
});

for (const [name, { hows = HOWS, play, skip = false }] of Object.entries(CLIENTS))
  test(`${name} as a client of serve and sim`, { skip }, async (t) => {
    const dir = temporary(t);
    await Promise.all(
      hows.map(async (how) => {
        const options = how.isTls ? [] : ["--plain"];
        const serve = served[nameOf({ isTls: how.isTls })];
        const got = await play(t, { url: `${serve.url}/v5/public/linear`, ca: serve.ca, ...how });
        assert.equal(got.code, 1000, nameOf(how));
        assert.deepEqual(got.messages.filter(isLater), FRAMES, nameOf(how));
        if (got.extensions !== undefined)
          assert.equal(got.extensions.startsWith("permessage-deflate"), !!how.isDeflate);
        if (how.isTls !== how.isDeflate) return; // sim has the server of serve: plain, and over TLS with compression
        const sim = await listening(
          t,
          [
            "sim",
            "--families",
            "v5-linear",
            "--symbols",
            "1",
            "--rate",
            "100000",
            "--max-frames",
            "60",
            "--seed",
            "11",
            ...PAGES_OF_FILES,
            ...options,
          ],
          dir
        );
        const simulated = await play(t, { url: `${sim.url}/v5/public/linear`, ca: sim.ca, ...how });
        assert.equal(simulated.code, 1000, nameOf(how));
        assert.ok(
          simulated.messages.length > 0 && simulated.messages.every((text) => JSON.parse(text)),
          nameOf(how)
        );
      })
    );
  });

// ---- servers ----

const TRADES = Array.from({ length: 60 }, (_, i) =>
  trade(i, [0, 200, 70_000][i % 20 === 7 ? 2 : i % 3 === 0 ? 1 : 0])
);

/** A server of a program that prints its port. */
async function printing(t, command, args, { files, isDeflate }) {
  const dir = temporary(t),
    file = path.join(dir, "frames");
  fs.writeFileSync(file, TRADES.join("\n") + "\n");
  const program = new Program(t, command, [
    ...args,
    file,
    isDeflate ? "deflate" : "plain",
    ...(files ? [files.cert, files.key] : []),
  ]);
  return program.line((line) => /^\d+$/.test(line));
}

async function serveWs(t, { files, isDeflate }) {
  const server = files
    ? https.createServer({ cert: fs.readFileSync(files.cert), key: fs.readFileSync(files.key) })
    : http.createServer();
  const sockets = new WebSocketServer({
    server,
    perMessageDeflate: isDeflate ? { threshold: 0 } : false,
  });
  sockets.on("connection", (ws) =>
    ws.once("message", (request) => {
      acknowledge(ws, JSON.parse(request.toString()));
      TRADES.forEach((text, i) => {
        if (i % 3 !== 1) return ws.send(text);
        ws.send(text.slice(0, 20), { fin: false });
        ws.ping(`between ${i}`);
        ws.send(text.slice(20), { fin: true });
      });
      ws.close(1001);
    })
  );
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    sockets.clients.forEach((ws) => ws.terminate());
    server.close();
  });
  return server.address().port;
}

/** Each returns its port. */
const SERVERS = {
  ws: { listen: serveWs, test },
  "Python websockets": {
    listen: (t, how) => printing(t, python(), ["tests/interop/server.py"], how),
    skip: CLIENTS["Python websockets"].skip,
  },
  libwebsockets: { listen: (t, how) => printing(t, lws("lws_server"), [], how) },
};

for (const [name, { listen, skip = false, test: own = nodeTest }] of Object.entries(SERVERS))
  own(`record records what ${name} sends`, { skip }, async (t) => {
    const files = certificate(temporary(t));
    await Promise.all(
      HOWS.map(async (how) => {
        const port = await listen(t, { ...how, files: how.isTls ? files : undefined });
        const archive = path.join(temporary(t), "tape");
        const options = [
          ...(how.isTls ? ["--ca-file", files.ca] : []),
          ...(how.isDeflate ? ["--deflate"] : []),
        ];
        await tapedeck(t, [
          "record",
          "-q",
          "-a",
          archive,
          `${how.isTls ? "wss" : "ws"}://127.0.0.1:${port}/realtime`,
          "--family",
          "inverse",
          "--topic",
          "trade.BTCUSD",
          "--until-close",
          ...options,
        ]);
        const frames = await rawFrames(t, archive);
        assert.deepEqual(frames.filter(isLater), TRADES, nameOf(how));
        const [connected] = await eventsOf(t, archive, "connect");
        assert.equal(
          !!connected.extensions?.startsWith("permessage-deflate"),
          !!how.isDeflate,
          nameOf(how)
        );
      })
    );
  });
