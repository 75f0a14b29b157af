// permessage-deflate (RFC 7692) between our ends and other people's: what is recorded and what clients get are the messages'
// own bytes, and an event has what was agreed on.
import assert from "node:assert/strict";
import { once } from "node:events";
import fs from "node:fs";
import http from "node:http";
import path from "node:path";
import { eventsOf, jsonList, tapedeck, temporary } from "./lib.mjs";
import { acknowledge, trade } from "./hostile.mjs";
import { Recorder } from "./live.mjs";
import { npm, test } from "./npm.mjs";

const { WebSocketServer } = npm("ws");

/** A server of ws's: one for each name, at its path, which opens a connection for each upgrade and notes what it agreed to. */
async function servers(t, rows, opened) {
  const server = http.createServer();
  const agreed = new Map();
  const each = new Map();
  for (const [name, perMessageDeflate] of Object.entries(rows)) {
    const sockets = new WebSocketServer({ noServer: true, perMessageDeflate });
    sockets.on("headers", (lines) => agreed.set(name, /^Sec-WebSocket-Extensions: (.*)$/m.exec(lines.join("\n"))?.[1]));
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

/** A recorder of all of them, each as a feed of its name. */
function recordAll(t, dir, server, names) {
  const file = path.join(dir, "feeds.yaml");
  const feed = (name) => `  - name: ${name}\n    family: inverse\n    url: ${server.url}/${name}\n    topics: [trade.BTCUSD]\n    deflate: true\n`;
  fs.writeFileSync(file, "feeds:\n" + names.map(feed).join(""));
  return new Recorder(t, path.join(dir, "tape"), ["-c", file]);
}

/** The messages of a feed, without answers. */
async function messagesOf(t, archive, feed) {
  const { stdout } = await tapedeck(t, ["cat", "-a", archive, "--feed", feed, "--topic", "trade", "--raw"]);
  return stdout.split("\n").slice(0, -1);
}

const WINDOWS = [9, 10, 11, 12, 13, 14, 15];

test("record --deflate: messages of every window, with and without takeover, are recorded as they were before", async (t) => {
  const rows = {
    off: false,
    plain: { threshold: 0 },
    alone: { threshold: 0, serverNoContextTakeover: true },
    "both-alone": { threshold: 0, serverNoContextTakeover: true, clientNoContextTakeover: true },
    limited: { threshold: 0, clientMaxWindowBits: 10 },
    some: { threshold: 1000 },
    ...Object.fromEntries(WINDOWS.map((bits) => [`window-${bits}`, { threshold: 0, serverMaxWindowBits: bits }])),
  };
  const dir = temporary(t);
  const frames = [...Array(300).keys()].map((i) => trade(i, i % 50 === 0 ? 70_000 : i % 7 === 0 ? 2000 : 0));
  const server = await servers(t, rows, (ws) => {
    frames.forEach((text, i) => {
      if (i % 3 !== 1) return ws.send(text);
      ws.send(text.slice(0, 50), { fin: false });
      ws.send(text.slice(50), { fin: true });
    });
  });
  const names = Object.keys(rows);
  const recorder = recordAll(t, dir, server, names);
  await Promise.all(names.map((name) => recorder.durableLine((d) => d.feed === name && d.in > frames.length)));
  assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
  const archive = path.join(dir, "tape");
  const said = new Map((await eventsOf(t, archive, "connect")).map((event) => [event.url, event.extensions]));
  for (const name of names) {
    assert.deepEqual(await messagesOf(t, archive, name), frames, name);
    assert.equal(said.get(`${server.url}/${name}`), server.agreed.get(name), name);
  }
  assert.equal(server.agreed.get("off"), undefined);
  assert.equal(server.agreed.get("limited"), "permessage-deflate; client_max_window_bits=10");
  assert.equal(server.agreed.get("window-9"), "permessage-deflate; server_max_window_bits=9");
});

test("record --deflate: a message that inflates over the limit ends its connection, and delays no other", async (t) => {
  const dir = temporary(t);
  const frames = [...Array(100).keys()].map((i) => trade(i));
  const server = await servers(t, { bomb: { threshold: 0 }, good: { threshold: 0 } }, (ws, name) => {
    for (const text of frames) ws.send(text);
    if (name === "bomb") ws.send("x".repeat((16 << 20) + 1));
  });
  const recorder = recordAll(t, dir, server, ["bomb", "good"]);
  const closed = recorder.until(recorder.says(/bomb: .*sent a message of more than 16777216 bytes/));
  await Promise.all([closed, ...["bomb", "good"].map((name) => recorder.durableLine((d) => d.feed === name && d.in > frames.length))]);
  assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
  const archive = path.join(dir, "tape");
  assert.deepEqual(await messagesOf(t, archive, "good"), frames);
  assert.deepEqual((await messagesOf(t, archive, "bomb")).slice(0, frames.length), frames);
  const ends = (await eventsOf(t, archive, "disconnect")).filter((event) => event.cause === "too_large");
  assert.ok(ends.length > 0);
  const gaps = await jsonList(t, ["gaps", "-a", archive, "--json"], { status: null });
  assert.deepEqual([...new Set(gaps.filter((gap) => gap.cause === "too_large").map((gap) => gap.feed))], ["bomb"]);
});
