// WebSocket pings of the server: answered, and recorded as heartbeat events (RFC 6455, 5.5.2 and 5.5.3; docs/recording.md).
import assert from "node:assert/strict";
import path from "node:path";
import { eventsOf, temporary } from "./lib.mjs";
import { acknowledge, hostile, trade } from "./hostile.mjs";
import { feedArgs, Recorder } from "./live.mjs";
import { test } from "./npm.mjs";

test("only a server's pings are recorded as heartbeat events", async (t) => {
  const dir = temporary(t);
  const archive = path.join(dir, "tape");
  const PINGS = 20;
  let pongs = 0;
  const payloads = [];
  const server = await hostile(t, dir, {
    message: (ws, request) => {
      acknowledge(ws, request);
      if (request.op !== "subscribe") return;
      // Data, and replies, before the first ping and between two: none of it is a heartbeat.
      for (let i = 0; i < 200; i++) ws.send(trade(i, i % 50 === 0 ? 100_000 : 0));
      ws.on("pong", (data) => {
        payloads.push(data.toString());
        pongs++;
        for (let i = 0; i < 20; i++) ws.send(trade(1000 * pongs + i));
        if (pongs < PINGS) ws.ping(`n${pongs}`);
        else ws.send(trade(999_999));
      });
      ws.ping("n0");
    },
  });
  const recorder = new Recorder(t, archive, feedArgs(server, "inverse", ["trade.BTCUSD"]));
  await recorder.durableLine((d) => d.in >= 202 + 20 * PINGS);
  assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
  assert.deepEqual(payloads, Array.from({ length: PINGS }, (_, i) => `n${i}`));
  const heard = await eventsOf(t, archive, "heartbeat");
  assert.deepEqual(heard.map((event) => `${event.what} ${event.dir} ${event.conn}`), Array(PINGS).fill("ping in 1"));
});
