// How messages arrived: how long the kernel had them before they were read, and how long they took to come whole
// (docs/recording.md, "Times").
import assert from "node:assert/strict";
import path from "node:path";
import { eventsOf, jsonLines, tapedeck, temporary } from "./lib.mjs";
import { acknowledge, hostile, trade } from "./hostile.mjs";
import { feedArgs, Recorder } from "./live.mjs";
import { test } from "./npm.mjs";

/** The `arrivals` events of an archive. */
async function arrivalsOf(t, archive) {
  const rows = await jsonLines(t, ["cat", "-a", archive, "--events", "--topic", "_arrivals"]);
  return rows.filter((row) => row.topic === "_arrivals").map((row) => JSON.parse(row.data));
}

test("delays of all messages, and spans of those that came in several reads, are recorded", async (t) => {
  const dir = temporary(t);
  const archive = path.join(dir, "tape");
  const MESSAGES = 50;
  const gaps_us = new Map(); // ordinal -> time between the pong for its first part, and its last part
  const server = await hostile(t, dir, {
    message: (ws, request, n) => {
      acknowledge(ws, request);
      if (n > 1) return void ws.send(trade(1_000_000));
      const next = (i) => {
        if (i === MESSAGES) return ws.close(1012);
        const text = trade(i);
        if (i % 10 !== 0) {
          ws.send(text);
          return next(i + 1);
        }
        // The pong shows that the first part has been read.
        ws.send(text.slice(0, 20), { fin: false });
        ws.once("pong", () => {
          const begun = process.hrtime.bigint();
          ws.once("pong", () => {
            gaps_us.set(i + 2, Number((process.hrtime.bigint() - begun) / 1000n)); // the answer to the request is the first frame
            ws.send(text.slice(20));
            next(i + 1);
          });
          ws.ping("2");
        });
        ws.ping("1");
      };
      next(0);
    },
  });
  const recorder = new Recorder(t, archive, feedArgs(server, "inverse", ["trade.BTCUSD"]));
  await recorder.durableLine((line) => line.conn === 2 && line.in >= 2);
  assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
  const rows = await jsonLines(t, ["cat", "-a", archive, "--dir", "in"]);
  const events = await arrivalsOf(t, archive);
  for (const conn of [1, 2]) {
    const ordinals = rows.filter((row) => row.conn === conn).map((row) => row.ordinal);
    const own = events.filter((event) => event.conn === conn);
    let next = 1;
    for (const event of own) {
      assert.equal(event.ordinal, next);
      assert.equal(event.delays_us.length, event.delay_frames.length);
      next += event.delay_frames.reduce((sum, frames) => sum + frames, 0);
    }
    assert.equal(next - 1, ordinals.at(-1));
    // The kernel knows when each came.
    assert.ok(own.every((event) => event.delays_us.every((us) => us > 0 && us < 60e6)), JSON.stringify(own));
  }
  const spans = new Map(events.filter((event) => event.conn === 1).flatMap((event) => event.spans_us));
  for (const [ordinal, gap_us] of gaps_us) assert.ok(spans.get(ordinal) >= gap_us, `${ordinal}: ${spans.get(ordinal)} ${gap_us}`);
  assert.deepEqual([...spans.keys()], [...gaps_us.keys()]);
  // Nothing else shows them.
  assert.equal((await eventsOf(t, archive, "arrivals")).length, 0);
  await tapedeck(t, ["verify", "-a", archive]);
  await tapedeck(t, ["reindex", "-a", archive]);
  assert.equal((await arrivalsOf(t, archive)).length, events.length);
});
