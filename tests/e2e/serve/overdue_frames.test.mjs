// serve is late itself, because it was stopped: a client that reads as fast as it can gets every frame.
import assert from "node:assert/strict";
import { once } from "node:events";
import {
  eventually,
  FRAMES_MS as MS,
  importFrames,
  listening,
  temporary,
} from "../support/harness.mjs";
import { npm, test } from "../support/npm_packages.mjs";

const { WebSocket } = npm("ws");
const HOST = "/v5/public/linear";
const COUNT = 200;
const BYTES = 150_000;
const BUSY_MS = 2; // for each frame: serve sends faster than the client reads, and the tape, with a frame each 40 ms, plays more slowly

const frame = (topic, k, text = "") =>
  JSON.stringify({
    topic: `${topic}.AUSDT`,
    type: "snapshot",
    ts: MS + k,
    data: { symbol: "AUSDT", text },
  });
const FRAMES = [
  frame("tickers", 0),
  ...Array.from({ length: COUNT }, (_, k) => frame("liquidation", k, "x".repeat(BYTES))),
];

/** A client whose subscription was answered; onMessage gets what follows the answer. */
const subscribed = async (t, url, onMessage) => {
  const ws = new WebSocket(`${url}${HOST}`, { perMessageDeflate: false });
  t.after(() => ws.terminate());
  await once(ws, "open");
  ws.send(JSON.stringify({ op: "subscribe", args: ["tickers.AUSDT", "liquidation.AUSDT"] }));
  await new Promise((resolve) => {
    let isAnswered = false;
    ws.on("message", (bytes) => {
      if (isAnswered) onMessage?.(bytes);
      isAnswered = true;
      resolve();
    });
  });
  return ws;
};

test("frames that became due while serve was stopped wait for a client that reads, not for a client that does not", async (t) => {
  const dir = temporary(t);
  const archive = await importFrames(t, dir, { family: "v5-linear", host: HOST, frames: FRAMES });
  const { program, url } = await listening(
    t,
    [
      "serve",
      "-a",
      archive,
      "--plain",
      "--shared-clock",
      "--speed",
      "0.25",
      "--fault",
      "stall:p=1,topic=tickers*,by=5s",
    ],
    dir
  );
  const control = async (command) =>
    (await fetch(`${url.replace("ws:", "http:")}/control/${command}`, { method: "POST" })).json();
  await control("pause"); // until both clients have the tape
  const got = [];
  const reader = await subscribed(t, url, (bytes) => {
    got.push(bytes.length);
    for (const end = performance.now() + BUSY_MS; performance.now() < end;);
  });
  const sleeper = await subscribed(t, url);
  sleeper.pause();
  const ends = [reader, sleeper].map((ws) => once(ws, "close"));
  await eventually(
    "the tape has both clients",
    async () => (await control("pause")).tapes[0]?.clients === 2,
    program
  );
  await control("resume");
  // serve waits 5 s for a client that it closes, and ends the connection of one that reads later without a close frame.
  await program.prints(/a client is closed: it reads too slowly/);
  sleeper.resume();
  const [[code, reason], [sleeperCode]] = await Promise.all(ends);
  assert.deepEqual([code, `${reason}`, got.length], [1000, "", FRAMES.length]);
  assert.equal(sleeperCode, 1008);
  const end = await program.kill("SIGTERM");
  assert.match(end.stderr, /1 client closed because they read too slowly/);
});
