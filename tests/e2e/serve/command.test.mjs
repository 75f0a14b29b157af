// serve --run: a command with a client runs while the tape is served. Expected: docs/serve.md.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import {
  FRAMES_MS,
  importFrames,
  json,
  Program,
  tapedeck,
  temporary,
} from "../support/harness.mjs";

const FRAMES = Array.from({ length: 50 }, (_, i) =>
  JSON.stringify({
    topic: "publicTrade.BTCUSDT",
    type: "snapshot",
    ts: FRAMES_MS + i,
    data: [
      {
        T: FRAMES_MS + i,
        s: "BTCUSDT",
        S: "Buy",
        v: "1",
        p: "2.5",
        i: `id-${i}`,
        BT: false,
        seq: i,
      },
    ],
  })
);
const tape = (t, dir) =>
  importFrames(t, dir, { family: "v5-linear", host: "/v5/public/linear", frames: FRAMES });

test("the command gets the URL, its end ends the server, and its status decides", async (t) => {
  const dir = temporary(t),
    archive = await tape(t, dir),
    copy = path.join(dir, "copy");
  const serve = (command, status) =>
    tapedeck(t, ["serve", archive, "--plain", "--speed", "max", "--run", command], { status });
  const recorder = `${path.resolve(process.env.TAPEDECK_BIN ?? "build/bin")}/tapedeck record -q -a ${copy} --family v5-linear "$1/v5/public/linear" --topic publicTrade --symbol BTCUSDT --until-close`;
  await serve(recorder, 0);
  assert.equal(
    (await json(t, ["replay", copy, "--json"], { status: null })).decoded,
    FRAMES.length
  );
  await serve("exit 3", 1);
  await serve("kill -9 $$", 1);
});

test("a refusal starts no command, and a stop ends it", async (t) => {
  const dir = temporary(t),
    archive = await tape(t, dir),
    mark = path.join(dir, "mark");
  await tapedeck(t, ["serve", archive, "--symbol", "NONE", "--plain", "--run", `touch ${mark}`], {
    status: 4,
  });
  assert.ok(!fs.existsSync(mark));
  for (const first of ["true", "trap '' TERM"]) {
    const server = new Program(t, "tapedeck", [
      "serve",
      archive,
      "--plain",
      "--run",
      `${first}; echo child $$ >&2; sleep 1000; true`,
    ]);
    const [, pid] = await server.prints(/child (\d+)/);
    assert.equal((await server.kill("SIGTERM")).code, 0, server.stderr);
    assert.ok(!fs.existsSync(`/proc/${pid}`));
  }
});
