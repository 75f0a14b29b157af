// A book that lost a delta is asked for again, so that the exchange sends a new snapshot. Expected: the simulated exchange's account.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { describe } from "node:test";
import { eventually, json, jsonLines, jsonList, tapedeck, temporary } from "../support/harness.mjs";
import { feedArgs, Recorder, simulator } from "../support/recorders.mjs";
import { test } from "../support/npm_packages.mjs";

const DROPS = [200, 500, 800];

/** Record a simulated exchange that loses frames, until a condition on stderr. */
async function recorded(
  t,
  { family, topics, more = [], faults = DROPS.map((n) => `drop@${n}`), until }
) {
  const dir = temporary(t),
    archive = path.join(dir, "tape");
  const server = await simulator(t, dir, [
    "--families",
    family,
    "--symbols",
    "2",
    "--rate",
    "200",
    ...faults.flatMap((fault) => ["--fault", fault]),
  ]);
  const recorder = new Recorder(t, archive, [
    ...feedArgs(server, family, topics),
    ...more,
    "--commit-interval",
    "100ms",
  ]);
  await until(recorder, server);
  assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
  return { archive, recorder, server };
}

const lost = (server) =>
  fs
    .readFileSync(server.truth, "utf8")
    .split("\n")
    .filter((line) => line.includes('"t":"fault"'))
    .map((line) => JSON.parse(line));

describe("a lost delta", { concurrency: true }, () => {
  for (const [family, topics, more] of [
    ["v5-linear", ["orderbook.50.BTCUSDT"], []],
    ["v5-linear", ["orderbook.50.BTCUSDT"], ["--lines", "2"]],
    ["v5-spot", ["orderbook.50.BTCUSDT"], []],
    ["contract-v3", ["orderbook.50.BTCUSDT"], []],
  ])
    test(`${[family, ...more].join(" ")}: is found, and the next snapshot comes at once`, async (t) => {
      const lines = more.length > 0 ? 2 : 1; // the exchange loses the frame on both
      const { archive, recorder, server } = await recorded(t, {
        family,
        topics,
        more,
        faults: ["drop@200"],
        until: async (recorder) => {
          await recorder.prints({
            test: (all) => all.split("whole again").length > lines,
            exec: () => null,
          });
          await recorder.durableAfter(recorder.durableLines + 10);
        },
      });
      assert.equal(lost(server).length, 1);
      assert.equal(recorder.stderr.split("subscribed again").length - 1, lines, recorder.stderr);
      const gaps = await jsonList(t, ["gaps", "-a", archive, "--json"], { status: 1 });
      assert.deepEqual(
        gaps.map(({ reason, origin }) => [reason, origin]),
        Array(lines).fill(["sequence", "exchange"])
      );
      // Each ends with the snapshot that its own line got at once: of two lines, the first one's is read.
      const rows = await jsonLines(t, ["cat", "-a", archive, "--dir", "in", "--topic", topics[0]]);
      for (const { line, from_ns, to_ns } of gaps) {
        const snapshot = rows.find(
          (row) =>
            row.line === line && row.recv_ns > from_ns && JSON.parse(row.data).type === "snapshot"
        );
        assert.ok(
          snapshot === undefined ? lines > 1 : Math.abs(to_ns - snapshot.recv_ns) < 1e4,
          JSON.stringify([gaps, snapshot])
        );
      }
      const requests = (await jsonLines(t, ["cat", "-a", archive, "--dir", "out"]))
        .map(({ data }) => JSON.parse(data))
        .filter(({ op }) => op !== "ping");
      const expected = [...Array(2 * lines).fill("subscribe"), ...Array(lines).fill("unsubscribe")];
      assert.deepEqual(
        requests.map(({ op, args }) => [op, args]).sort(),
        expected.map((op) => [op, topics])
      );
      const { books } = await json(t, ["replay", archive, "--json"], { status: null });
      assert.ok(
        books.every(({ broken }) => !broken),
        JSON.stringify(books)
      );
      await tapedeck(t, ["verify", archive]);
    });

  test("--heal none: the book stays broken until the next snapshot", async (t) => {
    const { archive, recorder } = await recorded(t, {
      family: "v5-linear",
      topics: ["orderbook.50.BTCUSDT"],
      more: ["--heal", "none"],
      faults: ["drop@200"],
      until: async (recorder) => {
        await recorder.prints(/broken/);
        await recorder.durableAfter(recorder.durableLines + 20);
      },
    });
    assert.ok(!recorder.stderr.includes("subscribed again"));
    const gaps = await jsonList(t, ["gaps", "-a", archive, "--json"], { status: 1 });
    assert.deepEqual(
      gaps.map(({ reason, to_ns }) => [reason, to_ns]),
      [["sequence", null]]
    );
  });

  test("a book that breaks all the time is asked for once a minute, and other topics are never touched", async (t) => {
    const { archive, recorder, server } = await recorded(t, {
      family: "v5-linear",
      topics: ["orderbook.50.BTCUSDT", "publicTrade.BTCUSDT", "tickers.BTCUSDT"],
      until: async (recorder, server) => {
        await recorder.prints(/subscribed again/);
        await eventually(
          "every frame is lost that is to be",
          () => lost(server).length === DROPS.length,
          recorder
        );
        await recorder.durableAfter(recorder.durableLines + 20);
      },
    });
    const frames = await jsonLines(t, ["cat", "-a", archive, "--dir", "out"]);
    const asked = frames
      .map(({ recv_ns, data }) => ({ recv_ns, ...JSON.parse(data) }))
      .filter(({ op }) => op === "unsubscribe");
    assert.equal(lost(server).length, DROPS.length);
    assert.ok(
      asked.every(({ recv_ns }, n) => n === 0 || recv_ns - asked[n - 1].recv_ns >= 59e9),
      JSON.stringify(asked)
    );
    assert.ok(
      asked.every(
        ({ args }) => args.join() === "orderbook.50.BTCUSDT" || args.join() === "tickers.BTCUSDT"
      ),
      JSON.stringify(asked)
    );
    assert.equal(recorder.stderr.split("subscribed again").length - 1, asked.length);
  });
});
