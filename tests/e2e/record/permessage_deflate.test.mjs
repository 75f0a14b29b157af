// permessage-deflate (RFC 7692) with other implementations: the recorder records, and clients get, the bytes before
// compression; an event has the parameters that both ends agreed on.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import http from "node:http";
import path from "node:path";
import {
  eventsOf,
  importFrames,
  jsonList,
  listening,
  run,
  tapedeck,
  temporary,
} from "../support/harness.mjs";
import { acknowledge, trade } from "../support/scripted_server.mjs";
import {
  compareWithTruth,
  feedArgs,
  Recorder,
  sentFrames,
  simulator,
} from "../support/recorders.mjs";
import { npm, test } from "../support/npm_packages.mjs";
import { xxh64 } from "../support/xxh64.mjs";

const { WebSocket, WebSocketServer } = npm("ws");

/** A server of npm's ws with a path for each name; it notes what each connection agreed on. */
async function servers(t, rows, opened) {
  const server = http.createServer();
  const agreed = new Map();
  const each = new Map();
  for (const [name, perMessageDeflate] of Object.entries(rows)) {
    const sockets = new WebSocketServer({ noServer: true, perMessageDeflate });
    sockets.on("headers", (lines) =>
      agreed.set(name, /^Sec-WebSocket-Extensions: (.*)$/m.exec(lines.join("\n"))?.[1])
    );
    each.set(`/${name}`, sockets);
  }
  server.on("upgrade", (request, socket, head) => {
    const sockets = each.get(request.url);
    sockets.handleUpgrade(request, socket, head, (ws) => {
      ws.on("error", () => {});
      ws.on("message", (data) => {
        const asked = JSON.parse(data.toString());
        if (asked.op === "ping") return;
        acknowledge(ws, asked);
        opened(ws, request.url.slice(1));
      });
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    for (const sockets of each.values()) for (const ws of sockets.clients) ws.terminate();
    server.closeAllConnections();
    server.close();
  });
  return { url: `ws://127.0.0.1:${server.address().port}`, agreed };
}

/** A recorder with a feed for each name. */
function recordAll(t, dir, server, names) {
  const file = path.join(dir, "feeds.yaml");
  const feed = (name) =>
    `  - name: ${name}\n    family: inverse\n    url: ${server.url}/${name}\n    topics: [trade.BTCUSD]\n    deflate: true\n`;
  fs.writeFileSync(file, "feeds:\n" + names.map(feed).join(""));
  return new Recorder(t, path.join(dir, "tape"), ["-c", file]);
}

/** The messages of a feed, without answers. */
async function messagesOf(t, archive, feed) {
  const { stdout } = await tapedeck(t, [
    "cat",
    "-a",
    archive,
    "--feed",
    feed,
    "--topic",
    "trade",
    "--raw",
  ]);
  return stdout.split("\n").slice(0, -1);
}

const WINDOWS = [9, 12, 15];

test("record --deflate: messages are recorded as before compression, with any window, with and without takeover", async (t) => {
  const rows = {
    off: false,
    plain: { threshold: 0 },
    alone: { threshold: 0, serverNoContextTakeover: true },
    "both-alone": { threshold: 0, serverNoContextTakeover: true, clientNoContextTakeover: true },
    limited: { threshold: 0, clientMaxWindowBits: 10 },
    some: { threshold: 1000 },
    ...Object.fromEntries(
      WINDOWS.map((bits) => [`window-${bits}`, { threshold: 0, serverMaxWindowBits: bits }])
    ),
  };
  const dir = temporary(t);
  const frames = [...Array(300).keys()].map((i) =>
    trade(i, i % 50 === 0 ? 70_000 : i % 7 === 0 ? 2000 : 0)
  );
  const server = await servers(t, rows, (ws) => {
    frames.forEach((text, i) => {
      if (i % 3 !== 1) return ws.send(text);
      ws.send(text.slice(0, 50), { fin: false });
      ws.send(text.slice(50), { fin: true });
    });
  });
  const names = Object.keys(rows);
  const recorder = recordAll(t, dir, server, names);
  await Promise.all(
    names.map((name) => recorder.durableLine((d) => d.feed === name && d.in > frames.length))
  );
  assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
  const archive = path.join(dir, "tape");
  const extensionsOf = new Map(
    (await eventsOf(t, archive, "connect")).map((event) => [event.url, event.extensions])
  );
  for (const name of names) {
    assert.deepEqual(await messagesOf(t, archive, name), frames, name);
    assert.equal(extensionsOf.get(`${server.url}/${name}`), server.agreed.get(name), name);
  }
  assert.equal(server.agreed.get("off"), undefined);
  assert.equal(server.agreed.get("limited"), "permessage-deflate; client_max_window_bits=10");
  assert.equal(server.agreed.get("window-9"), "permessage-deflate; server_max_window_bits=9");
});

test("record --deflate: a message that inflates above the limit ends its connection, and delays no other one", async (t) => {
  const dir = temporary(t);
  const frames = [...Array(100).keys()].map((i) => trade(i));
  const server = await servers(
    t,
    { bomb: { threshold: 0 }, good: { threshold: 0 } },
    (ws, name) => {
      for (const text of frames) ws.send(text);
      if (name === "bomb") ws.send("x".repeat((16 << 20) + 1));
    }
  );
  const recorder = recordAll(t, dir, server, ["bomb", "good"]);
  const closed = recorder.until(
    recorder.prints(/bomb: .*sent a message of more than 16777216 bytes/)
  );
  await Promise.all([
    closed,
    ...["bomb", "good"].map((name) =>
      recorder.durableLine((d) => d.feed === name && d.in > frames.length)
    ),
  ]);
  assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
  const archive = path.join(dir, "tape");
  assert.deepEqual(await messagesOf(t, archive, "good"), frames);
  assert.deepEqual((await messagesOf(t, archive, "bomb")).slice(0, frames.length), frames);
  const ends = (await eventsOf(t, archive, "disconnect")).filter(
    (event) => event.cause === "too_large"
  );
  assert.ok(ends.length > 0);
  const gaps = await jsonList(t, ["gaps", "-a", archive, "--json"], { status: null });
  assert.deepEqual(
    [...new Set(gaps.filter((gap) => gap.cause === "too_large").map((gap) => gap.feed))],
    ["bomb"]
  );
});

// The clients' offers: none, that of browsers, and window sizes for the server.
const OFFERS = [
  false,
  {},
  { serverNoContextTakeover: true, clientNoContextTakeover: true, threshold: 0 },
  ...WINDOWS.map((serverMaxWindowBits) => ({ serverMaxWindowBits })),
];

/** A client of npm's ws: its messages as text, and ended(), which resolves to the close code. */
async function client(server, url, perMessageDeflate) {
  const ws = new WebSocket(server.url + url, { ca: fs.readFileSync(server.ca), perMessageDeflate });
  const texts = [];
  ws.on("message", (data) => texts.push(data.toString()));
  await once(ws, "open");
  assert.equal(ws.extensions !== "", perMessageDeflate !== false);
  return { ws, texts, ended: once(ws, "close").then(([code]) => code) };
}

const ENOUGH = 500; // messages
const SUBSCRIBE =
  '{"op":"subscribe","args":["trade.*","orderBookL2_25.*","orderBook_200.100ms.*"]}';

test("sim: each client gets the messages of the truth file, whatever it offered, while others disconnect", async (t) => {
  const dir = temporary(t);
  const sim = await simulator(t, dir, [
    "--families",
    "inverse",
    "--symbols",
    "2",
    "--rate",
    "1000",
    "--seed",
    "5",
  ]);
  const clients = [];
  for (const offer of [...OFFERS, false, {}]) clients.push(await client(sim, "/realtime", offer));
  const [changing, leaving] = clients.slice(-2);
  changing.ws.on("message", () => {
    if (changing.texts.length === 100)
      changing.ws.send('{"op":"unsubscribe","args":["orderBookL2_25.*"]}');
    if (changing.texts.length === 200) changing.ws.send(SUBSCRIBE);
  });
  leaving.ws.on("message", () => leaving.texts.length === 150 && leaving.ws.terminate());
  // The exchange ends once each has enough, not after a number of frames: on a busy machine some subscribe late.
  const haveEnough = clients
    .slice(0, -1)
    .map(
      ({ ws, texts }) =>
        new Promise((resolve) => ws.on("message", () => texts.length === ENOUGH && resolve()))
    );
  for (const { ws } of clients) ws.send(SUBSCRIBE);
  await sim.program.until(Promise.all([...haveEnough, leaving.ended]));
  await sim.program.kill("SIGTERM");
  const codes = await Promise.all(clients.map((one) => one.ended));
  assert.deepEqual(codes, [...clients.slice(1).map(() => 1001), 1006]);
  const sent = sentFrames(sim.truth).get("/realtime");
  const hashes = new Map(); // clients get the same messages
  const hash = (text) => hashes.get(text) ?? hashes.set(text, xxh64(Buffer.from(text))).get(text);
  for (const [i, { texts }] of clients.entries()) {
    const truth = sent.get(i + 1);
    const data = texts
      .map((text, n) => [n + 1, text])
      .filter(([, text]) => JSON.parse(text).topic !== undefined);
    for (const [n, text] of data)
      assert.equal(hash(text), truth.get(n), `client ${i + 1}, message ${n}`);
    if (i + 1 < clients.length) assert.equal(data.length, truth.size, `client ${i + 1}`);
  }
  assert.ok(changing.texts.filter((text) => text.includes('"op":"unsubscribe"')).length === 1);
});

test("serve: clients that offer compression get the tape's bytes; so do Python's websockets and record --deflate", async (t) => {
  const dir = temporary(t);
  const frames = [...Array(400).keys()].map((i) =>
    trade(i, i === 200 ? 3 << 20 : i % 9 === 0 ? 5000 : 0)
  );
  const source = await importFrames(t, dir, { family: "inverse", host: "/realtime", frames });
  const server = await listening(t, ["serve", "-a", source, "--speed", "max"], dir);
  const clients = await Promise.all(OFFERS.map((offer) => client(server, "/realtime", offer)));
  for (const { ws } of clients) ws.send(SUBSCRIBE);
  for (const { ended, texts } of clients) {
    assert.equal(await ended, 1000);
    assert.deepEqual(texts.slice(1), frames);
  }
  const archive = path.join(dir, "tape");
  await run(t, "tapedeck-record", [
    "record",
    "-q",
    "-a",
    archive,
    ...feedArgs(server, "inverse", ["trade.*"]),
    "--deflate",
    "--until-close",
  ]);
  assert.deepEqual(await messagesOf(t, archive, "inverse"), frames);
  const [connect] = await eventsOf(t, archive, "connect");
  assert.equal(
    connect.extensions,
    "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
  );
  const python = pythonWithWebsockets();
  if (python === undefined)
    return t.diagnostic("without Python's websockets (Debian: python3-websockets)");
  const file = path.join(dir, "client.py");
  fs.writeFileSync(file, PYTHON);
  const { stdout } = await run(t, python, [
    file,
    `${server.url}/realtime`,
    server.ca,
    "None 9 15",
    SUBSCRIBE,
  ]);
  const byOffer = stdout
    .split("end\n")
    .slice(0, -1)
    .map((text) => text.split("\n").slice(1, -1));
  assert.deepEqual(byOffer, [frames, frames, frames]);
});

test("record --deflate from sim: every sent message is recorded", async (t) => {
  const dir = temporary(t);
  const archive = path.join(dir, "tape");
  const sim = await simulator(t, dir, [
    "--families",
    "inverse",
    "--rate",
    "2000",
    "--max-frames",
    "1500",
    "--seed",
    "6",
  ]);
  await run(t, "tapedeck-record", [
    "record",
    "-q",
    "-a",
    archive,
    ...feedArgs(sim, "inverse"),
    "--deflate",
    "--until-close",
  ]);
  await sim.program.kill("SIGTERM");
  await compareWithTruth(t, archive, "inverse", sim.truth);
});

const PYTHON = `
import asyncio, ssl, sys, websockets
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
url, ca, offers, request = sys.argv[1:]
def offer(bits):
    return [] if bits == "None" else [ClientPerMessageDeflateFactory(server_max_window_bits=int(bits), client_max_window_bits=True)]
async def main(bits):
    context = ssl.create_default_context(cafile=ca)
    async with websockets.connect(url, ssl=context, compression=None, extensions=offer(bits), max_size=None) as socket:
        await socket.send(request)
        async for text in socket:
            print(text)
for bits in offers.split():
    asyncio.run(main(bits))
    print("end")
`;

function pythonWithWebsockets() {
  return ["python3", "/usr/bin/python3"]
    .map((name) =>
      spawnSync(name, ["-c", "import sys, websockets; print(sys.executable)"], { encoding: "utf8" })
    )
    .find(({ status }) => status === 0)
    ?.stdout.trim();
}
