// Private topics of every family: `replay --messages` prints the values that a second reader (private_frame_reader.mjs) finds in
// frames of the simulated exchange: all members, with ids, decimals, states and times.
import assert from "node:assert/strict";
import { once } from "node:events";
import { describe } from "node:test";
import { importFrames, json, listening, tapedeck, temporary } from "../support/harness.mjs";
import { npm, test } from "../support/npm_packages.mjs";
import { FAMILIES, read, readMessage, topicOf } from "./private_frame_reader.mjs";

const { WebSocket } = npm("ws");

const PATHS = {
  inverse: "/realtime",
  linear: "/realtime_private",
  copytrade: "/realtime_private",
  "usdc-private": "/trade/option/usdc/private/v1",
  "spot-private": "/spot/ws",
  "contract-v3": "/contract/private/v3",
  "v5-private": "/v5/private",
};
const FRAMES = 4; // of each topic, at least
let list; // the topics of the simulated exchange

/** Frames of a family's private topics, as its client gets them. */
async function received(t, dir, family, topics) {
  const sim = await listening(
    t,
    [
      "sim",
      "--plain",
      "--families",
      family,
      "--symbols",
      "2",
      "--rate",
      "500",
      "--time-scale",
      "20",
    ],
    dir
  );
  const ws = new WebSocket(sim.url + PATHS[family]);
  t.after(() => ws.terminate());
  const frames = [];
  const left = new Map(topics.map((topic) => [topic, FRAMES]));
  const all = new Promise((resolve) => {
    ws.on("message", (bytes) => {
      const topic = topicOf(bytes.toString());
      if (topic === undefined) return;
      frames.push(bytes.toString());
      left.set(topic, left.get(topic) - 1);
      if (Math.max(...left.values()) <= 0) resolve();
    });
  });
  await once(ws, "open");
  ws.send(JSON.stringify({ op: "auth", args: ["key", 9_999_999_999_999, "signature"] }));
  if (family !== "spot-private") ws.send(JSON.stringify({ op: "subscribe", args: topics }));
  await sim.program.until(all);
  ws.terminate();
  return [...frames]; // ws still delivers frames that it has read
}

describe("private frames have the values that a second reader finds", { concurrency: 2 }, () => {
  for (const [family, topics] of Object.entries(FAMILIES))
    test(family, async (t) => {
      const dir = temporary(t);
      const { rows } = await (list ??= json(undefined, ["sim", "--list", "--json"]));
      assert.deepEqual(
        rows
          .filter((row) => row.kind === "private" && row.family === family)
          .map((row) => row.name)
          .sort(),
        Object.keys(topics).sort()
      );
      const frames = await received(t, dir, family, Object.keys(topics));
      const archive = await importFrames(t, dir, { family, host: PATHS[family], frames });
      const { stdout } = await tapedeck(t, ["replay", archive, "--messages"], { status: null });
      const lines = stdout.trimEnd().split("\n");
      assert.equal(lines.length, frames.length);
      for (const [i, line] of lines.entries())
        assert.deepEqual(readMessage(line), read(family, frames[i]), frames[i]);
      const sides = new Set(
        lines.flatMap((line) => readMessage(line).items.map((item) => item.side))
      );
      for (const side of ["Buy", "Sell"]) assert.ok(sides.has(side), `${family}: ${side}`);
    });
});
