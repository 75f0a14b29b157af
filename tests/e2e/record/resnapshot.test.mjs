// A short connection gets new snapshots, which are compared with the running books. Expected: an exchange of the test, which
// sends its first connection one delta without the change of a level.
import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import path from "node:path";
import { describe } from "node:test";
import { eventsOf, json, jsonList, tapedeck, temporary } from "../support/harness.mjs";
import { npm, test } from "../support/npm_packages.mjs";
import { printed } from "../support/lines.mjs";
import { Recorder } from "../support/recorders.mjs";

const { WebSocketServer } = npm("ws");

const TOPIC = "orderbook.50.BTCUSDT",
  EVERY_MS = 20,
  HIDDEN_AFTER = 10; // long before the extra connection, also where ticks of a busy machine are late

/** A server of one book with three levels; update u sets the size of one of them. hides: the first connection gets, so many
 *  updates after its snapshot, one delta with another level instead. */
async function exchange(t, { hides }) {
  const web = http.createServer((_, response) => response.end("{}"));
  const server = new WebSocketServer({ server: web }),
    clients = new Map();
  const sizes = ["1", "1", "1"];
  let u = 1,
    hiddenU = Infinity,
    connections = 0;
  await once(web.listen(0, "127.0.0.1"), "listening"); // after the server: a missing package leaves nothing open
  const frame = (type, b) =>
    JSON.stringify({
      topic: TOPIC,
      type,
      ts: Date.now(),
      data: { s: "BTCUSDT", b, a: type === "snapshot" ? [["200", "1"]] : [], u, seq: 1000 + u },
      cts: Date.now() - 1,
    });
  const timer = setInterval(() => {
    u++;
    const level = u === hiddenU ? 2 : u % 2; // the third level changes once
    sizes[level] = String(u);
    const delta = frame("delta", [[String(100 + level), sizes[level]]]),
      other = frame("delta", [[String(100 + (u % 2)), "0.5"]]);
    for (const [client, { isFirst }] of clients)
      client.send(hides && isFirst && u === hiddenU ? other : delta);
  }, EVERY_MS);
  server.on("connection", (client) => {
    const isFirst = ++connections === 1;
    client.on("close", () => clients.delete(client));
    client.on("message", (bytes) => {
      const { op, req_id } = JSON.parse(bytes);
      if (op === "ping")
        return client.send(
          JSON.stringify({ success: true, ret_msg: "pong", conn_id: "1", op: "ping", req_id })
        );
      client.send(JSON.stringify({ success: true, ret_msg: "", conn_id: "1", req_id, op }));
      if (op === "unsubscribe") return clients.delete(client);
      client.send(
        frame(
          "snapshot",
          sizes.map((size, i) => [String(100 + i), size])
        )
      );
      clients.set(client, { isFirst });
      if (hiddenU === Infinity) hiddenU = u + HIDDEN_AFTER;
    });
  });
  t.after(
    () => (clearInterval(timer), clients.forEach((_, client) => client.terminate()), web.close())
  );
  return `ws://127.0.0.1:${web.address().port}/v5/public/linear`;
}

/** Record until so many extra connections have left. */
async function recorded(t, { hides, more = [], extras }) {
  const archive = path.join(temporary(t), "tape");
  const recorder = new Recorder(t, archive, [
    await exchange(t, { hides }),
    "--family",
    "v5-linear",
    "--topic",
    TOPIC,
    "--http",
    "time@1h=/v5/market/time",
    "--commit-interval",
    "100ms",
    "--resnapshot",
    "4s",
    ...more,
  ]);
  await printed(
    recorder,
    "its snapshots were compared with the books of connection 1 of line 0",
    extras
  );
  await recorder.durableAfter(recorder.durableLines + 5);
  assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
  await tapedeck(t, ["verify", archive]);
  return { archive, recorder };
}

describe("resnapshot", { concurrency: true }, () => {
  test("an extra connection comes and goes: nothing is missing, and each frame is read once", async (t) => {
    const { archive, recorder } = await recorded(t, { hides: false, extras: 2 });
    assert.equal(
      (await eventsOf(t, archive, "http")).length,
      1,
      "the feed's requests are those of one client"
    );
    const ends = await eventsOf(t, archive, "disconnect");
    const causes = (of) => ends.filter(({ line }) => line === of).map(({ cause }) => cause);
    assert.deepEqual(causes(0), ["closed_by_us"]);
    const [first, second, ...later] = causes(1); // until the stop there may be time for another, which the stop may close
    assert.deepEqual([first, second], ["replaced", "replaced"]);
    assert.ok(
      later.every(
        (cause, i) => cause === "replaced" || (cause === "closed_by_us" && i === later.length - 1)
      ),
      `${later}`
    );
    assert.deepEqual(await jsonList(t, ["gaps", "-a", archive, "--json"]), []);
    const report = await json(t, ["replay", archive, "--json"]);
    assert.equal(report.verdict, "complete", JSON.stringify(report));
    assert.doesNotMatch(recorder.stderr, /broken/);
  });

  test("a book that differs is found, and whole after a new snapshot", async (t) => {
    const { archive, recorder } = await recorded(t, { hides: true, extras: 1 });
    assert.match(recorder.stderr, /broken \(lines_agree/);
    assert.match(recorder.stderr, /subscribed again for a snapshot/);
    assert.match(recorder.stderr, /whole again \(lines_agree/);
    const gaps = await jsonList(t, ["gaps", "-a", archive, "--json"], { status: 1 });
    assert.deepEqual(
      gaps.map(({ line, reason, cause, to_ns }) => [line, reason, cause, to_ns !== null]).sort(),
      [
        [0, "sequence", "lines_agree", true],
        [1, "sequence", "lines_agree", true],
      ]
    );
  });

  test("without --heal the rows stay open", async (t) => {
    const { archive, recorder } = await recorded(t, {
      hides: true,
      extras: 1,
      more: ["--heal", "none"],
    });
    assert.match(recorder.stderr, /broken \(lines_agree/);
    const gaps = await jsonList(t, ["gaps", "-a", archive, "--json"], { status: 1 });
    assert.deepEqual(gaps.map(({ line, reason, to_ns }) => [line, reason, to_ns]).sort(), [
      [0, "sequence", null],
      [1, "sequence", null],
    ]);
  });
});
