// A client of the simulated exchange that does not read: its family waits for it, and a stop does not.
import assert from "node:assert/strict";
import { once } from "node:events";
import { describe } from "node:test";
import { listening, temporary, tooLong } from "./lib.mjs";
import { npm, test } from "./npm.mjs";

const { WebSocket } = npm("ws");
// More than the sockets of both ends (a few MB each way) and the server's queue (8 MiB) take together.
const FLOOD_BYTES = 32 << 20;
const END_MS_MAX = 20_000; // a client that takes nothing is cut after 5 s; the rest is for a loaded machine

const simulated = (t, ...options) => listening(t, ["sim", "--plain", "--rate", "1000000", "--symbols", "2", ...options], temporary(t));

/** A client that has subscribed to everything, and got something. */
async function subscribed(t, url) {
  const ws = new WebSocket(`${url}/realtime`);
  t.after(() => ws.terminate());
  ws.on("error", () => {});
  await once(ws, "open");
  ws.send(JSON.stringify({ op: "subscribe", args: ["orderBookL2_25.*", "orderBook_200.100ms.*", "trade.*", "instrument_info.100ms.*"] }));
  await once(ws, "message");
  return ws;
}

/** A client has so many bytes more. */
function has(ws, bytes) {
  return new Promise((resolve, reject) => {
    let seen = 0;
    ws.on("message", (frame) => (seen += frame.length) >= bytes && resolve());
    ws.on("close", (code) => reject(new Error(`closed (${code})`)));
  });
}

async function endsSoon(program, begin) {
  const end = await program.ended;
  assert.equal(end.code, 0, end.stderr);
  assert.ok(Date.now() - begin < END_MS_MAX, `ended after ${Date.now() - begin} ms`);
  return end;
}

describe("a client that does not read", { concurrency: 1 }, () => {
  test("it holds its family back, and both continue when it reads again", async (t) => {
    const { url } = await simulated(t);
    const [slow, other] = [await subscribed(t, url), await subscribed(t, url)];
    slow.pause();
    const [slowHas, otherHas] = [has(slow, FLOOD_BYTES), has(other, FLOOD_BYTES)];
    let isThrough = false;
    otherHas.then(() => (isThrough = true));
    // Answers show that the exchange runs, and frames stop coming.
    for (let frames = -1, last = -2; frames !== last; ) {
      last = frames;
      const pong = new Promise((resolve) => other.on("message", function answer(text) {
        if (!/"pong"/.test(text)) return;
        other.off("message", answer);
        resolve();
      }));
      let seen = 0;
      const count = () => seen++;
      other.on("message", count);
      other.send('{"op":"ping"}');
      await pong;
      other.off("message", count);
      frames = seen === 1 ? last : frames + 1;
    }
    assert.equal(isThrough, false);
    slow.resume();
    await Promise.all([slowHas, otherHas]);
  });

  test("SIGTERM still ends the exchange", async (t) => {
    const { program, url } = await simulated(t);
    const slow = await subscribed(t, url);
    slow.pause();
    const other = new WebSocket(`${url}/realtime`); // answers to it show that the exchange runs
    t.after(() => other.terminate());
    await once(other, "open");
    other.send('{"op":"ping"}');
    await once(other, "message");
    const begin = Date.now();
    program.child.kill("SIGTERM");
    await endsSoon(program, begin);
  });

  test("--duration ends it, too", { skip: tooLong }, async (t) => {
    const begin = Date.now();
    const { program, url } = await simulated(t, "--duration", "1s");
    const slow = await subscribed(t, url);
    slow.pause();
    await endsSoon(program, begin);
  });
});
