// Keys in serve's terminal, and their effect on its client. The frames are made up here, 10 ms apart.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { once } from "node:events";
import { FRAMES_MS as MS, importFrames, temporary } from "../support/harness.mjs";
import { npm, test } from "../support/npm_packages.mjs";
import { Tmux, withoutTmux as skip } from "../support/tmux.mjs";

const { WebSocket } = npm("ws");
const COUNT = 2100; // 21 s
const HOST = "/v5/public/linear";
const frame = (k) =>
  JSON.stringify({
    topic: "orderbook.50.AUSDT",
    type: k === 0 ? "snapshot" : "delta",
    ts: MS + k,
    data: {
      s: "AUSDT",
      b: [["100.0", `${k + 1}`]],
      a: [["101.0", `${k + 1}`]],
      u: k + 1,
      seq: 1000 + k,
    },
    cts: MS + k,
  });
const FRAMES = Array.from({ length: COUNT }, (_, k) => frame(k));

/** Serve in a terminal, paused, with a client that waits for the tape's first frame. */
async function paused(t, frames, ...options) {
  const dir = temporary(t);
  const archive = await importFrames(t, dir, { family: "v5-linear", host: HOST, frames });
  const ready = path.join(dir, "ready.json");
  const terminal = new Tmux(t, [
    "serve",
    "-a",
    archive,
    "--plain",
    ...options,
    "--listen",
    "127.0.0.1:0",
    "--ready-file",
    ready,
  ]);
  terminal.shows(/keys: space: pause[^]*no tape {2}speed 1 {2}0 clients {2}0 frames$/m);
  terminal.keys("Space");
  terminal.shows(/no tape {2}speed 1 {2}paused/);
  const ws = new WebSocket(`${JSON.parse(fs.readFileSync(ready)).url}${HOST}`, {
    perMessageDeflate: false,
  });
  t.after(() => ws.terminate());
  const got = [];
  const waits = [];
  ws.on("message", (bytes) => {
    if (JSON.parse(bytes).topic === undefined) return;
    got.push(String(bytes));
    waits.forEach((check) => check());
  });
  const until = (condition) =>
    new Promise((resolve) => {
      const check = () => condition() && resolve();
      waits.push(check);
      check();
    });
  await once(ws, "open");
  ws.send(JSON.stringify({ op: "subscribe", args: ["orderbook.50.AUSDT"] }));
  terminal.shows(/T06:00:00\.010Z {2}speed 1 {2}paused {2}1 client {2}0 frames/); // of the first frame
  return { terminal, ws, got, until };
}

test(
  "space pauses and resumes, . steps, + - 1 m set the speed, f b move ten seconds, q ends; each affects the client",
  { skip },
  async (t) => {
    const { terminal, ws, got, until } = await paused(t, FRAMES, "--hold");
    terminal.keys(".", "Right", ",", ".");
    terminal.shows(/T06:00:00\.030Z {2}speed 1 {2}paused {2}1 client {2}3 frames/);
    await until(() => got.length >= 3);
    assert.deepEqual(got, FRAMES.slice(0, 3));
    terminal.keys("+", "Up", "-", "Down", "-");
    terminal.shows(/speed 0\.5 {2}paused/);
    terminal.keys("1", "+");
    terminal.shows(/speed 2 {2}paused/);
    terminal.keys("f");
    terminal.shows(/T06:00:10\.030Z {2}speed 2 {2}paused/);
    terminal.keys(".");
    await until(() => got.length >= 5);
    assert.equal(got[4], FRAMES[1002]); // after a made snapshot
    assert.deepEqual([JSON.parse(got[3]).type, JSON.parse(got[3]).data.u], ["snapshot", 1002]);
    terminal.keys("b");
    terminal.shows(/T06:00:00\.030Z {2}speed 2 {2}paused/);
    terminal.keys("b"); // stays at the beginning
    terminal.shows(/T06:00:00\.010Z {2}speed 2 {2}paused/);
    terminal.keys("f", "f"); // in one read or two
    terminal.shows(/T06:00:20\.010Z {2}speed 2 {2}paused/);
    terminal.keys("b", "b");
    terminal.shows(/T06:00:00\.010Z {2}speed 2 {2}paused/);
    terminal.keys("m");
    terminal.shows(/speed max {2}paused/);
    terminal.keys("Space");
    await until(() => got.at(-1) === FRAMES.at(-1));
    assert.deepEqual(got.slice(-COUNT), FRAMES);
    terminal.keys("q");
    const [code] = await once(ws, "close");
    assert.equal(code, 1001);
    terminal.shows(/status 0/);
  }
);

test("with --loop steps, and a jump, past the end start the tape again", { skip }, async (t) => {
  const { terminal, got, until } = await paused(t, FRAMES.slice(0, 3), "--loop");
  for (let count = 1; count <= 5; count++) {
    terminal.keys(".");
    await until(() => got.length === count);
  }
  terminal.keys("f");
  terminal.shows(/T06:00:00\.010Z {2}speed 1 {2}paused {2}1 client {2}5 frames/);
  terminal.keys(".");
  await until(() => got.length === 6);
  assert.deepEqual(
    got,
    [0, 1, 2, 0, 1, 0].map((k) => FRAMES[k])
  );
  terminal.keys("q");
  terminal.shows(/status 0/);
});
