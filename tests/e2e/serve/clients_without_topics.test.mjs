// serve warns of clients that have no topic of the recording. Expected: docs/serve.md, "Clients without topics".
import assert from "node:assert/strict";
import { once } from "node:events";
import { FRAMES_MS, importFrames, listening, temporary } from "../support/harness.mjs";
import { npm, test } from "../support/npm_packages.mjs";

const { WebSocket } = npm("ws");
const PATH = "/v5/public/linear";
const TRADE = JSON.stringify({
  topic: "publicTrade.BTCUSDT",
  type: "snapshot",
  ts: FRAMES_MS,
  data: [{ T: FRAMES_MS, s: "BTCUSDT", S: "Buy", v: "1", p: "2.5", i: "id-1", BT: false, seq: 1 }],
});
const literal = (text) => new RegExp(text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
const subscribe = (topic) => `{"op":"subscribe","args":["${topic}"]}`;
const KEY = "kYpqia91ma19a5s61cv6a81",
  SIGNATURE = "a5s61cv6a81va65sdf19v8a65a1a5s61cv6a81va65sdf19v8a65a1";

/** A client that sends these texts, each once the one before is answered. */
async function client(t, url, texts) {
  const socket = new WebSocket(url);
  t.after(() => socket.terminate());
  await once(socket, "open");
  for (const text of texts) {
    socket.send(text);
    await once(socket, "message");
  }
  return socket;
}

async function leave(socket) {
  socket.close();
  await once(socket, "close");
}

test("a client without a topic of the recording is a warning that names what it asked", async (t) => {
  const dir = temporary(t),
    archive = await importFrames(t, dir, { family: "v5-linear", host: PATH, frames: [TRADE] });
  const { url, program } = await listening(
    t,
    ["serve", archive, "--plain", "--hold", "--json"],
    dir
  );
  const silent = await client(t, `${url}${PATH}`, []);
  const granted = await client(t, `${url}${PATH}`, [subscribe("publicTrade.BTCUSDT")]);
  const late = await client(t, `${url}${PATH}`, [
    subscribe("publicTrade.XRPUSDT"),
    subscribe("publicTrade.BTCUSDT"),
  ]);

  const has =
    "the recording has 1 topic at this path, such as publicTrade.BTCUSDT: request it with ";
  for (const [topic, warned] of [
    ["publicTrade.XRPUSDT", 1], // refused: a symbol that the tape lacks
    ["orderbook.50.BTCUSDT", 1], // granted, but silent
    ["publicTrade.XRPUSDT", 0], // the same again, within a minute
  ]) {
    await leave(await client(t, `${url}${PATH}`, [subscribe(topic)]));
    const expected = `a client at ${PATH} (127.0.0.1) has no topic of the recording when it leaves: it first asked ${subscribe(topic)}; ${has}{`;
    if (warned) await program.prints(literal(expected));
  }

  await leave(
    await client(t, `${url}${PATH}`, [
      `{"op":"auth","args":["${KEY}",9999999999999,"${SIGNATURE}"]}`,
    ])
  );
  await program.prints(literal('it first asked {"op":"auth","args":["***'));
  await leave(await client(t, `${url}${PATH}`, [`${"x".repeat(5000)}`]));
  await program.prints(literal(`it first asked ${"x".repeat(200)}...; `));

  await program.prints(
    literal(`has no topic of the recording after 5 s: it sent no request; ${has}`)
  );
  for (const socket of [silent, granted, late]) await leave(socket);
  const { stdout, stderr } = await program.kill("SIGTERM");
  assert.equal(JSON.parse(stdout).topicless, 6, stderr);
  assert.equal(stderr.match(/no topic of the recording (after|when)/g).length, 5, stderr);
  assert.match(stderr, /6 clients had no topic of the recording/);
  assert.ok(!stderr.includes(KEY) && !stderr.includes(SIGNATURE), stderr);
});
