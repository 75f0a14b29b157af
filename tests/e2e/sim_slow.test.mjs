// A client of the simulated exchange that does not read: the others do not notice it, and a stop does not wait for it.
import assert from "node:assert/strict";
import { once } from "node:events";
import { describe } from "node:test";
import { listening, temporary } from "./lib.mjs";
import { npm, test } from "./npm.mjs";

const { WebSocket } = npm("ws");
// More than the sockets of both ends (a few MB each way) and the server's queue (8 MiB) take together.
const FLOOD_BYTES = 64 << 20;
const PAUSE_MS_MAX = 5_000;
const END_MS_MAX = 10_000; // a stop takes 2 s at most; the rest is for a loaded machine

const simulated = (t, ...options) => listening(t, ["sim", "--plain", "--rate", "20000", "--symbols", "2", ...options], temporary(t));

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

/** The longest pause between two frames of a client until it has so many bytes. */
function longestPause(ws, bytes) {
  return new Promise((resolve, reject) => {
    let [seen, last, longest] = [0, Date.now(), 0];
    ws.on("message", (frame) => {
      longest = Math.max(longest, Date.now() - last);
      last = Date.now();
      seen += frame.length;
      if (seen >= bytes) resolve(longest);
    });
    ws.on("close", (code) => reject(new Error(`the other client was closed (${code})`)));
  });
}

async function endsSoon(program, begin) {
  const end = await program.ended;
  assert.equal(end.code, 0, end.stderr);
  assert.ok(Date.now() - begin < END_MS_MAX, `ended after ${Date.now() - begin} ms`);
  return end;
}

describe("a client that does not read", { concurrency: 1 }, () => {
  for (const rate of ["20000", "0"])
    test(`at rate ${rate}: the slow client is closed, and another client of its family continues`, async (t) => {
      const { program, url } = await simulated(t, "--rate", rate, "-v");
      const [slow, other] = [await subscribed(t, url), await subscribed(t, url)];
      slow.pause();
      const pause = await longestPause(other, FLOOD_BYTES);
      assert.ok(pause < PAUSE_MS_MAX, `a pause of ${pause} ms`);
      await program.says(/does not read/);
    });

  test("SIGTERM still ends the exchange", async (t) => {
    const { program, url } = await simulated(t);
    const slow = await subscribed(t, url);
    slow.pause();
    const other = await subscribed(t, url);
    await longestPause(other, FLOOD_BYTES / 4);
    const begin = Date.now();
    program.child.kill("SIGTERM");
    await endsSoon(program, begin);
  });

  test("alone, it holds its family back, and SIGTERM ends that", async (t) => {
    const { program, url } = await simulated(t, "--rate", "0");
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

  test("--duration ends it, too", async (t) => {
    const begin = Date.now();
    const { program, url } = await simulated(t, "--rate", "0", "--duration", "1s");
    const slow = await subscribed(t, url);
    slow.pause();
    await endsSoon(program, begin);
  });
});
